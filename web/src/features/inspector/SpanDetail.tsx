import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useMemo, useRef } from "react";
import { spanQuery } from "../../api/queries";
import type { Span } from "../../api/types";
import { Button, CopyButton, IconButton } from "../../ui/controls";
import { count, duration, ends, exact, money } from "../../ui/format";
import { CostBadge, KindGlyph, StatusMark, VerdictMark } from "../../ui/marks";
import { ErrorNote, Skeleton } from "../../ui/notes";
import { spotsByText } from "./fns/findings";
import type { Place } from "./fns/hits";
import { facts as factsOf, seek, trouble } from "./fns/sought";
import { SpanFindings } from "./Governance";
import { Payload, text } from "./JsonTree";
import { LongText, Marked, Spots } from "./LongText";
import { Messages } from "./Messages";
import { SoughtHere } from "./useSought";

const TABS = ["content", "attributes", "cost", "governance", "proof"] as const;
const LABEL: Record<string, string> = { content: "Content", attributes: "Attributes", cost: "Cost", governance: "Governance", proof: "Proof" };

interface Props {
  traceId: string;
  spanId: string;
  tab: string | undefined;
  /** The place that the search stands at. */
  place: Place | undefined;
  /** What is searched for. */
  phrase: string;
  onTab: (tab: string) => void;
  onSelect: (id: string) => void;
  onClose: () => void;
  /** Asks why a tool was called. */
  onWhy?: (() => void) | undefined;
}

/** The span that is chosen. */
export function SpanDetail({ traceId, spanId, tab = "content", place, phrase, onTab, onSelect, onClose, onWhy }: Props) {
  const span = useQuery(spanQuery(traceId, spanId));
  const it = span.data;
  const spots = useMemo(() => (it ? spotsByText(it) : new Map()), [it]);
  const match = place?.match ?? null;
  const there = place !== undefined;
  const found = useMemo(() => (it && there ? seek(it, match, phrase) : null), [it, there, match, phrase]);
  const section = useRef<HTMLElement>(null);
  const shown = TABS.find((t) => t === tab) ?? "content";
  const opening = useRef<typeof found>(null);
  useEffect(() => {
    // Only on the way to the place: whoever then turns to another tab stays there.
    if (found && found !== opening.current && found.tab && found.tab !== shown) onTab(found.tab);
    opening.current = found;
  }, [found, shown, onTab]);
  useEffect(() => {
    if (found && (found.tab ?? shown) === shown) section.current?.querySelector("[data-sought]")?.scrollIntoView({ block: "center" });
  }, [found, shown]);
  if (span.error) return <div className="p-4"><ErrorNote error={span.error} retry={() => void span.refetch()} /></div>;
  if (!it) return <Skeleton rows={9} />;
  return (
    <Spots.Provider value={spots}>
      <SoughtHere.Provider value={found?.sought ?? null}>
        <section ref={section} aria-label={`Step ${it.name ?? it.span_id}`} className="flex h-full flex-col bg-surface">
          <header className="space-y-1 border-b px-4 pt-2.5 pb-0">
            <div className="flex items-center gap-2">
              <KindGlyph kind={it.kind} size={20} />
              <h2 className="min-w-0 flex-1 truncate text-base" dir="auto" title={it.name ?? ""}><Marked text={it.name ?? it.span_id} /></h2>
              <IconButton icon="close" label="Close the step" onClick={onClose} />
            </div>
            <div className="flex flex-wrap items-center gap-x-3 gap-y-1 text-sm">
              <StatusMark status={it.status} />
              <VerdictMark verdict={it.verdict} findings={it.findings.length} />
              <span className="num">{duration(it.duration_ms)}</span>
              {it.model && <span className="num text-muted"><Marked text={it.model} /></span>}
              {it.cost_nano_usd != null && <span className="inline-flex items-center gap-1 num">{money(it.cost_nano_usd)}<CostBadge source={it.cost_source} /></span>}
              {onWhy && <Button small onClick={onWhy}>Why this tool?</Button>}
            </div>
            <div role="tablist" aria-label="About this step" className="-mx-1 flex gap-1 overflow-x-auto">
              {TABS.map((name) => (
                <button
                  key={name}
                  type="button"
                  role="tab"
                  aria-selected={name === shown}
                  onClick={() => onTab(name)}
                  className={`h-8 border-b-2 px-2 text-sm ${name === shown ? "border-accent font-medium" : "border-transparent text-muted hover:text-ink"}`}
                >
                  {LABEL[name]}
                  {name === "governance" && it.findings.length > 0 && <span className="ml-1 num text-xs text-warn">{it.findings.length}</span>}
                </button>
              ))}
            </div>
          </header>
          <div role="tabpanel" tabIndex={0} aria-label={LABEL[shown]} className="min-h-0 flex-1 space-y-4 overflow-auto p-4">
            {it.status_message && <div className={`rounded-md p-2.5 text-sm ${it.status === "error" ? "bg-error-soft" : "bg-warn-soft"}`}><LongText text={trouble(it)} /></div>}
            {shown === "content" && <Content it={it} />}
            {shown === "attributes" && <Attributes it={it} onSelect={onSelect} />}
            {shown === "cost" && <Cost it={it} />}
            {shown === "governance" && <SpanFindings span={it} />}
            {shown === "proof" && <Proof it={it} />}
          </div>
        </section>
      </SoughtHere.Provider>
    </Spots.Provider>
  );
}

