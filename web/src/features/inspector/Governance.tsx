import { useQueries } from "@tanstack/react-query";
import { spanQuery } from "../../api/queries";
import type { Finding, Span } from "../../api/types";
import { KindGlyph, VerdictMark } from "../../ui/marks";
import { Empty, ErrorNote, Skeleton } from "../../ui/notes";
import { spotsByText, textOf } from "./fns/findings";
import type { Node } from "./fns/model";
import { Marked } from "./LongText";

const MOST = 50;
const AROUND = 240;

/** Everything that rules and detectors said about the trace, on the text they said it of. */
export function Governance({ traceId, nodes, onSelect }: { traceId: string; nodes: Node[]; onSelect: (id: string) => void }) {
  const marked = nodes.filter((node) => node.findings > 0 || node.verdict !== "pass");
  const spans = useQueries({ queries: marked.slice(0, MOST).map((node) => spanQuery(traceId, node.id)) });
  if (marked.length === 0) {
    return <Empty icon="guardrail" title="No rule objects">Every step was looked at by the detectors and policies in force; none found anything.</Empty>;
  }
  return (
    <div className="h-full space-y-4 overflow-auto p-4">
      {marked.length > MOST && <p className="text-sm text-muted">The first {MOST} of {marked.length} steps.</p>}
      {spans.map((answer, i) => {
        const node = marked[i] as Node;
        return (
          <section key={node.id} className="rounded-md border bg-surface" aria-label={node.name}>
            <header className="flex items-center gap-2 border-b px-3 py-2">
              <KindGlyph kind={node.kind} />
              <button type="button" className="min-w-0 truncate font-medium hover:underline" onClick={() => onSelect(node.id)}>{node.name}</button>
              <span className="ml-auto"><VerdictMark verdict={node.verdict} findings={node.findings} /></span>
            </header>
            <div className="p-3">
              {answer.error ? <ErrorNote error={answer.error} /> : answer.data ? <SpanFindings span={answer.data} /> : <Skeleton rows={3} />}
            </div>
          </section>
        );
      })}
    </div>
  );
}

/** The findings, evaluations and decision of one span. */
export function SpanFindings({ span }: { span: Span }) {
  const spots = spotsByText(span);
  const loose = span.findings.filter((finding) => ![...spots.values()].some((list) => list.some((spot) => spot.finding === finding)));
  const evaluations = (span.evaluations ?? []) as unknown as { policy: string; rule: string; outcome: string; severity: string; message: string }[];
  return (
    <div className="space-y-4 text-sm">
      {span.decision.length > 0 && <p><span className="text-muted">What followed: </span>{span.decision.join(", ")}</p>}
      {[...spots].map(([text, list]) => {
        const from = Math.max(0, (list[0]?.from ?? 0) - AROUND);
        const to = Math.min(text.length, (list.at(-1)?.to ?? 0) + AROUND);
        const moved = list.map((spot) => ({ ...spot, from: spot.from - from, to: spot.to - from }));
        return (
          <figure key={list[0]?.finding.pointer} className="rounded-md border">
            <blockquote className="isolate-text p-3 whitespace-pre-wrap" dir="auto">
              {from > 0 && "…"}<Marked text={text.slice(from, to)} spots={moved} />{to < text.length && "…"}
            </blockquote>
            <figcaption className="border-t bg-sunken px-3 py-1.5">
              <ul className="space-y-1">{list.map((spot) => <li key={spot.finding.fingerprint + spot.from}><Line finding={spot.finding} /></li>)}</ul>
            </figcaption>
          </figure>
        );
      })}
      {loose.length > 0 && (
        <ul className="space-y-1">
          {loose.map((finding) => (
            <li key={finding.fingerprint + finding.pointer + finding.start_byte}>
              <Line finding={finding} />
              <p className="text-xs text-muted">{finding.redacted ? "The text was replaced before it was stored." : textOf(span, finding) === null ? "The text is not in the record any more." : "Its place has moved with a redaction."}</p>
            </li>
          ))}
        </ul>
      )}
      {evaluations.length > 0 && (
        <section>
          <h3 className="mb-1 text-xs font-semibold text-muted">Evaluations</h3>
          <ul className="divide-y rounded-md border">
            {evaluations.map((it, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: recorded once, in this order
              <li key={i} className="space-y-0.5 px-3 py-2">
                <p className="flex flex-wrap items-center gap-2">
                  <span className="num font-medium">{it.policy}/{it.rule}</span>
                  <span className={`rounded px-1.5 text-xs ${it.outcome === "pass" ? "bg-hover" : "bg-warn-soft text-warn"}`}>{it.outcome}</span>
                  <span className="text-xs text-muted">{it.severity}</span>
                </p>
                {it.message && <p className="isolate-text text-muted">{it.message}</p>}
              </li>
            ))}
          </ul>
        </section>
      )}
      {span.findings.length === 0 && evaluations.length === 0 && <p className="text-muted">The detectors and policies in force found nothing here.</p>}
    </div>
  );
}

function Line({ finding }: { finding: Finding }) {
  return (
    <p className="flex flex-wrap items-center gap-x-2 text-xs">
      <span className="font-semibold">{finding.severity}</span>
      <span>{finding.entity.replaceAll("_", " ").toLowerCase()}</span>
      <span className="num text-muted">{finding.rule}</span>
      <span className="num text-muted">{finding.part}{finding.pointer}</span>
      <span className="text-muted">{Math.round(finding.score * 100)} % sure{finding.validated ? ", checksum right" : ""}{finding.redacted ? ", redacted" : ""}</span>
    </p>
  );
}
