/** The small marks of reviews, each with its word. */

import { exact } from "../../ui/format";
import { Icon } from "../../ui/Icon";
import { dueIn, isOverdue, type Review } from "./fns/review";

const STATE: Record<string, string> = {
  open: "bg-info-soft text-info",
  claimed: "bg-selected text-ink",
  escalated: "bg-warn-soft text-warn",
  expired: "bg-warn-soft text-warn",
  approved: "bg-ok-soft text-ok",
  rejected: "bg-error-soft text-error",
  closed: "bg-hover text-muted",
};

export function StateMark({ state }: { state: string }) {
  return (
    <span
      className={`inline-block whitespace-nowrap rounded px-1.5 text-xs leading-5 ${STATE[state] ?? "bg-hover"}`}
    >
      {state}
    </span>
  );
}

const SEVERITY: Record<string, [style: string, bars: number]> = {
  low: ["text-muted", 1],
  medium: ["text-warn", 2],
  high: ["text-error", 3],
  critical: ["text-error font-semibold", 4],
};

/** How grave: as many bars as steps, and the word. */
export function SeverityMark({ severity }: { severity: string }) {
  const [style, bars] = SEVERITY[severity] ?? ["text-muted", 1];
  return (
    <span className={`inline-flex items-center gap-1 whitespace-nowrap text-xs ${style}`}>
      <svg aria-hidden="true" width="14" height="10" viewBox="0 0 14 10">
        {[0, 1, 2, 3].map((i) => (
          <rect
            key={i}
            x={i * 3.6}
            y={7.5 - i * 2.3}
            width="2.400"
            height={2.5 + i * 2.3}
            fill="currentColor"
            opacity={i < bars ? 1 : 0.2}
          />
        ))}
      </svg>
      {severity}
    </span>
  );
}

export function DueMark({ review }: { review: Review }) {
  if (!review.due_at || review.state === "approved" || review.state === "rejected") return null;
  const late = isOverdue(review);
  return (
    <span
      title={exact(review.due_at)}
      className={`inline-flex items-center gap-1 whitespace-nowrap text-xs ${late ? "font-medium text-error" : "text-muted"}`}
    >
      {late && <Icon name="failures" size={12} />}
      {dueIn(review.due_at)}
    </span>
  );
}
