import { expect, test } from "vitest";
import { beside } from "./series";

test("a group's values stand at the steps of all, whatever steps it leaves out", () => {
  const starts = ["2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z", "2026-11-20T12:00:00Z"];
  const series = [
    { start: "2026-11-20T10:00:00Z", cost: 2 },
    { start: "2026-11-20T12:00:00.000Z", cost: 5 },
  ];
  expect(beside(starts, series, (it) => it.cost)).toEqual([2, 0, 5]);
});