function Content({ it }: { it: Span }) {
  const nothing = it.input == null && it.output == null && it.input_messages.length === 0 && it.output_messages.length === 0;
  return (
    <>
      {it.input_messages.length > 0 ? <Section label="Messages sent"><Messages messages={it.input_messages} /></Section> : <Payload label="Input" value={it.input} />}
      {it.output_messages.length > 0 ? <Section label="Answer"><Messages messages={it.output_messages} output /></Section> : <Payload label="Output" value={it.output} />}
      <Payload label="Documents" value={it.documents} />
      {it.output_messages.length === 0 && <Payload label="Tool calls" value={Array.isArray(it.tool_calls) && it.tool_calls.length === 0 ? null : it.tool_calls} />}
      {it.events.length > 0 && <Payload label="Events" value={it.events.map((e) => ({ name: e.name, time: e.time, ...e.attributes, ...(e.body == null ? {} : { body: e.body }) }))} />}
      {nothing && <p className="text-sm text-muted">This step was recorded without input and output.</p>}
    </>
  );
}

function Attributes({ it, onSelect }: { it: Span; onSelect: (id: string) => void }) {
  const facts: [string, ReactNode][] = [
    ["Span", <Id key="i" id={it.span_id} />],
    ["Parent", it.parent_span_id && <button key="p" type="button" className="num text-accent hover:underline" onClick={() => onSelect(it.parent_span_id as string)}>{ends(it.parent_span_id)}</button>],
    ["Started", it.start_time && <span key="s" className="tnum">{exact(it.start_time)}</span>],
    ["Ended", it.end_time && <span key="e" className="tnum">{exact(it.end_time)}</span>],
    ["First token", it.ttft_ms != null && <span key="t" className="num">{duration(it.ttft_ms)}</span>],
    ["Received", <span key="r" className="tnum">{exact(it.received_at)}</span>],
    ...factsOf(it).map(([name, value]): [string, ReactNode] => [name, value && <Marked key={name} text={value} />]),
  ];
  return (
    <>
      <dl className="grid grid-cols-[7.5rem_1fr] gap-y-1 text-sm">
        {facts.filter(([, value]) => value).map(([name, value]) => (
          <div key={name} className="contents"><dt className="text-muted">{name}</dt><dd className="isolate-text">{value}</dd></div>
        ))}
      </dl>
      <Payload label="Parameters" value={it.parameters} />
      <Payload label="Metadata" value={it.metadata} />
      <Payload label="Attributes" value={it.attributes} />
      <Payload label="Tools offered" value={it.tool_definitions} />
      <Payload label="Links" value={it.links.length ? it.links : null} />
      <Payload label="Resource" value={it.resource} />
      <Payload label="Scope" value={it.scope} />
      <Payload label="Where each field came from" value={it.provenance} />
      <div className="flex gap-2"><CopyButton text={() => text(it)} label="Copy everything as JSON" /></div>
    </>
  );
}

