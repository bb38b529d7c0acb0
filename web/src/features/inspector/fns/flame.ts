/** Boxes of a flame view: as wide as their share of time, tokens or cost. */
import type { Node, TraceModel } from "./model";

export interface Box {
  node: Node;
  x: number;
  width: number;
  depth: number;
}

export type Weight = "time" | "tokens" | "cost";

/** Boxes between 0 and 1, none narrower than `least`. */
export function flame(model: TraceModel, weight: Weight, whole: number, now: number, least: number): Box[] {
  const out: Box[] = [];
  const all = model.all();
  if (weight === "time") {
    for (const node of all) {
      const width = ((node.end ?? now) - node.start) / whole;
      if (width >= least || node.status === "error") out.push({ node, x: node.start / whole, width, depth: node.depth });
    }
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
      if (width >= least) stack.push({ node, x, width, depth });
      x += width;
    }
  };
  lay(tops, 0, 0);
  while (stack.length > 0) {
    const box = stack.pop() as Box;
    out.push(box);
    lay(box.node.children, box.x, box.depth + 1);
  }
  return out;
}
