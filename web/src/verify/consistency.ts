/** RFC 9162 section 2.1.4.2: a tree only grew. */
import { type Bytes, equal } from "./bytes";
import { nodeHash } from "./tree";

const half = (n: number) => Math.floor(n / 2);
const odd = (n: number) => n % 2 === 1;

/** Whether the tree of `newSize` leaves holds the tree of `oldSize` leaves unchanged. */
export async function isConsistent(oldSize: number, newSize: number, oldRoot: Bytes, newRoot: Bytes, proof: Bytes[]): Promise<boolean> {
  if (!Number.isSafeInteger(oldSize) || !Number.isSafeInteger(newSize) || oldSize < 0 || oldSize > newSize) return false;
  if (oldSize === newSize) return proof.length === 0 && equal(oldRoot, newRoot);
  if (oldSize === 0) return proof.length === 0;
  const isPower = Math.log2(oldSize) % 1 === 0;
  const path = isPower ? [oldRoot, ...proof] : [...proof];
  const start = path.shift();
  if (!start) return false;
  let first = oldSize - 1;
  let last = newSize - 1;
  while (odd(first)) {
    first = half(first);
    last = half(last);
  }
  let [a, b] = [start, start];
  for (const step of path) {
    if (last === 0) return false;
    if (odd(first) || first === last) {
      a = await nodeHash(step, a);
      b = await nodeHash(step, b);
      while (!odd(first) && first !== 0) {
        first = half(first);
        last = half(last);
      }
    } else {
      b = await nodeHash(b, step);
    }
    first = half(first);
    last = half(last);
  }
  return last === 0 && equal(a, oldRoot) && equal(b, newRoot);
}
