import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api } from "../../api/client";
import type { Listing, SpanPreview, Trace } from "../../api/types";
import { IconButton } from "../../ui/controls";
import { duration, money, short } from "../../ui/format";
import { CostBadge, KindGlyph, SealMark, StatusMark, VerdictMark } from "../../ui/marks";
import { ErrorNote, Skeleton } from "../../ui/notes";
import { Time } from "../../ui/Time";

interface Props {
  trace: Trace;
  onStep: (by: number) => void;
  onClose: () => void;
}

/** A trace beside the list. */
export function Peek({ trace, onStep, onClose }: Props) {
  const spans = useQuery({
    queryKey: ["peek", trace.trace_id, trace.span_count, trace.running_count],
    queryFn: ({ signal }) =>
      api.get<Listing<SpanPreview>>(`/api/v1/traces/${encodeURIComponent(trace.trace_id)}/spans`, { limit: 60 }, signal),
  });
  const facts: [string, React.ReactNode][] = [
    ["Started", <Time key="t" at={trace.start_time} />],
    ["Duration", <span key="d" className="num">{duration(trace.duration_ms)}</span>],
    ["Steps", <span key="s" className="num">{short(trace.span_count)}{trace.error_count > 0 && <span className="text-error"> · {trace.error_count} failed</span>}</span>],
    ["Tokens", <span key="k" className="num">{short(trace.tokens_in)} in, {short(trace.tokens_out)} out</span>],
    ["Cost", <span key="c" className="inline-flex items-center gap-1.5 num">{money(trace.cost_nano_usd)} <CostBadge source={trace.cost_source} /></span>],
    [trace.agents.length > 1 ? "Agents" : "Agent", trace.agents.join(", ") || null], [trace.users.length > 1 ? "Users" : "User", trace.users.join(", ") || null], ["Session", trace.session_id],
  ];
  const steps = spans.data?.data ?? [];
  // Roots of many frameworks carry nothing: then what the first step was asked and the last one answered.
  const said = {
    input: trace.input_preview ?? steps.find((step) => step.span_type === "llm" && step.input_preview)?.input_preview,
    output: trace.output_preview ?? (spans.data?.has_more ? null : steps.findLast((step) => step.span_type === "llm" && step.output_preview)?.output_preview),
  };
  return (
    <aside aria-label={`Trace ${trace.name ?? trace.trace_id}`} className="flex h-full flex-col bg-surface">
      <header className="flex items-center gap-1 border-b py-1.5 pr-2 pl-4">
        <Link to="/traces/$traceId" params={{ traceId: trace.trace_id }} className="min-w-0 flex-1 truncate font-semibold hover:underline" dir="auto">
          {trace.name ?? trace.trace_id}
        </Link>
        <IconButton icon="chevron" label="Previous (K)" className="-rotate-90" onClick={() => onStep(-1)} />
        <IconButton icon="chevron" label="Next (J)" className="rotate-90" onClick={() => onStep(1)} />
        <IconButton icon="close" label="Close (Esc)" onClick={onClose} />
      </header>
      <div className="min-h-0 flex-1 space-y-4 overflow-auto p-4">
        <div className="flex flex-wrap items-center gap-3">
          <StatusMark status={trace.status} />
          <VerdictMark verdict={trace.verdict} findings={trace.findings} />
          <SealMark trace={trace} label />
        </div>
        <dl className="grid grid-cols-[5rem_1fr] gap-y-1 text-sm">
          {facts.filter(([, value]) => value != null).map(([name, value]) => (
            <div key={name} className="contents">
              <dt className="text-muted">{name}</dt>
              <dd className="min-w-0 truncate">{value}</dd>
            </div>
          ))}
        </dl>
        {said.input && <Preview label="Input" text={said.input} />}
        {said.output && <Preview label="Output" text={said.output} />}
        <section>
          <h3 className="mb-1 text-xs font-semibold text-muted">Steps</h3>
          {spans.error && <ErrorNote error={spans.error} />}
          {spans.isPending && <Skeleton rows={5} height={26} />}
          <ul>
            {spans.data?.data.map((span) => (
              <li key={span.span_id}>
                <Link
                  to="/traces/$traceId"
                  params={{ traceId: trace.trace_id }}
                  search={{ span: span.span_id }}
                  className="flex h-7 items-center gap-2 rounded px-1 text-sm hover:bg-hover"
                >
                  <KindGlyph kind={span.span_type} size={16} />
                  <span className={`min-w-0 flex-1 truncate ${span.status === "error" ? "text-error" : ""}`} dir="auto">{span.name}</span>
                  <span className="num text-xs text-muted">{duration(span.duration_ms)}</span>
                </Link>
              </li>
            ))}
          </ul>
          {spans.data?.has_more && <p className="px-1 pt-1 text-xs text-muted">and {short(trace.span_count - spans.data.data.length)} more</p>}
        </section>
      </div>
    </aside>
  );
}

function Preview({ label, text }: { label: string; text: string }) {
  return (
    <section>
      <h3 className="mb-1 text-xs font-semibold text-muted">{label}</h3>
      <p className="isolate-text rounded-md bg-sunken p-2.5 text-sm whitespace-pre-wrap" dir="auto">{text}</p>
    </section>
  );
}
