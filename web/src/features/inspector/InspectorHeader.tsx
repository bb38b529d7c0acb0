import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { meQuery, verificationQuery } from "../../api/queries";
import type { Trace } from "../../api/types";
import { Button, copyText } from "../../ui/controls";
import { duration, ends, money, short } from "../../ui/format";
import { Icon } from "../../ui/Icon";
import { CostBadge, SealMark, StatusMark, VerdictMark } from "../../ui/marks";
import { Time } from "../../ui/Time";
import { quoteIfNeeded } from "../explorer/fns/filter";
import type { View } from "./fns/search";

const ReplayDialog = lazy(() => import("./ReplayDialog").then((it) => ({ default: it.ReplayDialog })));

/** What the trace is, how it stands, and what can be done with it. */
export function InspectorHeader({ trace, selected, onView }: { trace: Trace; selected: string | undefined; onView: (view: View) => void }) {
  const me = useQuery(meQuery).data;
  const [replaying, setReplaying] = useState(false);
  // A trace of ordinary size is verified by the server when it is opened; a large one when asked.
  const small = trace.span_count <= 500 && trace.seal != null;
  const proof = useQuery({ ...verificationQuery(trace.trace_id), enabled: small }).data;
  const altered = proof !== undefined && proof.faults.length > 0;
  const place = me?.workspace ? `?workspace=${encodeURIComponent(me.workspace)}` : "";
  const facts: [field: string, values: string[]][] = [
    ["agent", first(trace.agent_name, trace.agents)], ["user", first(trace.user_id, trace.users)],
    ["environment", first(trace.environment)], ["version", first(trace.version)],
  ];
  return (
    <header className="space-y-1 bg-surface px-3 pt-2.5 pb-1.5 md:px-4">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <Link to="/traces" className="text-muted hover:text-ink" aria-label="All traces"><Icon name="chevron" className="rotate-180" /></Link>
        <h1 className="min-w-0 truncate" dir="auto" title={trace.name ?? trace.trace_id}>{trace.name ?? trace.trace_id}</h1>
        <StatusMark status={trace.status} />
        <button type="button" onClick={() => onView("governance")} title="Why"><VerdictMark verdict={trace.verdict} findings={trace.findings} /></button>
        <button type="button" onClick={() => onView("verification")} data-testid="integrity">
          {altered ? <span className="inline-flex items-center gap-1 text-sm font-medium text-error" title={proof.faults[0]?.what}><Icon name="broken" size={15} />altered</span> : <SealMark trace={trace} label />}
        </button>
        <div className="ml-auto flex flex-wrap items-center gap-1.5">
          <Button small icon="seal" onClick={() => onView("verification")}><span className="max-sm:sr-only">Verify</span></Button>
          {me?.scopes.includes("replay") && <Button small icon="play" onClick={() => setReplaying(true)}><span className="max-sm:sr-only">Replay</span></Button>}
          {me?.scopes.includes("export") && (
            <a href={`/api/v1/traces/${encodeURIComponent(trace.trace_id)}/evidence${place}`} download className="inline-flex h-7 items-center gap-1.5 rounded-md border border-strong bg-surface px-2 text-sm hover:bg-hover" title="A zip with records, proofs, keys and a report; verifies offline">
              <Icon name="download" size={14} /><span className="max-sm:sr-only">Evidence</span>
            </a>
          )}
          <Link to="/compare" search={{ a: trace.trace_id } as never} className="inline-flex h-7 items-center gap-1.5 rounded-md border border-strong bg-surface px-2 text-sm hover:bg-hover"><Icon name="compare" size={14} /><span className="max-sm:sr-only">Compare</span></Link>
          <CopyLink />
        </div>
      </div>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-0.5 text-sm">
        <Time at={trace.start_time} className="text-muted" />
        <span><span className="num">{duration(trace.duration_ms)}</span></span>
        <span><span className="num">{short(trace.span_count)}</span> <span className="text-muted">{trace.span_count === 1 ? "step" : "steps"}</span>{trace.error_count > 0 && <span className="text-error"> · <span className="num">{trace.error_count}</span> failed</span>}</span>
        <span title={`${trace.tokens_in} in, ${trace.tokens_out} out`}><span className="num">{short(trace.tokens_total)}</span> <span className="text-muted">tokens</span></span>
        <span className="inline-flex items-center gap-1.5"><span className="num">{money(trace.cost_nano_usd)}</span><CostBadge source={trace.cost_source} />{trace.cost_unknown_calls > 0 && <span className="text-xs text-muted">and {trace.cost_unknown_calls} calls unknown</span>}</span>
        {trace.session_id && (
          <Link to="/sessions/$sessionId" params={{ sessionId: trace.session_id }} className="min-w-0 truncate text-muted hover:text-ink" title="The whole conversation">
            session <span className="text-ink">{trace.session_id}</span>
          </Link>
        )}
        {facts.filter(([, values]) => values.length > 0).map(([field, values]) => (
          <span key={field} className={`flex min-w-0 flex-wrap gap-x-1.5 text-muted ${field === "environment" || field === "version" ? "max-sm:hidden" : ""}`}>
            {values.length > 1 ? `${field}s` : field}
            {values.slice(0, NAMED_MAX).map((value) => (
              <Link key={value} to="/traces" search={{ filter: `${field} = ${quoteIfNeeded(value)}`, all: true } as never} className="min-w-0 truncate text-ink hover:underline" title={`All traces with this ${field}`}>{value}</Link>
            ))}
            {values.length > NAMED_MAX && <span title={values.slice(NAMED_MAX).join(", ")}>and {values.length - NAMED_MAX} more</span>}
          </span>
        ))}
        {trace.tags.slice(0, 6).map((tag) => <span key={tag} className="rounded bg-hover px-1.5 text-xs text-muted max-sm:hidden" dir="auto">{tag}</span>)}
        <button type="button" className="num text-xs text-muted hover:text-ink max-sm:hidden" title={`${trace.trace_id}: copy`} onClick={() => void copyText(trace.trace_id)}>{ends(trace.trace_id)}</button>
      </div>
      {replaying && <Suspense fallback={null}><ReplayDialog traceId={trace.trace_id} span={selected} onClose={() => setReplaying(false)} /></Suspense>}
    </header>
  );
}

/** Names of one field that stand side by side. */
const NAMED_MAX = 4;

/** The one of the trace as a whole, then those of its steps. */
const first = (one: string | null | undefined, all: string[] = []): string[] => [...new Set(one == null ? all : [one, ...all])];

function CopyLink() {
  const [done, setDone] = useState(false);
  return (
    <Button
      small
      icon={done ? "check" : "link"}
      title="The address shows the same view, step and window"
      onClick={() => {
        void copyText(location.href);
        setDone(true);
        setTimeout(() => setDone(false), 1_500);
      }}
    >
      <span className="max-sm:sr-only">{done ? "Copied" : "Link"}</span>
    </Button>
  );
}
