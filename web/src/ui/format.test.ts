import { expect, test } from "vitest";
import { count, duration, ends, money, percent, relative } from "./format";

test("durations keep the digits that matter", () => {
  expect([0.4, 3.21, 420, 1284, 42_300, 245_000, 7_830_000].map(duration)).toEqual([
    "400 µs", "3.2 ms", "420 ms", "1.28 s", "42.3 s", "4 min 05 s", "2 h 11 min",
  ]);
  expect(duration(null)).toBe("–");
});

test("small amounts are never shown as zero", () => {
  expect(["0", "5460000", "27", "12300000", "4627143545", "123456000000000"].map(money)).toEqual([
    "$0", "$0.0055", "$0.000000027", "$0.012", "$4.63", "$123,456",
  ]);
  expect(money(null)).toBe("–");
});

test("shares, counts and ids are short", () => {
  expect(percent(1, 3)).toBe("33 %");
  expect(percent(3, 10_000)).toBe("0.03 %");
  expect(count(86_891)).toBe("86,891");
  expect(ends("956a5860a077a9004e792404ee9afe9d", 4)).toBe("956a…fe9d");
});

test("times are relative until they are old", () => {
  const now = Date.parse("2026-11-21T10:00:00Z");
  expect(relative("2026-11-21T09:59:20Z", now)).toBe("40 s ago");
  expect(relative("2026-11-21T07:00:00Z", now)).toBe("3 h ago");
});
