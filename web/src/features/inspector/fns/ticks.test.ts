import { expect, test } from "vitest";
import { ticks } from "../useZoom";

test("an axis has round times: tens below half a minute, minutes and hours above", () => {
  expect(ticks([0, 8_650])).toEqual([0, 2_000, 4_000, 6_000, 8_000]);
  expect(ticks([0, 270_000])).toEqual([0, 60_000, 120_000, 180_000, 240_000]);
  expect(ticks([0, 270_000], 2)).toEqual([0]);
  expect(ticks([0, 5 * 3_600_000])).toEqual([0, 1, 2, 3, 4, 5].map((h) => h * 3_600_000));
});
