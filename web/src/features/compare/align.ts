/** Two runs side by side: steps of the same kind and name at the same depth are the same step. */
import type { Node } from "../inspector/fns/model";

export interface Pair {
  left: Node | null;
  right: Node | null;
}

/** Steps of each side that are compared; the longest common run is quadratic. */
export const MOST = 1_500;

export function align(left: Node[], right: Node[]): Pair[] {
  const a = left.slice(0, MOST);
  const b = right.slice(0, MOST);
  // Two runs are compared whatever each of them is called.
  const key = (node: Node, i: number) => (i === 0 && node.depth === 0 ? "root" : `${node.depth}\u0000${node.kind}\u0000${node.name}`);
  const [ka, kb] = [a.map(key), b.map(key)];
  const width = b.length + 1;
  const table = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      table[i * width + j] =
        ka[i] === kb[j]
          ? (table[(i + 1) * width + j + 1] as number) + 1
          : Math.max(table[(i + 1) * width + j] as number, table[i * width + j + 1] as number);
    }
  }
  const out: Pair[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && ka[i] === kb[j]) out.push({ left: a[i++] as Node, right: b[j++] as Node });
    else if (j >= b.length || (i < a.length && (table[(i + 1) * width + j] as number) >= (table[i * width + j + 1] as number))) out.push({ left: a[i++] as Node, right: null });
    else out.push({ left: null, right: b[j++] as Node });
  }
  return out;
}

/** How the two sides of a pair differ, as far as the list of steps tells: `null` when they do not. */
export function difference({ left, right }: Pair): string | null {
  if (!left || !right) return "only here";
  const told = [
    left.name !== right.name && "name",
    left.status !== right.status && "status",
    left.model !== right.model && "model",
    left.input !== right.input && "input",
    left.output !== right.output && "output",
  ].filter(Boolean);
  return told.length > 0 ? told.join(", ") : null;
}

export interface Word {
  text: string;
  side: "both" | "left" | "right";
}

/** The words that differ. Long texts are compared by lines. */
export function diff(left: string, right: string): Word[] {
  const cut = (text: string) => (left.length + right.length > 20_000 ? text.split(/(?<=\n)/) : text.split(/(?<=\s)/));
  const [a, b] = [cut(left), cut(right)];
  if (a.length * b.length > 4_000_000) return [{ text: left, side: "left" }, { text: right, side: "right" }];
  const width = b.length + 1;
  const table = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      table[i * width + j] = a[i] === b[j] ? (table[(i + 1) * width + j + 1] as number) + 1 : Math.max(table[(i + 1) * width + j] as number, table[i * width + j + 1] as number);
    }
  }
  const out: Word[] = [];
  const push = (text: string, side: Word["side"]) => {
    const last = out.at(-1);
    if (last?.side === side) last.text += text;
    else out.push({ text, side });
  };
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      push(a[i++] as string, "both");
      j++;
    } else if (j >= b.length || (i < a.length && (table[(i + 1) * width + j] as number) >= (table[i * width + j + 1] as number))) push(a[i++] as string, "left");
    else push(b[j++] as string, "right");
  }
  return out;
}
