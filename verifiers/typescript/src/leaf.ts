// Leaves of a log: canonical JSON with the members of docs/reference/wire.md.

import { fromHex, hasShape, parseLine, utf8, type Json } from "./text.js";

/** A leaf that is shown. */
export interface Leaf {
  hash: Uint8Array;
  facts: Json;
}

const LEAF_TYPES = [
  "span", "trace-seal", "decision", "review", "rule-change", "key-change", "access", "hold",
  "retention", "erasure", "export", "admin", "repricing", "remapping", "gap", "head",
];

/** Whether a leaf is of something whose record belongs into a bundle. */
export function isOfRecord({ facts }: Leaf): boolean {
  return facts["type"] === "span" || facts["type"] === "trace-seal";
}

export function readLeaf(text: string): Json | undefined {
  const leaf = parseLine(text);
  const sorted = (value: Json) => {
    const keys = Object.keys(value);
    return keys.every((key, at) => at === 0 || (keys[at - 1] as string) < key);
  };
  const required = { id: "string", received: "string", source: "string", type: "string", v: "count" } as const;
  const optional = {
    body_root: "string", epoch: "count", facts: "object", lengths: "array", rules: "string",
    seq: "string", supersedes: "string",
  } as const;
  if (!hasShape(leaf, required, optional) || leaf["v"] !== 1 || !sorted(leaf)) return undefined;
  const is = (name: string, bytes: number) =>
    leaf[name] === undefined || fromHex(leaf[name], bytes) !== undefined;
  const facts = (leaf["facts"] ?? {}) as Json;
  const sound =
    is("body_root", 32) && is("rules", 32) && is("id", 16) && is("supersedes", 16) &&
    sorted(facts) &&
    Object.values(facts).every((value) => typeof value === "string") &&
    ((leaf["lengths"] ?? []) as unknown[]).every((n) => Number.isSafeInteger(n) && Number(n) >= 0);
  const short = utf8(text).length <= 65_535;
  return sound && short && LEAF_TYPES.includes(leaf["type"] as string) ? leaf : undefined;
}
