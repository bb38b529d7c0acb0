/** The run as a conversation: what was asked and answered, with sub-agents folded to their ends. */
import type { Node, TraceModel } from "./model";

export type Entry =
  | { type: "span"; node: Node; level: number }
  | { type: "agent"; node: Node; level: number; open: boolean; steps: number };

/** Kinds that say something; containers and plumbing are left to the other views. */
const SPEAKS = new Set(["llm", "tool", "retriever", "guardrail", "evaluator"]);

export function transcript(model: TraceModel, isOpen: (id: string) => boolean): Entry[] {
  const out: Entry[] = [];
  const counts = speaking(model);
  let hiddenBelow = Number.POSITIVE_INFINITY;
  const agents: Node[] = [];
  for (const node of model.all()) {
    if (node.depth > hiddenBelow) continue;
    hiddenBelow = Number.POSITIVE_INFINITY;
    while (agents.length > 0 && (agents.at(-1) as Node).depth >= node.depth) agents.pop();
    const level = agents.length;
    if (node.kind === "agent" && node.depth > 0) {
      const open = isOpen(node.id);
      out.push({ type: "agent", node, level, open, steps: counts.get(node) ?? 0 });
      if (open) agents.push(node);
      else hiddenBelow = node.depth;
    } else if (SPEAKS.has(node.kind) || (node.children.length === 0 && (node.input !== null || node.output !== null))) {
      out.push({ type: "span", node, level });
    }
  }
  return out;
}

function speaking(model: TraceModel): Map<Node, number> {
  const counts = new Map<Node, number>();
  const all = model.all();
  for (let i = all.length - 1; i >= 0; i--) {
    const node = all[i] as Node;
    let sum = SPEAKS.has(node.kind) ? 1 : 0;
    for (const child of node.children) sum += counts.get(child) ?? 0;
    counts.set(node, sum);
  }
  return counts;
}
