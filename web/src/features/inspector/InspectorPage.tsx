import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { ApiError } from "../../api/client";
import { live } from "../../api/live";
import { spanQuery } from "../../api/queries";
import { useKeys } from "../../shell/keys";
import { useTitle } from "../../shell/Page";
import { count } from "../../ui/format";
import { Icon } from "../../ui/Icon";
import { Empty, ErrorNote, Skeleton } from "../../ui/notes";
import { Flame } from "./Flame";
import { nextPlace, type Place, placeAt, placesOf } from "./fns/hits";
import { askedBy } from "./fns/job";
import { Fold, type InspectorSearch, VIEW_LABEL, VIEWS, type View } from "./fns/search";
import { Governance } from "./Governance";
import { HitList } from "./HitList";
import { InspectorHeader } from "./InspectorHeader";
import { Raw } from "./Raw";
import { SpanDetail } from "./SpanDetail";
import { SpanRows } from "./SpanRows";
import { Transcript } from "./Transcript";
import { useTraceModel } from "./useTraceModel";
import { useWithin } from "./useWithin";
import { useZoom } from "./useZoom";
import { VerificationView } from "./Verification";

const Sankey = lazy(() => import("./Sankey").then((it) => ({ default: it.Sankey })));
const Dag = lazy(() => import("./Dag").then((it) => ({ default: it.Dag })));

/** One trace: several views over one selection. */
export function InspectorPage() {
  const { traceId } = useParams({ strict: false }) as { traceId: string };
  const [attempt, setAttempt] = useState(0);
  return <Inspector key={`${traceId}\n${attempt}`} traceId={traceId} onAgain={() => setAttempt(attempt + 1)} />;
}

/** An address that an agent has printed may be opened before its first step arrives. */
function NotHere({ traceId, onAgain }: { traceId: string; onAgain: () => void }) {
  const again = useRef(onAgain);
  again.current = onAgain;
  useEffect(
    () =>
      live.listen((event) => {
        if ((event.type === "trace.created" || event.type === "trace.updated") && event.trace.trace_id === traceId) again.current();
      }),
    [traceId],
  );
  return (
    <Empty icon="search" title="There is no such trace here">
      <p>
        <span className="isolate-text num">{traceId}</span> was erased, belongs to another workspace, or has not arrived yet. In that case this page shows it the moment it does.
      </p>
      <p className="mt-3"><Link to="/traces" search={{ all: true } as never} className="text-accent underline underline-offset-2">All traces of this workspace</Link></p>
    </Empty>
  );
}

