/** Reviews as the queue shows them: which are shown, in which order, and what may be done. */

export interface Act {
  at: string;
  by: string;
  deed: string;
  reason: string | null;
  comment: string | null;
}

export interface Review {
  review_id: string;
  trace_id: string;
  span_id: string | null;
  policy: string;
  rule: string;
  title: string;
  severity: string;
  queue: string;
  state: string;
  assignee: string | null;
  four_eyes: boolean;
  opened_at: string;
  due_at: string | null;
  decided_at: string | null;
  acts: Act[];
  version: number;
}

export const TABS = ["waiting", "mine", "escalated", "expired", "decided"] as const;
export type Tab = (typeof TABS)[number];

/** What each tab asks the API for. */
export const ASKED: Record<Tab, { state: string; assignee?: string }> = {
  waiting: { state: "waiting" },
  mine: { state: "waiting", assignee: "me" },
  escalated: { state: "escalated" },
  expired: { state: "expired" },
  decided: { state: "approved,rejected,closed" },
};

export interface ReviewsSearch {
  tab?: Tab;
  queue?: string;
  rule?: string;
  id?: string;
}

export function readReviewsSearch(search: Record<string, unknown>): ReviewsSearch {
  const found: ReviewsSearch = {};
  for (const name of ["queue", "rule", "id"] as const) {
    const value = search[name];
    if (typeof value === "string" && value) found[name] = value;
  }
  const tab = TABS.find((it) => it === search.tab);
  return tab ? { ...found, tab } : found;
}

export const isWaiting = (it: Pick<Review, "state">) => ["open", "claimed", "escalated"].includes(it.state);
/** What has expired can still be decided. */
export const isDecidable = (it: Pick<Review, "state">) => isWaiting(it) || it.state === "expired";
export const isOverdue = (it: Review, now = Date.now()) =>
  it.due_at !== null && isDecidable(it) && Date.parse(it.due_at) <= now;

const RANK = ["critical", "high", "medium", "low"];

/** What is due first comes first, then what is graver, then what has waited longer. */
export function byUrgency(a: Review, b: Review): number {
  const due = (it: Review) => (it.due_at ? Date.parse(it.due_at) : Number.POSITIVE_INFINITY);
  const [x, y] = [due(a), due(b)];
  if (x !== y) return x < y ? -1 : 1;
  return RANK.indexOf(a.severity) - RANK.indexOf(b.severity) || a.opened_at.localeCompare(b.opened_at);
}

/** `in 3 h`, `2 d ago`: how far a deadline is. */
export function dueIn(due: string, now = Date.now()): string {
  const minutes = Math.round((Date.parse(due) - now) / 60_000);
  const size = Math.abs(minutes);
  const text =
    size < 60 ? `${size} min` : size < 2_880 ? `${Math.round(size / 60)} h` : `${Math.round(size / 1_440)} d`;
  return minutes >= 0 ? `due in ${text}` : `overdue by ${text}`;
}

export const REASONS = [
  ["true_positive", "The rule is right"],
  ["false_positive", "The rule is wrong"],
  ["accepted_risk", "Right, and acceptable"],
  ["remediated", "Right, and put right since"],
  ["other", "Something else, in the comment"],
] as const;

export type Deed = "claimed" | "released" | "assigned" | "commented" | "approved" | "rejected" | "escalated";

/** A deed in the past tense, for the history. */
export const DEED_WORD: Record<string, string> = {
  opened: "asked for it",
  claimed: "took it",
  released: "gave it back",
  assigned: "assigned it",
  commented: "commented",
  approved: "approved",
  rejected: "rejected",
  escalated: "escalated it",
  expired: "let the deadline pass",
  closed: "closed it: what it asked about was erased",
};

/** What becomes of something quarantined, per decision; the first is what happens unless said otherwise. */
export const HANDLING: Record<"approved" | "rejected", readonly (readonly [value: string, label: string])[]> =
  {
    approved: [
      ["", "Release it: shown like everything else"],
      ["redact", "Redact it: shown with what was found replaced"],
      ["erase", "Erase its contents for ever"],
    ],
    rejected: [
      ["", "Keep it quarantined"],
      ["redact", "Redact it: shown with what was found replaced"],
      ["erase", "Erase its contents for ever"],
    ],
  };
