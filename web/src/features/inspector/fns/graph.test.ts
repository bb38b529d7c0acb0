import { expect, test } from "vitest";
import type { SpanPreview } from "../../../api/types";
import { graph } from "./graph";
import { HEIGHT, layout } from "./layout";
import { TraceModel } from "./model";

function wide(n: number): TraceModel {
  const model = new TraceModel("0");
  const span = (id: string, parent: string | null, name: string) =>
    ({ span_id: id, parent_span_id: parent, name, span_type: "tool", status: "ok", start_ns: "0", end_ns: "1000000", cost_source: "none" }) as SpanPreview;
  model.add([span("root", null, "root"), ...Array.from({ length: n }, (_, i) => span(`s${i}`, "root", `step ${i}`))]);
  return model;
}

test("a small trace shows every step, a large one its groups", () => {
  expect(graph(wide(5), new Set(), 0).nodes).toHaveLength(6);
  const large = graph(wide(30_000), new Set(), 0);
  expect(large.nodes.map((n) => [n.label, n.members.length])).toEqual([["root", 1], ["step #", 30_000]]);
});

test("a group opens, and the graph stays bounded", () => {
  const closed = graph(wide(30_000), new Set(), 0);
  const opened = graph(wide(30_000), new Set([closed.nodes[1]?.id as string]), 0);
  expect(opened.nodes.length).toBe(220);
  expect(opened.left).toBe(30_001 - 220);
});

test("children stand below one another in order, their parent beside their middle", () => {
  const small = graph(wide(3), new Set(), 0);
  const places = layout(small);
  const ys = small.nodes.map((node) => places.get(node.id)?.y ?? -1);
  expect(ys[0]).toBe(ys[2]);
  expect((ys[2] as number) - (ys[1] as number)).toBeGreaterThan(HEIGHT);
  expect(new Set(ys.slice(1)).size).toBe(3);
});
