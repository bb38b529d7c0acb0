// Merkle trees (RFC 9162 section 2.1) on WebCrypto.

export async function sha256(...pieces: Uint8Array[]): Promise<Uint8Array> {
  let [data] = pieces;
  if (pieces.length !== 1 || !data) {
    data = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of pieces) {
      data.set(piece, at);
      at += piece.length;
    }
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data as Uint8Array<ArrayBuffer>));
}

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const leafHash = (...pieces: Uint8Array[]) => sha256(LEAF, ...pieces);
export const nodeHash = (left: Uint8Array, right: Uint8Array) => sha256(NODE, left, right);

/** Leaves and complete subtrees, added up from the left. */
export class Cover {
  size = 0;
  private readonly subtrees: { width: number; root: Uint8Array }[] = [];

  async push(width: number, root: Uint8Array) {
    this.size += width;
    for (;;) {
      const left = this.subtrees.at(-1);
      if (left?.width !== width) break;
      this.subtrees.pop();
      root = await nodeHash(left.root, root);
      width *= 2;
    }
    this.subtrees.push({ width, root });
  }

  async root(): Promise<Uint8Array> {
    const [last, ...rest] = [...this.subtrees].reverse();
    if (!last) return sha256(new Uint8Array());
    let root = last.root;
    for (const left of rest) root = await nodeHash(left.root, root);
    return root;
  }
}

export async function rootOf(hashes: Uint8Array[]): Promise<Uint8Array> {
  const cover = new Cover();
  for (const hash of hashes) await cover.push(1, hash);
  return cover.root();
}

const odd = (n: number) => n % 2 === 1;
const half = (n: number) => Math.floor(n / 2);

/** The root that an inclusion proof leads to (RFC 9162 section 2.1.3.2). */
export async function inclusionRoot(
  index: number,
  size: number,
  leaf: Uint8Array,
  path: Uint8Array[],
): Promise<Uint8Array | undefined> {
  if (index >= size) return undefined;
  let [fn, sn, node] = [index, size - 1, leaf];
  for (const sibling of path) {
    if (sn === 0) return undefined;
    if (odd(fn) || fn === sn) {
      node = await nodeHash(sibling, node);
      while (fn !== 0 && !odd(fn)) [fn, sn] = [half(fn), half(sn)];
    } else {
      node = await nodeHash(node, sibling);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 ? node : undefined;
}

/** The two roots that a consistency proof leads to (RFC 9162 section 2.1.4.2), for 0 < old < new. */
export async function consistencyRoots(
  old: number,
  size: number,
  oldRoot: Uint8Array,
  path: Uint8Array[],
): Promise<[Uint8Array, Uint8Array] | undefined> {
  let [fn, sn] = [old - 1, size - 1];
  const power = Number.isInteger(Math.log2(old)) && 2 ** Math.round(Math.log2(old)) === old;
  const [seed, ...rest] = power ? [oldRoot, ...path] : path;
  if (!seed) return undefined;
  while (odd(fn)) [fn, sn] = [half(fn), half(sn)];
  let [first, second] = [seed, seed];
  for (const node of rest) {
    if (sn === 0) return undefined;
    if (odd(fn) || fn === sn) {
      [first, second] = [await nodeHash(node, first), await nodeHash(node, second)];
      while (fn !== 0 && !odd(fn)) [fn, sn] = [half(fn), half(sn)];
    } else {
      second = await nodeHash(second, node);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 ? [first, second] : undefined;
}
