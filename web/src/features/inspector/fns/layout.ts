/**
 * Places of a graph's nodes: one column per depth, in order of start from top to bottom, a parent beside
 * the middle of its children. The graph is a tree, so nothing ever crosses.
 */
import type { Graph } from "./graph";

export const WIDTH = 210;
export const HEIGHT = 54;
const GAP_X = 70;
const GAP_Y = 14;

export function layout(graph: Graph): Map<string, { x: number; y: number }> {
  const children = new Map<string, string[]>();
  const below = new Set<string>();
  for (const { from, to } of graph.edges) {
    below.add(to);
    const list = children.get(from);
    if (list) list.push(to);
    else children.set(from, [to]);
  }
  const places = new Map<string, { x: number; y: number }>();
  let free = 0;
  const stack = graph.nodes.filter((node) => !below.has(node.id)).map((node) => ({ id: node.id, depth: 0, done: false }));
  stack.reverse();
  while (stack.length > 0) {
    const step = stack.pop() as { id: string; depth: number; done: boolean };
    const own = children.get(step.id) ?? [];
    const x = step.depth * (WIDTH + GAP_X);
    if (own.length === 0) {
      places.set(step.id, { x, y: free });
      free += HEIGHT + GAP_Y;
    } else if (step.done) {
      const [first, last] = [places.get(own[0] as string), places.get(own.at(-1) as string)];
      places.set(step.id, { x, y: ((first?.y ?? 0) + (last?.y ?? 0)) / 2 });
    } else {
      stack.push({ ...step, done: true });
      for (let i = own.length - 1; i >= 0; i--) stack.push({ id: own[i] as string, depth: step.depth + 1, done: false });
    }
  }
  return places;
}
