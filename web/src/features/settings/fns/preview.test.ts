import { expect, test } from "vitest";
import { add, type ModelStep } from "./preview";

const step = (model: string, before: string, after: string, changed = 1): ModelStep => ({
  provider: null, model, calls: 2, changed, before_nano_usd: before, after_nano_usd: after, unknown_before: 1, unknown_after: 0,
});

test("steps add up by model, exactly, and what moves most comes first", () => {
  const one = add([], [step("small", "10", "12"), step("same", "9007199254740993", "9007199254740993", 0)]);
  const two = add(one, [step("small", "1", "1"), step("same", "1", "1", 0), step("large", "5", "5000000000")]);
  expect(two.map((it) => it.model)).toEqual(["large", "small", "same"]);
  expect(two[1]).toMatchObject({ calls: 4, changed: 2, before: 11n, after: 13n, unknownBefore: 2, unknownAfter: 0 });
  expect(two[2]?.before).toBe(9007199254740994n);
});
