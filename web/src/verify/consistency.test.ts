import { expect, test } from "vitest";
import { type Bytes, sha256, utf8 } from "./bytes";
import { isConsistent } from "./consistency";
import { leafHash, nodeHash } from "./tree";

async function root(leaves: Bytes[]): Promise<Bytes> {
  if (leaves.length === 0) return sha256(new Uint8Array());
  if (leaves.length === 1) return leafHash(leaves[0] as Bytes);
  const k = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return nodeHash(await root(leaves.slice(0, k)), await root(leaves.slice(k)));
}

/** RFC 6962 section 2.1.2, as it is written. */
async function subproof(m: number, leaves: Bytes[], whole: boolean): Promise<Bytes[]> {
  if (m === leaves.length) return whole ? [] : [await root(leaves)];
  const k = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return m <= k
    ? [...(await subproof(m, leaves.slice(0, k), whole)), await root(leaves.slice(k))]
    : [...(await subproof(m - k, leaves.slice(k), false)), await root(leaves.slice(0, k))];
}

test("every growth up to sixteen leaves is proved, and no other tree", async () => {
  const leaves = Array.from({ length: 16 }, (_, i) => utf8(`leaf ${i}`));
  for (let size = 2; size <= 16; size++) {
    const now = await root(leaves.slice(0, size));
    for (let old = 1; old < size; old++) {
      const proof = await subproof(old, leaves.slice(0, size), true);
      const before = await root(leaves.slice(0, old));
      expect(await isConsistent(old, size, before, now, proof)).toBe(true);
      expect(await isConsistent(old, size, await leafHash(utf8("forged")), now, proof)).toBe(false);
      expect(await isConsistent(old, size, before, await leafHash(utf8("forged")), proof)).toBe(false);
      expect(await isConsistent(old, size, before, now, [...proof, before])).toBe(false);
    }
  }
});
