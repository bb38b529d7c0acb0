/** Boxes of a flame view: as wide as their share of time, tokens or cost. */
import type { Node, TraceModel } from "./model";

export interface Box {
  node: Node;
  x: number;
  width: number;
  depth: number;
}

export type Weight = "time" | "tokens" | "cost";

/**
 * Boxes between 0 and 1. What is narrower than `least` is drawn that wide, once per place and depth,
 * so that there are never more boxes than places.
 */
export function flame(model: TraceModel, weight: Weight, whole: number, now: number, least: number): Box[] {
  const out: Box[] = [];
  const taken = new Map<string, Box>();
  const put = (box: Box): boolean => {
    if (box.width >= least) {
      out.push(box);
      return true;
    }
    const key = `${box.depth}/${Math.floor(box.x / least)}`;
    const held = taken.get(key);
    if (!held) {
      box.width = least;
      taken.set(key, box);
      out.push(box);
      return true;
    }
    // A failed step is not hidden behind its neighbour.
    if (box.node.status === "error") held.node = box.node;
    return false;
  };
  const all = model.all();
  if (weight === "time") {
    for (const node of all) put({ node, x: node.start / whole, width: ((node.end ?? now) - node.start) / whole, depth: node.depth });
    return out;
  }
  const sums = model.sums();
  const size = (node: Node) => sums.get(node)?.[weight] ?? 0;
  const tops = all.filter((node) => node.depth === 0);
  const total = tops.reduce((sum, node) => sum + size(node), 0);
  if (total === 0) return out;
  const stack: Box[] = [];
  const lay = (nodes: Node[], from: number, depth: number) => {
    let x = from;
    for (const node of nodes) {
      const width = size(node) / total;
      if (width > 0) stack.push({ node, x, width, depth });
      x += width;
    }
  };
  lay(tops, 0, 0);
  while (stack.length > 0) {
    const box = stack.pop() as Box;
    const { x } = box;
    if (put(box)) lay(box.node.children, x, box.depth + 1);
  }
  return out;
}
