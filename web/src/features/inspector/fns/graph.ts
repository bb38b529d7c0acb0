/**
 * The trace as a graph of bounded size. Small traces show every step; in larger ones, siblings of one
 * kind and name are one group, which opens on demand.
 */
import type { Node, TraceModel } from "./model";

export interface GraphNode {
  id: string;
  label: string;
  kind: string;
  /** The steps it stands for. */
  members: Node[];
  /** Whether it stands for several and can be opened. */
  group: boolean;
  errors: number;
  running: boolean;
  /** Milliseconds of all members together. */
  ms: number;
}

export interface GraphEdge {
  from: string;
  to: string;
}

export interface Graph {
  nodes: GraphNode[];
  edges: GraphEdge[];
  /** The graph node of a step, where it is in sight. */
  of: Map<string, string>;
  left: number;
}

const WHOLE_MAX = 60;
const NODES_MAX = 220;

export function graph(model: TraceModel, open: ReadonlySet<string>, now: number): Graph {
  const all = model.all();
  const single = all.length <= WHOLE_MAX;
  const out: Graph = { nodes: [], edges: [], of: new Map(), left: 0 };
  interface Todo {
    parent: string | null;
    children: Node[];
  }
  const queue: Todo[] = [{ parent: null, children: all.filter((node) => node.depth === 0) }];
  for (let at = 0; at < queue.length; at++) {
    const { parent, children } = queue[at] as Todo;
    const groups = new Map<string, Node[]>();
    for (const child of children) {
      const group = `${parent ?? ""}/${child.kind}:${child.name.replace(/\d+/g, "#")}`;
      const key = single || open.has(group) ? `${group}@${child.id}` : group;
      const list = groups.get(key);
      if (list) list.push(child);
      else groups.set(key, [child]);
    }
    for (const [key, members] of groups) {
      if (out.nodes.length >= NODES_MAX) {
        out.left += members.length;
        continue;
      }
      const first = members[0] as Node;
      const id = key;
      out.nodes.push({
        id,
        label: members.length > 1 ? first.name.replace(/\d+/g, "#") : first.name,
        kind: first.kind,
        members,
        group: members.length > 1,
        errors: members.filter((m) => m.status === "error").length,
        running: members.some((m) => m.status === "running"),
        ms: members.reduce((sum, m) => sum + ((m.end ?? now) - m.start), 0),
      });
      for (const member of members) out.of.set(member.id, id);
      if (parent !== null) out.edges.push({ from: parent, to: id });
      const below = members.flatMap((member) => member.children);
      if (below.length > 0) queue.push({ parent: id, children: below });
    }
  }
  return out;
}
