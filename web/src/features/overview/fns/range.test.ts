import { expect, test } from "vitest";
import { readRangeSearch } from "./range";

test("only stamps that the API reads are a range, and only in their order", () => {
  expect(readRangeSearch({ range: "x", from: "y", to: "z" })).toEqual({});
  expect(readRangeSearch({ from: "1", to: "2026-11-20" })).toEqual({});
  expect(readRangeSearch({ from: "2026-11-20T10:00:00Z", to: "2026-11-20T09:00:00Z" })).toEqual({ from: "2026-11-20T10:00:00Z" });
  expect(readRangeSearch({ range: "7d", from: "2026-11-20", to: "2026-11-20T09:00:00.123+01:00" })).toEqual({ range: "7d", from: "2026-11-20", to: "2026-11-20T09:00:00.123+01:00" });
});
