import { expect, test } from "vitest";
import { layOut } from "./sankey";

const node = (id: string, kind: string) => ({ id, kind, label: id });

test("causes stand left of the answer, and the strong stream is the wide one", () => {
  const laid = layOut(
    {
      nodes: [node("a", "tool"), node("b", "user"), node("answer", "answer"), node("alone", "system")],
      links: [{ source: "a", target: "answer", value: 0.8, significant: true }, { source: "b", target: "answer", value: 0, significant: false }],
    },
    600, 300,
  );
  const at = (id: string) => laid?.boxes.find((box) => box.id === id);
  expect(at("a")?.x1).toBeLessThan(at("answer")?.x0 ?? 0);
  expect(at("alone")).toBeUndefined();
  const [strong, weak] = laid?.streams ?? [];
  expect(strong?.width).toBeGreaterThan((weak?.width ?? 0) * 10);
  expect(weak?.width).toBeGreaterThan(0);
});

test("a graph that cannot be drawn is no error", () => {
  const nodes = [node("a", "tool"), node("b", "tool")];
  const link = (source: string, target: string) => ({ source, target, value: 1, significant: true });
  expect(layOut({ nodes, links: [link("a", "b"), link("b", "a")] }, 600, 300)).toBeNull();
  expect(layOut({ nodes, links: [] }, 600, 300)).toBeNull();
});
