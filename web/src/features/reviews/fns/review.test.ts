import { expect, test } from "vitest";
import { byUrgency, dueIn, isOverdue, type Review, readReviewsSearch } from "./review";

const review = (more: Partial<Review>): Review => ({
  review_id: "rv_1",
  trace_id: "t",
  span_id: null,
  policy: "p",
  rule: "r",
  title: "",
  severity: "low",
  queue: "q",
  state: "open",
  assignee: null,
  four_eyes: false,
  opened_at: "2026-01-01T00:00:00Z",
  due_at: null,
  decided_at: null,
  acts: [],
  version: 1,
  ...more,
});

test("what is due first comes first, then what is graver", () => {
  const list = [
    review({ review_id: "c" }),
    review({ review_id: "b", severity: "high" }),
    review({ review_id: "a", due_at: "2026-01-02T00:00:00Z" }),
  ];
  expect(list.sort(byUrgency).map((it) => it.review_id)).toEqual(["a", "b", "c"]);
});

test("a decided review is never overdue, an expired one is", () => {
  const now = Date.parse("2026-01-03T00:00:00Z");
  const due_at = "2026-01-02T00:00:00Z";
  expect(isOverdue(review({ due_at, state: "approved" }), now)).toBe(false);
  expect(isOverdue(review({ due_at, state: "expired" }), now)).toBe(true);
  expect(dueIn(due_at, now)).toBe("overdue by 24 h");
  expect(dueIn("2026-01-03T00:30:00Z", now)).toBe("due in 30 min");
});

test("the address keeps what it knows and drops the rest", () => {
  expect(readReviewsSearch({ tab: "mine", id: "rv_1", x: 1, queue: "" })).toEqual({
    tab: "mine",
    id: "rv_1",
  });
  expect(readReviewsSearch({ tab: "nothing" })).toEqual({});
});
