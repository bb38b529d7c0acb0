import { describe, expect, test } from "vitest";
import { askedBy, type StepDiff, sumOf, usualCap } from "./job";

describe("jobs", () => {
  test("a cap leaves room above what is expected, and is empty where no price is known", () => {
    expect(usualCap("1000000000")).toBe("1.50");
    expect(usualCap("100")).toBe("0.01");
    expect(usualCap(null)).toBe("");
  });

  test("a sum with an unknown part is unknown", () => {
    const step = (cost: number | null) => ({ cost_nano_usd: [cost, 2] }) as unknown as StepDiff;
    expect(sumOf([step(1), step(4)], (s) => s.cost_nano_usd, 0)).toBe(5);
    expect(sumOf([step(1), step(null)], (s) => s.cost_nano_usd, 0)).toBeNull();
    expect(sumOf([step(1), step(null)], (s) => s.cost_nano_usd, 1)).toBe(4);
  });

  test("a tool was asked for by the last call before it, of its own parent first", () => {
    const node = (id: string, kind: string, parent: string, start: number) => ({ id, kind, parent, start });
    const nodes = [node("a", "llm", "root", 1), node("b", "llm", "other", 2), node("t", "tool", "root", 3), node("c", "llm", "root", 4)];
    expect(askedBy(nodes, nodes[2] as (typeof nodes)[number])).toBe("a");
    expect(askedBy(nodes, node("x", "tool", "nobody", 2))).toBe("b");
    expect(askedBy([], node("x", "tool", "root", 2))).toBeUndefined();
  });
});