function Inspector({ traceId, onAgain }: { traceId: string; onAgain: () => void }) {
  const search = useSearch({ strict: false }) as InspectorSearch;
  const navigate = useNavigate();
  const { trace, model, version, done, error } = useTraceModel(traceId);
  useTitle(trace?.name ?? traceId);
  const set = useCallback(
    (change: Partial<InspectorSearch>) =>
      void navigate({ to: "/traces/$traceId", params: { traceId }, replace: true, search: ((old: InspectorSearch) => clean({ ...old, ...change })) as never }),
    [navigate, traceId],
  );

  const view = search.view ?? "spans";
  const running = trace ? trace.status === "running" || trace.running_count > 0 : false;
  const now = useNow(running, model?.base);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new version may end later
  const whole = useMemo(() => Math.max(model?.end(now) ?? 1, 0.001), [model, version, now]);
  const zoom = useZoom(whole, search.w, useCallback((w) => set({ w }), [set]));

  const fold = useMemo(() => new Fold(search.fold), [search.fold]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new version has other rows
  const rows = useMemo(() => model?.rows(fold.has) ?? [], [model, version, fold]);
  const phrase = search.q?.trim() ?? "";
  const within = useWithin(traceId, phrase, running ? "running" : (trace?.updated_at ?? ""));
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new version has other rows
  const everyRow = useMemo(() => (phrase && model ? model.rows(() => false) : []), [model, version, phrase]);
  const places = useMemo(() => placesOf(everyRow, phrase, within.found), [everyRow, phrase, within.found]);
  const hits = useMemo(() => (phrase ? new Set(places.map((place) => place.node.id)) : null), [phrase, places]);
  const place = placeAt(places, search.span, search.hit ?? 0);

  const toTab = useCallback((tab: string) => set({ tab: tab === "content" ? undefined : tab }), [set]);
  const select = useCallback((span: string) => set({ span, hit: undefined }), [set]);
  const toggle = useCallback((id: string) => set({ fold: fold.toggle(id) }), [set, fold]);
  const chosen = useQuery({ ...spanQuery(traceId, search.span ?? ""), enabled: search.span !== undefined }).data;
  const ttft = chosen && search.span && chosen.ttft_ms != null ? { id: search.span, ms: chosen.ttft_ms } : null;

  const step = (by: number) => {
    const list = hits ? rows.filter((node) => hits.has(node.id)) : rows;
    const at = list.findIndex((node) => node.id === search.span);
    // From a step that is no hit, to the first hit after it.
    if (hits && at < 0 && search.span) {
      const from = rows.findIndex((node) => node.id === search.span);
      const near = by > 0 ? rows.find((node, i) => i > from && hits.has(node.id)) : rows.findLast((node, i) => i < from && hits.has(node.id));
      if (near) return select(near.id);
    }
    const next = list[at < 0 ? 0 : Math.max(0, Math.min(list.length - 1, at + by))];
    if (next) select(next.id);
  };
  const choose = (next: Place | undefined) => {
    if (!next) return;
    // What is folded away is opened.
    const hidden = !rows.some((row) => row.id === next.node.id);
    set({ span: next.node.id, hit: next.nth || undefined, ...(hidden ? { fold: undefined } : {}) });
  };
  const jump = (by: 1 | -1) => choose(nextPlace(places, everyRow, search.span, search.hit ?? 0, by));
  const node = search.span ? model?.byId.get(search.span) : undefined;
  const views = Object.fromEntries(VIEWS.map((name, i) => [String(i + 1), () => set({ view: name })]));
  useKeys({
    ...views,
    j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1),
    ArrowLeft: () => node && (node.children.length > 0 && !fold.has(node.id) ? toggle(node.id) : node.parent && select(node.parent)),
    h: () => node?.parent && select(node.parent),
    ArrowRight: () => node && node.children.length > 0 && (fold.has(node.id) ? toggle(node.id) : step(1)),
    "[": () => set({ fold: "*" }), "]": () => set({ fold: undefined }),
    w: () => zoom.zoom(0.7), s: () => zoom.zoom(1 / 0.7), a: () => zoom.pan(-0.2), d: () => zoom.pan(0.2),
    f: () => { if (node) { const end = node.end ?? now; const pad = Math.max((end - node.start) * 0.1, whole / 1e6); zoom.set([node.start - pad, end + pad]); } },
    "0": () => zoom.set(null),
    n: () => jump(1), N: () => jump(-1),
    "/": () => document.getElementById("find")?.focus(),
    Escape: () => (search.q ? set({ q: undefined, hit: undefined }) : set({ span: undefined, tab: undefined })),
  });

  if (error instanceof ApiError && error.status === 404 && !model) return <NotHere traceId={traceId} onAgain={onAgain} />;
  if (error && !model) return <div className="mx-auto max-w-xl p-8"><ErrorNote error={error} retry={onAgain} /></div>;
  if (!trace || !model) return <Skeleton rows={14} />;
  return (
    <div className="flex h-full min-h-0 flex-col">
      <InspectorHeader trace={trace} selected={search.span} onView={(next) => set({ view: next })} />
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b bg-surface px-2 md:px-3">
        <div role="tablist" aria-label="Views" className="flex min-w-0 gap-0.5 overflow-x-auto">
          {VIEWS.map((name, i) => (
            <button
              key={name}
              type="button"
              role="tab"
              aria-selected={name === view}
              ref={name === view ? inSight : undefined}
              title={`${VIEW_LABEL[name]} (${i + 1})`}
              onClick={() => set({ view: name === "spans" ? undefined : name })}
              className={`h-9 border-b-2 px-2.5 text-sm whitespace-nowrap ${name === view ? "border-accent font-medium" : "border-transparent text-muted hover:text-ink"}`}
            >
              {VIEW_LABEL[name]}
            </button>
          ))}
        </div>
        <div className="ml-auto flex items-center gap-2 py-1">
          {!done && <span role="status" className="num text-xs text-muted">{count(model.nodes.length)} of {count(trace.span_count)} steps</span>}
          {hits && (
            <span className="num text-xs text-muted" role="status">
              {places.length > 0 && place >= 0 ? `${count(place + 1)} of ${count(places.length)}, ` : ""}
              {count(hits.size)} found{within.busy ? " so far…" : within.cut ? ", there is more" : ""}
            </span>
          )}
          {hits && (
            <span className="flex">
              <button type="button" onClick={() => jump(-1)} disabled={places.length === 0} title="The place before (N)" aria-label="The place before" className="h-7 rounded-l-md border border-strong px-2 text-sm hover:bg-hover disabled:opacity-50">↑</button>
              <button type="button" onClick={() => jump(1)} disabled={places.length === 0} title="The next place (n)" aria-label="The next place" className="h-7 rounded-r-md border border-l-0 border-strong px-2 text-sm hover:bg-hover disabled:opacity-50">↓</button>
            </span>
          )}
          <Find value={search.q ?? ""} onChange={(q) => set({ q: q || undefined, hit: undefined })} onStep={jump} />
        </div>
      </div>
      {error ? <div className="border-b p-2"><ErrorNote error={error} retry={onAgain} /></div> : null}
      {within.error ? <div className="border-b p-2"><ErrorNote error={within.error} /></div> : null}
      {hits && <HitList places={places} at={place} onChoose={choose} />}
      <div className="flex min-h-0 flex-1">
        <div className="min-w-0 flex-1" role="tabpanel" aria-label={VIEW_LABEL[view]}>
          <Suspense fallback={<Skeleton rows={8} />}>
            {(view === "spans" || view === "timeline") && (
              <SpanRows
                model={model} version={version} rows={rows} selected={search.span} hits={hits} isFolded={fold.has}
                timeline={view === "timeline"} whole={whole} now={now} zoom={zoom} ttft={ttft} onSelect={select} onFold={toggle}
              />
            )}
            {view === "dag" && <Dag model={model} version={version} now={now} selected={search.span} name={trace.name ?? traceId} onSelect={select} />}
            {view === "transcript" && <Transcript traceId={traceId} model={model} version={version} selected={search.span} onSelect={select} />}
            {view === "flame" && <Flame model={model} version={version} whole={whole} now={now} by={search.by ?? "time"} selected={search.span} onBy={(by) => set({ by: by === "time" ? undefined : by })} onSelect={select} />}
            {view === "sankey" && <Sankey key={search.target} traceId={traceId} target={search.target} nameOf={(span) => model.byId.get(span)?.name} onTarget={(target) => set({ target })} onSelect={select} />}
            {view === "governance" && <Governance traceId={traceId} nodes={model.all()} onSelect={select} />}
            {view === "verification" && <VerificationView traceId={traceId} />}
            {view === "raw" && <Raw trace={trace} spanId={search.span} />}
          </Suspense>
        </div>
        {search.span && view !== "raw" && (
          <div className="fixed inset-x-0 bottom-0 z-30 h-[72dvh] border-t shadow-2xl lg:static lg:z-auto lg:h-auto lg:w-[clamp(22rem,34%,40rem)] lg:shrink-0 lg:border-t-0 lg:border-l lg:shadow-none">
            <SpanDetail key={search.span} traceId={traceId} spanId={search.span} tab={search.tab} place={places[place]} phrase={phrase} onTab={toTab} onSelect={select} onClose={() => set({ span: undefined, tab: undefined })} onWhy={node?.kind === "tool" ? () => set({ view: "sankey", target: askedBy(model.nodes, node) }) : undefined} />
          </div>
        )}
      </div>
    </div>
  );
}

