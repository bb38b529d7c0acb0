import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type FormEvent, type ReactNode, useMemo, useRef } from "react";
import { spanQuery, tracesQuery } from "../../api/queries";
import type { Span, Trace } from "../../api/types";
import { useTitle } from "../../shell/Page";
import { Button } from "../../ui/controls";
import { count, duration, ends, money, short } from "../../ui/format";
import { KindGlyph, StatusMark } from "../../ui/marks";
import { ErrorNote, Skeleton } from "../../ui/notes";
import { Time } from "../../ui/Time";
import type { Node } from "../inspector/fns/model";
import { text } from "../inspector/JsonTree";
import { useTraceModel } from "../inspector/useTraceModel";
import { align, diff, difference, MOST, type Pair } from "./align";
import type { CompareSearch as Search } from "./search";

/** Two traces beside one another. */
export function ComparePage() {
  useTitle("Compare");
  const { a, b } = useSearch({ strict: false }) as Search;
  if (a && b) return <Both key={`${a}\n${b}`} a={a} b={b} />;
  return <Choose a={a} />;
}

function Choose({ a }: { a?: string }) {
  const navigate = useNavigate();
  const recent = useQuery(tracesQuery("", 30));
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    void navigate({ to: "/compare", search: { a: String(form.get("a")).trim(), b: String(form.get("b")).trim() } as never });
  };
  return (
    <div className="mx-auto max-w-xl p-6">
      <h1>Compare two traces</h1>
      <p className="mt-1 text-sm text-muted">Step by step, side by side. The latest traces are offered as you type; the button Compare on a trace's page fills in the first.</p>
      <form onSubmit={submit} className="mt-4 space-y-3">
        {(["a", "b"] as const).map((name) => (
          <label key={name} className="block"><span className="mb-1 block text-sm">{name === "a" ? "First" : "Second"} trace's id</span><input name={name} required list="recent" defaultValue={name === "a" ? a : ""} className="control w-full num" /></label>
        ))}
        <datalist id="recent">{recent.data?.data.map((trace) => <option key={trace.trace_id} value={trace.trace_id}>{trace.name}</option>)}</datalist>
        <Button type="submit" look="main">Compare</Button>
      </form>
    </div>
  );
}

const ROW = 28;

function Both({ a, b }: { a: string; b: string }) {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const [left, right] = [useTraceModel(a), useTraceModel(b)];
  const scroller = useRef<HTMLDivElement>(null);
  const ready = left.done && right.done;
  // biome-ignore lint/correctness/useExhaustiveDependencies: aligned once both are there, and again when they change
  const pairs = useMemo(() => (ready && left.model && right.model ? align(left.model.all(), right.model.all()) : []), [ready, left.version, right.version]);
  const told = useMemo(() => pairs.map(difference), [pairs]);
  const differing = told.filter((it) => it !== null).length;
  const shown = useMemo(() => pairs.map((_, i) => i).filter((i) => !search.only || told[i] !== null), [pairs, told, search.only]);
  const rows = useVirtualizer({ count: shown.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 8 });
  const go = (change: Partial<Search>) => void navigate({ to: "/compare", replace: true, search: { a, b, only: search.only, at: search.at, ...change } as never });
  const chosen = search.at === undefined ? undefined : pairs[search.at];
  const error = left.error ?? right.error;
  if (error) return <div className="p-4"><ErrorNote error={error} /></div>;
  if (!ready || !left.trace || !right.trace) return <Skeleton rows={12} />;
  return (
    <div className="flex h-full flex-col">
      <header className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b bg-surface px-4 py-2">
        <h1>Compare</h1>
        <p role="status" className="text-sm text-muted">{differing === 0 ? "No step differs" : `${count(differing)} of ${count(pairs.length)} steps differ`}</p>
        <span className="ml-auto flex flex-wrap items-center gap-2">
          <label className="flex h-7 items-center gap-1.5 text-sm"><input type="checkbox" checked={search.only ?? false} onChange={(event) => go({ only: event.target.checked || undefined, at: undefined })} />Only what differs</label>
          <Button small icon="compare" onClick={() => void navigate({ to: "/compare", replace: true, search: { a: b, b: a } as never })}>Swap</Button>
          <Link to="/compare" search={{ a } as never} className="inline-flex h-7 items-center rounded-md border border-strong px-2 text-sm hover:bg-hover">Another trace…</Link>
        </span>
      </header>
      <div className="grid shrink-0 grid-cols-2 border-b bg-surface">
        {[left.trace, right.trace].map((trace, i) => (
          <div key={trace.trace_id} className={`min-w-0 px-4 py-2 ${i ? "border-l" : ""}`}>
            <Link to="/traces/$traceId" params={{ traceId: trace.trace_id }} className="block truncate font-semibold hover:underline" dir="auto">{trace.name ?? trace.trace_id}</Link>
            <p className="num text-xs text-muted" title={trace.trace_id}>{ends(trace.trace_id)} · <Time at={trace.start_time} /></p>
            <div className="mt-0.5 flex flex-wrap items-center gap-x-3 text-sm text-muted">
            <StatusMark status={trace.status} quiet />
            <dl className="contents">
              {figures(trace).map((it, at) => <Figure key={it.label} {...it} base={i === 0 ? null : (figures(left.trace as Trace)[at]?.value ?? null)} />)}
            </dl>
            </div>
          </div>
        ))}
      </div>
      {shown.length === 0 && <p className="p-4 text-sm text-muted">As far as the lists of steps tell, the two runs are the same.</p>}
      <div ref={scroller} role="grid" aria-label="Steps of both" className={`overflow-auto ${chosen ? "h-1/2" : "min-h-0 flex-1"}`}>
        <div className="relative" role="presentation" style={{ height: rows.getTotalSize() }}>
          {rows.getVirtualItems().map((item) => {
            const index = shown[item.index] as number;
            const pair = pairs[index] as Pair;
            const both = pair.left && pair.right;
            const mark = told[index] ?? null;
            return (
              <div
                key={item.key}
                role="row"
                tabIndex={0}
                aria-selected={index === search.at}
                onClick={() => go({ at: index })}
                onKeyDown={(event) => event.key === "Enter" && go({ at: index })}
                className={`absolute inset-x-0 grid cursor-pointer grid-cols-2 border-b border-line/60 text-sm ${index === search.at ? "bg-selected" : "hover:bg-hover"}`}
                style={{ height: ROW, transform: `translateY(${item.start}px)` }}
              >
                <Side node={pair.left} mark={both ? null : mark} />
                <Side node={pair.right} mark={mark} base={pair.left} right />
              </div>
            );
          })}
        </div>
      </div>
      {(left.trace.span_count > MOST || right.trace.span_count > MOST) && <p className="border-t px-4 py-1 text-xs text-muted">The first {MOST} steps of each.</p>}
      {chosen && <TextDiff a={a} b={b} pair={chosen} />}
    </div>
  );
}

