import { expect, test } from "vitest";
import type { Span } from "../../../api/types";
import { spotsByText } from "./findings";

const finding = (part: string, pointer: string, start: number, end: number) => ({ part, pointer, start, end, rule: "r", entity: "E", severity: "low" });
const span = (findings: unknown[], raw: unknown[]) => ({ findings, raw, events: [], links: [], name: "a 4111" }) as unknown as Span;

test("a finding is marked on its exact text, counted in code points", () => {
  const text = "🙂🙂 früh 4111";
  const spots = spotsByText(span([finding("input", "/a~1b/0/text", 8, 12)], [{ key: "a/b", part: "input", value: [{ text }] }]));
  const [spot] = spots.get(text) ?? [];
  expect(text.slice(spot?.from, spot?.to)).toBe("4111");
});

test("what a pointer no longer leads to is not marked elsewhere", () => {
  expect(spotsByText(span([finding("input", "/x/9", 0, 2)], [{ key: "x", part: "input", value: ["y"] }])).size).toBe(0);
  expect(spotsByText(span([finding("header", "/name", 2, 6)], [])).get("a 4111")?.[0]).toMatchObject({ from: 2, to: 6 });
});