/** On a narrow screen the chosen view's tab may be scrolled away. */
const inSight = (tab: HTMLElement | null) => tab?.scrollIntoView({ block: "nearest", inline: "nearest" });

function clean(search: InspectorSearch): InspectorSearch {
  return Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined && value !== ""));
}

/** The clock of a running trace, four times a second; it stands still for one that is over. */
function useNow(running: boolean, base: bigint | undefined): number {
  const read = useCallback(() => (base === undefined ? 0 : Date.now() - Number(base / 1_000_000n)), [base]);
  const [now, setNow] = useState(0);
  useEffect(() => {
    setNow(read());
    if (!running) return;
    const timer = setInterval(() => setNow(read()), 250);
    return () => clearInterval(timer);
  }, [running, read]);
  return now;
}

function Find({ value, onChange, onStep }: { value: string; onChange: (q: string) => void; onStep: (by: 1 | -1) => void }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  // The tree is searched when the typing pauses.
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => onChange(text), 180);
    return () => clearTimeout(timer);
  }, [text, value, onChange]);
  return (
    <label className="flex h-7 items-center gap-1.5 rounded-md border border-strong px-2">
      <Icon name="search" size={13} className="text-muted" />
      <span className="sr-only">Search in this trace</span>
      <input id="find" value={text} onChange={(event) => setText(event.target.value)} onKeyDown={(event) => {
          if (event.key === "Escape") event.currentTarget.blur();
          // What is typed last has been searched for before it is stepped through.
          if (event.key === "Enter" && text === value) onStep(event.shiftKey ? -1 : 1);
          else if (event.key === "Enter") onChange(text);
        }} placeholder="Search in this trace" className="w-36 bg-transparent text-sm outline-none md:w-44" />
    </label>
  );
}

export type { View };
