// What can be wrong with a bundle, by name. The names are the same in all verifiers.

/** From best to worst. */
export const VERDICTS = [
  "valid", "unverifiable", "reordered", "truncated", "missing", "altered", "forked", "wrong-key",
  "bad-proof", "refused",
] as const;
export type Verdict = (typeof VERDICTS)[number];

export interface Where {
  file?: string;
  trace_id?: string;
  index?: number;
}

export class Fault extends Error {
  constructor(
    readonly verdict: Verdict,
    readonly code: string,
    readonly what: string,
    readonly where: Where = {},
  ) {
    super(what);
  }
}

export function refused(code: string, what: string, where: Where = {}): Fault {
  return new Fault("refused", code, what, where);
}

export function malformed(file: string, what: string): Fault {
  return refused("malformed-file", what, { file });
}
