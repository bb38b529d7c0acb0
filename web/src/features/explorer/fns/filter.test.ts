import { expect, test } from "vitest";
import { complete, withoutTerm, withTerm } from "./filter";

test("a word completes to fields, a field to its operators, an operator to its values", () => {
  expect(complete("sta", 3).map((s) => s.text)).toEqual(["status "]);
  expect(complete("status ", 7).map((s) => s.text)).toEqual(["= ", "!= ", "~ "]);
  expect(complete("latency ", 8).map((s) => s.text)).toContain(">= ");
  expect(complete("status = er", 11)).toEqual([{ text: "error ", hint: "status", from: 9, to: 11 }]);
});

test("values that were found complete too, quoted where they must be", () => {
  expect(complete("agent = cl", 10, { agent: ["claims bot", "other"] })[0]?.text).toBe('"claims bot" ');
});

test("nothing is offered inside a quoted phrase", () => {
  expect(complete('"sta', 4)).toEqual([]);
});

test("a term is added once, excludes its opposite, and goes away again", () => {
  const once = withTerm("cost > 1", "agent", "a b");
  expect(once).toBe('cost > 1 agent = "a b"');
  expect(withTerm(once, "agent", "a b")).toBe(once);
  expect(withTerm(once, "agent", "a b", true)).toBe('cost > 1 agent != "a b"');
  expect(withoutTerm(once, "agent", "a b")).toBe("cost > 1");
});

test("what looks like a pattern is text", () => {
  expect(withoutTerm('name = "a.*(b"', "name", "a.*(b")).toBe("");
});
