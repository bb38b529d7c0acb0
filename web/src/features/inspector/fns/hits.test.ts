import { expect, test } from "vitest";
import { cut, nextPlace, placeAt, placesOf } from "./hits";
import type { Node } from "./model";

const node = (id: string, input: string | null = null) => ({ id, name: id, model: null, agent: null, kind: "llm", input, output: null }) as Node;
const match = (start: number) => ({ part: "output", pointer: "/a", start, end: start + 2, excerpt: "x 😀ab y", excerpt_start: 3, excerpt_end: 5 });
const rows = [node("root"), node("one", "has Needle"), node("two"), node("three")];
const found = new Map([["three", { span_id: "three", count: 2, hits: [match(7), match(900_000)] }]]);

test("places stand in the order of the tree, whoever knows them", () => {
  const places = placesOf(rows, " needle", found);
  expect(places.map((it) => [it.node.id, it.nth, it.match?.start])).toEqual([["one", 0, undefined], ["three", 0, 7], ["three", 1, 900_000]]);
  expect(placesOf(rows, "  ", found)).toEqual([]);
});

test("a step goes around the ends, and from a step without one to the nearest", () => {
  const places = placesOf(rows, "needle", found);
  const go = (span: string | undefined, nth: number, by: 1 | -1) => {
    const next = nextPlace(places, rows, span, nth, by);
    return next && [next.node.id, next.nth];
  };
  expect(go(undefined, 0, 1)).toEqual(["one", 0]);
  expect(go("three", 1, 1)).toEqual(["one", 0]);
  expect(go("one", 0, -1)).toEqual(["three", 1]);
  expect(go("two", 0, 1)).toEqual(["three", 0]);
  expect(go("two", 0, -1)).toEqual(["one", 0]);
  expect(placeAt(places, "three", 1)).toBe(2);
  expect(placeAt(places, "two", 0)).toBe(-1);
});

test("an excerpt is cut at code points", () => {
  expect(cut(match(0))).toEqual(["x 😀", "ab", " y"]);
});
