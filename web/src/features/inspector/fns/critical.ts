/** What the trace waited for: walking back from the end, always along the step that ended last. */
import type { Node } from "./model";

export interface Piece {
  from: number;
  to: number;
}

/** The pieces of each span that the end of the trace depends on. */
export function criticalPath(root: Node | undefined, now: number): Map<string, Piece[]> {
  const out = new Map<string, Piece[]>();
  if (!root) return out;
  const end = (node: Node) => node.end ?? now;
  const stack: { node: Node; until: number }[] = [{ node: root, until: end(root) }];
  const seen = new Set<Node>();
  while (stack.length > 0) {
    const { node, until } = stack.pop() as { node: Node; until: number };
    if (seen.has(node)) continue;
    seen.add(node);
    const pieces: Piece[] = [];
    let at = until;
    const children = [...node.children].sort((a, b) => end(b) - end(a));
    for (const child of children) {
      const childEnd = Math.min(end(child), at);
      if (child.start >= at || end(child) > at + 1e-6) continue;
      if (at > childEnd) pieces.push({ from: childEnd, to: at });
      stack.push({ node: child, until: childEnd });
      at = Math.max(node.start, child.start);
      if (at <= node.start) break;
    }
    if (at > node.start) pieces.push({ from: node.start, to: at });
    out.set(node.id, pieces);
  }
  return out;
}
