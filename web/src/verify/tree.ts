/** Merkle trees of RFC 6962, checked by RFC 9162 section 2.1. Sizes stay below 2^53. */
import { type Bytes, concat, equal, sha256 } from "./bytes";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const leafHash = (leaf: Bytes) => sha256(concat(LEAF, leaf));
export const nodeHash = (left: Bytes, right: Bytes) => sha256(concat(NODE, left, right));

const half = (n: number) => Math.floor(n / 2);
const odd = (n: number) => n % 2 === 1;

/** The root that an inclusion proof leads to, or nothing when it does not fit index and size. */
export async function rootOf(index: number, size: number, leaf: Bytes, path: Bytes[]): Promise<Bytes | undefined> {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return undefined;
  let first = index;
  let last = size - 1;
  let node = leaf;
  for (const sibling of path) {
    if (last === 0) return undefined;
    if (odd(first) || first === last) {
      node = await nodeHash(sibling, node);
      while (!odd(first) && first !== 0) {
        first = half(first);
        last = half(last);
      }
    } else {
      node = await nodeHash(node, sibling);
    }
    first = half(first);
    last = half(last);
  }
  return last === 0 ? node : undefined;
}

/** RFC 9162 section 2.1.3.2: the leaf hash stands at `index` of the tree with this root. */
export async function isIncluded(
  index: number,
  size: number,
  leaf: Bytes,
  path: Bytes[],
  root: Bytes,
): Promise<boolean> {
  const found = await rootOf(index, size, leaf, path);
  return found !== undefined && equal(found, root);
}