interface Told { label: string; value: number | null; text: (value: number) => string }

const figures = (trace: Trace): Told[] => [
  { label: "took", value: trace.duration_ms ?? null, text: duration },
  { label: "tokens", value: trace.tokens_total, text: short },
  { label: "cost", value: trace.cost_nano_usd == null ? null : Number(trace.cost_nano_usd), text: money },
  { label: "steps", value: trace.span_count, text: short },
];

/** A figure of a trace, and how far it is from that of the other. */
function Figure({ label, value, text, base }: Told & { base: number | null }) {
  const delta = value === null || base === null ? 0 : value - base;
  return (
    <div className="inline-flex items-baseline gap-1">
      <dt className={label === "took" || label === "cost" ? "sr-only" : "order-2"}>{label}</dt>
      <dd className="num">{value === null ? "–" : text(value)}{delta !== 0 && <span className={`ml-1 text-xs ${label === "steps" ? "text-muted" : delta > 0 ? "text-error" : "text-ok"}`}>{delta > 0 ? "+" : "−"}{text(Math.abs(delta))}</span>}</dd>
    </div>
  );
}

function Side({ node, base, mark, right }: { node: Node | null; base?: Node | null; mark: string | null; right?: boolean }) {
  const took = (it: Node) => (it.end === null ? 0 : it.end - it.start);
  const delta = node && base ? took(node) - took(base) : 0;
  const grave = base && node && Math.abs(delta) > Math.max(took(base) * 0.2, 1);
  return (
    <div role="gridcell" className={`flex min-w-0 items-center gap-2 px-3 ${right ? "border-l" : ""} ${node && mark === "only here" ? (right ? "bg-ok-soft" : "bg-error-soft") : ""} ${node ? "" : "bg-sunken"}`}>
      {node && (
        <>
          <span style={{ width: Math.min(node.depth, 12) * 12 }} className="shrink-0" />
          <KindGlyph kind={node.kind} size={16} />
          <span className={`min-w-16 flex-1 truncate sm:min-w-28 ${node.status === "error" ? "text-error" : ""}`}>{node.name}</span>
          {mark && <span className="min-w-0 truncate text-xs text-muted max-sm:hidden">{mark === "only here" ? mark : <><span className="font-medium text-warn">differs</span> in {mark}</>}</span>}
          <span className="num shrink-0 whitespace-nowrap text-muted">{duration(took(node))}</span>
          {grave && <span className={`w-16 shrink-0 text-right num text-xs ${delta > 0 ? "text-error" : "text-ok"}`}>{delta > 0 ? "+" : "−"}{duration(Math.abs(delta))}</span>}
        </>
      )}
    </div>
  );
}

function TextDiff({ a, b, pair }: { a: string; b: string; pair: Pair }) {
  const left = useQuery({ ...spanQuery(a, pair.left?.id ?? ""), enabled: pair.left !== null });
  const right = useQuery({ ...spanQuery(b, pair.right?.id ?? ""), enabled: pair.right !== null });
  if ((pair.left && !left.data) || (pair.right && !right.data)) return <Skeleton rows={4} />;
  const side = (span: Span | undefined, part: "input" | "output") => (span?.[part] == null ? "" : text(span[part]));
  return (
    <div className="min-h-0 flex-1 overflow-auto border-t p-4 text-sm">
      {(["input", "output"] as const).map((part) => (
        <section key={part} className="mb-4">
          <h2 className="mb-1 text-xs text-muted">{part === "input" ? "Input" : "Output"}</h2>
          <Diff left={side(left.data, part)} right={side(right.data, part)} />
        </section>
      ))}
    </div>
  );
}

const SHOWN = 200_000;

function Diff({ left, right }: { left: string; right: string }): ReactNode {
  const words = useMemo(() => diff(left.slice(0, SHOWN), right.slice(0, SHOWN)), [left, right]);
  if (left === right) return <p className="text-muted">{left ? "The same on both sides." : "None."}</p>;
  return (
    <div className="isolate-text rounded-md bg-sunken p-3 num whitespace-pre-wrap" dir="auto">
      {words.map((word, i) =>
        word.side === "both" ? (
          word.text
        ) : word.side === "left" ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: made anew for each pair of texts
          <del key={i} className="bg-error-soft text-error">{word.text}</del>
        ) : (
          // biome-ignore lint/suspicious/noArrayIndexKey: made anew for each pair of texts
          <ins key={i} className="bg-ok-soft text-ok no-underline">{word.text}</ins>
        ),
      )}
    </div>
  );
}
