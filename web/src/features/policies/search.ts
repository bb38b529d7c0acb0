/** What the policies page shows, as it stands in the address. */

export const PARTS = ["rules", "source", "simulate"] as const;
export type Part = (typeof PARTS)[number];

export interface PoliciesSearch {
  /** A file, such as `policies/gdpr.yaml`. */
  file?: string;
  /** Or the name of a policy; reviews and evaluations name those. */
  policy?: string;
  part?: Part;
}

export function readPoliciesSearch(search: Record<string, unknown>): PoliciesSearch {
  const found: PoliciesSearch = {};
  for (const name of ["file", "policy"] as const) {
    const value = search[name];
    if (typeof value === "string" && value) found[name] = value;
  }
  const part = PARTS.find((it) => it === search.part);
  return part ? { ...found, part } : found;
}
