/** What stands in the columns of the list. */
import type { ReactNode } from "react";
import type { Trace } from "../../api/types";
import { duration, money, short } from "../../ui/format";
import { CostBadge, SealMark, StatusMark, VerdictMark } from "../../ui/marks";
import { Time } from "../../ui/Time";
import type { ColumnId } from "./fns/columns";

export function cell(id: ColumnId, trace: Trace): ReactNode {
  switch (id) {
    case "started": return <Time at={trace.start_time} className="text-muted" />;
    case "name": return <span className="font-medium">{trace.name ?? <span className="text-muted">{trace.trace_id}</span>}</span>;
    case "status": return <StatusMark status={trace.status} quiet />;
    case "verdict": return <VerdictMark verdict={trace.verdict} findings={trace.findings} />;
    case "agent": return <Named all={trace.agents} first={trace.agent_name} />;
    case "model": return <span className="num">{trace.models.join(", ")}</span>;
    case "latency": return <span className="num">{duration(trace.duration_ms)}</span>;
    case "spans": return <span className="num">{short(trace.span_count)}</span>;
    case "tokens": return <span className="num" title={`${trace.tokens_in} in, ${trace.tokens_out} out`}>{short(trace.tokens_total)}</span>;
    case "tokens_in": return <span className="num">{short(trace.tokens_in)}</span>;
    case "tokens_out": return <span className="num">{short(trace.tokens_out)}</span>;
    case "cost": return <CostCell trace={trace} />;
    case "cost_source": return <CostBadge source={trace.cost_source} />;
    case "user": return <Named all={trace.users} first={trace.user_id} />;
    case "session": return trace.session_id;
    case "environment": return trace.environment;
    case "tags": return <span className="text-xs text-muted">{trace.tags.join(" · ")}</span>;
    case "input": return <span className="text-muted">{trace.input_preview}</span>;
    case "output": return <span className="text-muted">{trace.output_preview}</span>;
    case "seal": return <SealMark trace={trace} />;
  }
}

/** The one that the trace as a whole names; the others that its steps name are counted, and listed on hover. */
function Named({ all, first }: { all: string[]; first: string | null | undefined }) {
  if (first == null || all.length < 2) return first;
  return <span title={all.join(", ")}>{first} <span className="text-xs text-muted">+{all.length - 1}</span></span>;
}

const DOT: Record<string, string> = { agent: "bg-ok", table: "bg-info", default: "bg-warn", none: "bg-muted" };
const WORD: Record<string, string> = { agent: "Agent", table: "Estimated", default: "Default Rate", none: "Unknown" };
const LETTER: Record<string, string> = { agent: "A", table: "E", default: "D", none: "?" };

/** The amount with a letter for its source; the word is on hover and read out. */
function CostCell({ trace }: { trace: Trace }) {
  const source = trace.cost_source;
  return (
    <span className="inline-flex items-center gap-1.5 num" title={`${WORD[source] ?? source}: where this amount comes from`}>
      {trace.cost_nano_usd == null ? "–" : money(trace.cost_nano_usd)}
      <span aria-hidden="true" className={`inline-flex size-3.5 items-center justify-center rounded-full text-[9px] leading-none font-bold text-surface ${DOT[source] ?? "bg-muted"}`}>
        {LETTER[source] ?? "?"}
      </span>
      <span className="sr-only">{WORD[source] ?? source}</span>
    </span>
  );
}

/** The value of a column that a filter can name. */
export function fieldValue(id: ColumnId, trace: Trace): string | null {
  switch (id) {
    case "status": return trace.status;
    case "verdict": return trace.verdict;
    case "agent": return trace.agent_name ?? null;
    case "model": return trace.models[0] ?? null;
    case "cost_source": return trace.cost_source;
    case "user": return trace.user_id ?? null;
    case "session": return trace.session_id ?? null;
    case "environment": return trace.environment ?? null;
    default: return null;
  }
}
