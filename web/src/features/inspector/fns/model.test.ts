import { expect, test } from "vitest";
import type { SpanPreview } from "../../../api/types";
import { criticalPath } from "./critical";
import { TraceModel } from "./model";
import { Fold } from "./search";

const span = (id: string, parent: string | null, from: number, to: number | null, more: Partial<SpanPreview> = {}) =>
  ({ span_id: id, parent_span_id: parent, name: id, span_type: "tool", status: to === null ? "running" : "ok",
    start_ns: String(from * 1e6), end_ns: to === null ? null : String(to * 1e6), usage_counted: true,
    cost_source: "none", ...more }) as SpanPreview;

const model = (...spans: SpanPreview[]) => {
  const made = new TraceModel("0");
  made.add(spans);
  return made;
};
const ids = (m: TraceModel, fold = new Fold()) => m.rows(fold.has).map((n) => `${n.depth}${n.id}`);

test("spans stand below their parents in order of start, whatever order they came in", () => {
  expect(ids(model(span("c", "a", 5, 6), span("b", "a", 2, 3), span("a", null, 0, 9), span("d", "b", 2, 3)))).toEqual(["0a", "1b", "2d", "1c"]);
});

test("a span without its parent and a circle of parents are shown, once each", () => {
  expect(ids(model(span("x", "gone", 1, 2), span("p", "q", 3, 4), span("q", "p", 3, 4), span("s", "s", 9, 9))).sort()).toEqual(["0p", "0s", "0x", "1q"]);
});

test("folding hides what is below, and a star folds all", () => {
  const m = model(span("a", null, 0, 9), span("b", "a", 1, 3), span("c", "b", 1, 2), span("d", "a", 4, 5));
  expect(ids(m, new Fold("b"))).toEqual(["0a", "1b", "1d"]);
  expect(ids(m, new Fold("*"))).toEqual(["0a"]);
  expect(ids(m, new Fold(new Fold("*").toggle("a")))).toEqual(["0a", "1b", "1d"]);
});

test("a live end moves nothing but the span", () => {
  const m = model(span("a", null, 0, null), span("b", "a", 1, null, { input_preview: "asked" }));
  expect(m.end(50)).toBe(50);
  m.live({ trace_id: "t", ...span("b", "a", 1, 7) } as never);
  expect(m.byId.get("b")).toMatchObject({ end: 7, input: "asked", status: "ok" });
  expect(ids(m)).toEqual(["0a", "1b"]);
});

test("sums count usage that counts, and say when a cost is unknown", () => {
  const m = model(
    span("a", null, 0, 9, { tokens_in: 30, usage_counted: false }),
    span("b", "a", 1, 3, { tokens_in: 10, tokens_out: 5, cost_nano_usd: "7", cost_source: "table" }),
    span("c", "a", 1, 3, { tokens_in: 15 }),
  );
  expect(m.sums().get(m.byId.get("a") as never)).toMatchObject({ tokens: 30, cost: 7, unknown: true, spans: 3 });
});

test("the critical path is what the end waited for", () => {
  const m = model(span("a", null, 0, 10), span("b", "a", 1, 4), span("c", "a", 1, 6), span("d", "a", 7, 9));
  const path = criticalPath(m.byId.get("a"), 10);
  expect([...path.keys()].sort()).toEqual(["a", "c", "d"]);
  expect(path.get("a")).toEqual([{ from: 9, to: 10 }, { from: 6, to: 7 }, { from: 0, to: 1 }]);
});

test("a chain of 100,000 spans is walked without recursion", () => {
  const m = model(...Array.from({ length: 100_000 }, (_, i) => span(`s${i}`, i ? `s${i - 1}` : null, i, 100_001)));
  expect(m.all().at(-1)?.depth).toBe(99_999);
  expect(m.sums().get(m.all()[0] as never)?.spans).toBe(100_000);
  expect(criticalPath(m.all()[0], 100_001).size).toBeGreaterThan(0);
});