const BUCKETS: Record<string, string> = {
  input_uncached: "Prompt", cache_read: "Prompt, read from a cache", cache_write_5m: "Prompt, written to a cache (5 min)",
  cache_write_1h: "Prompt, written to a cache (1 h)", input_audio: "Prompt, audio", input_image: "Prompt, images",
  output_text: "Completion", output_reasoning: "Thinking", output_audio: "Completion, audio", output_image: "Completion, images",
};

function Cost({ it }: { it: Span }) {
  const usage = Object.entries((it.usage ?? {}) as Record<string, number>).filter(([, n]) => n > 0);
  const all = usage.reduce((sum, [, n]) => sum + n, 0);
  return (
    <>
      <div className="flex items-baseline gap-2">
        <span className="num text-2xl">{money(it.cost_nano_usd)}</span>
        <CostBadge source={it.cost_source} rule={it.cost_rule} />
      </div>
      {it.cost_rule && <p className="num text-sm text-muted">{it.cost_rule}</p>}
      {it.cost_nano_usd && <p className="num text-xs text-muted">{count(Number(it.cost_nano_usd))} billionths of a dollar</p>}
      {usage.length > 0 ? (
        <>
          <div aria-hidden="true" className="flex h-2.5 overflow-hidden rounded-full">
            {usage.map(([bucket, n], i) => <div key={bucket} style={{ width: `${(n / all) * 100}%`, background: tone(i) }} />)}
          </div>
          <table className="w-full text-sm">
            <thead className="text-left text-xs text-muted"><tr><th className="font-normal">Tokens</th><th className="text-right font-normal">Count</th></tr></thead>
            <tbody>
              {usage.map(([bucket, n], i) => (
                <tr key={bucket}><td className="py-0.5"><span className="mr-2 inline-block size-2 rounded-sm" style={{ background: tone(i) }} />{BUCKETS[bucket] ?? bucket.replaceAll("_", " ")}</td><td className="text-right num">{count(n)}</td></tr>
              ))}
              <tr className="border-t"><td className="py-0.5 text-muted">Together</td><td className="text-right num">{count(all)}</td></tr>
            </tbody>
          </table>
        </>
      ) : <p className="text-sm text-muted">No usage was reported for this step.</p>}
      {!it.usage_counted && all > 0 && <p className="text-sm text-muted">A container's own figure: it repeats what its calls report and is not added to the trace.</p>}
      <Payload label="As reported" value={it.usage_reported} />
    </>
  );
}

const tone = (i: number) => ["var(--kind-agent)", "var(--kind-retriever)", "var(--kind-tool)", "var(--kind-llm)", "var(--kind-reranker)"][i % 5];

function Proof({ it }: { it: Span }) {
  return (
    <dl className="space-y-2 text-sm">
      <Fact name="Record">{it.record}</Fact>
      <Fact name="Leaf in the ledger">{it.log_index == null ? "none while the step runs" : String(it.log_index)}</Fact>
      <Fact name="Fingerprint (SHA-256 of the leaf)">{it.fingerprint ?? "none while the step runs"}</Fact>
      <p className="text-muted">The view Verification checks the proofs of the whole trace in this browser.</p>
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: string }) {
  return (
    <div>
      <dt className="text-xs text-muted">{name}</dt>
      <dd className="flex items-start gap-1"><span className="min-w-0 flex-1 num break-all">{children}</span><CopyButton small text={children} label="" /></dd>
    </div>
  );
}

function Id({ id }: { id: string }) {
  return <span className="inline-flex items-center gap-1 num" title={id}>{ends(id, 10)}<CopyButton small text={id} label="" /></span>;
}

function Section({ label, children }: { label: string; children: ReactNode }) {
  return <section><h3 className="mb-1.5 text-xs font-semibold text-muted">{label}</h3>{children}</section>;
}
