/** Lays a causal graph out: causes on the left, calls between, the answer on the right. */
import { sankey, sankeyLinkHorizontal } from "d3-sankey";
import type { Ablation, SankeyNode } from "./job";

/** A stream without effect is still a hair wide, so that it can be seen to be there. */
const HAIR = 0.012;

export interface Box extends SankeyNode {
  x0: number;
  x1: number;
  y0: number;
  y1: number;
}

export interface Stream {
  path: string;
  width: number;
  from: SankeyNode;
  to: SankeyNode;
  value: number;
  significant: boolean;
}

export function layOut(graph: Ablation["sankey"], width: number, height: number): { boxes: Box[]; streams: Stream[] } | null {
  const known = new Set(graph.nodes.map((node) => node.id));
  const links = graph.links.filter((link) => known.has(link.source) && known.has(link.target) && link.source !== link.target);
  if (links.length === 0) return null;
  const used = new Set(links.flatMap((link) => [link.source, link.target]));
  try {
    const laid = sankey<SankeyNode, { real: number; significant: boolean }>()
      .nodeId((node) => node.id)
      .nodeWidth(12)
      .nodePadding(10)
      .extent([[1, 6], [width - 1, height - 6]])({
      nodes: graph.nodes.filter((node) => used.has(node.id)).map((node) => ({ ...node })),
      links: links.map((link) => ({ source: link.source, target: link.target, value: Math.max(link.value, HAIR), real: link.value, significant: link.significant })),
    });
    const path = sankeyLinkHorizontal();
    return {
      boxes: laid.nodes.map(({ id, kind, label, span_id, x0 = 0, x1 = 0, y0 = 0, y1 = 0 }) => ({ id, kind, label, ...(span_id ? { span_id } : {}), x0, x1, y0, y1 })),
      streams: laid.links.map((link) => ({ path: path(link) ?? "", width: link.width ?? 0, from: link.source as SankeyNode, to: link.target as SankeyNode, value: link.real, significant: link.significant })),
    };
  } catch {
    // A graph with a circle cannot be drawn; the table beside it still says all.
    return null;
  }
}
