import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { ApiError } from "../../api/client";
import { analyticsQuery, tracesQuery } from "../../api/queries";
import { Bars } from "../../charts/Bars";
import { useKeys } from "../../shell/keys";
import { useTitle } from "../../shell/Page";
import { Button, IconButton } from "../../ui/controls";
import { count } from "../../ui/format";
import { Icon } from "../../ui/Icon";
import { Empty, ErrorNote, Skeleton } from "../../ui/notes";
import { usePane } from "../../ui/Splitter";
import { FirstRun } from "../landing/FirstRun";
import { ask } from "../overview/fns/range";
import { RangePicker } from "../overview/RangePicker";
import { ExportDialog } from "./ExportDialog";
import { Facets, useFacets } from "./Facets";
import { FilterBox } from "./FilterBox";
import { hasTerm, quoteIfNeeded, withoutTerm, withTerm } from "./fns/filter";
import { columnsOf, type ExplorerSearch, listParams, rangeOf } from "./fns/search";
import { Peek } from "./Peek";
import { TraceTable } from "./TraceTable";
import { useTraces } from "./useTraces";
import { ViewMenu } from "./ViewMenu";

export function ExplorerPage() {
  useTitle("Traces");
  const search = useSearch({ strict: false }) as ExplorerSearch;
  const navigate = useNavigate();
  const go = useCallback(
    (next: ExplorerSearch, replace = true) => void navigate({ to: "/traces", search: next, replace }),
    [navigate],
  );
  const scroller = useRef<HTMLDivElement>(null);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [exporting, setExporting] = useState(false);
  const pane = usePane("peek", "Width of the preview", { width: 416, min: 300, max: 900, grows: "right" });
  const [facetsOpen, setFacetsOpen] = useState(() => innerWidth >= 1100);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the parameters depend on these only
  const params = useMemo(() => listParams(search), [search.filter, search.from, search.to, search.range, search.all]);
  const time = ask(rangeOf(search));
  const filter = search.filter ?? "";
  const following = search.live === true;
  const { list, traces, waiting, catchUp } = useTraces(params, following, filter !== "" || search.to !== undefined);
  const facets = useFacets(time);
  const traffic = useQuery(analyticsQuery(time));
  const known = useMemo(() => Object.fromEntries(facets.map((f) => [f.field, f.groups.map((g) => g.value)])), [facets]);

  const at = traces.findIndex((trace) => trace.trace_id === search.peek);
  const peeked = at >= 0 ? traces[at] : undefined;
  const step = (by: number) => {
    const next = traces[at < 0 ? 0 : Math.max(0, Math.min(traces.length - 1, at + by))];
    if (next) go({ ...search, peek: next.trace_id });
  };
  const open = (id: string) => void navigate({ to: "/traces/$traceId", params: { traceId: id } });
  const term = (field: string, value: string, exclude: boolean) => {
    const is = hasTerm(filter, `${field} ${exclude ? "!=" : "="} ${quoteIfNeeded(value)}`);
    const next = is ? withoutTerm(filter, field, value) : withTerm(filter, field, value, exclude);
    go({ ...search, filter: next || undefined }, false);
  };
  const more = useCallback(() => void list.fetchNextPage(), [list.fetchNextPage]);

  useKeys({
    "/": () => document.getElementById("filter")?.focus(),
    j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1),
    Enter: () => peeked && open(peeked.trace_id),
    Escape: () => go({ ...search, peek: undefined }),
    l: () => go({ ...search, live: following ? undefined : true }),
  });
  useEffect(() => {
    if (following) scroller.current?.scrollTo({ top: 0 });
  }, [following]);

  const refused = list.error instanceof ApiError && list.error.status === 400 ? list.error.message : null;
  const series = traffic.data?.series ?? [];
  const nothingEver = list.isSuccess && traces.length === 0 && !filter && !search.from;
  // Nothing in the usual time: perhaps there is nothing at all yet.
  const any = useQuery({ ...tracesQuery("", 1), enabled: nothingEver });
  if (nothingEver && (search.all || any.data?.data.length === 0)) return <FirstRun />;

  return (
    <div className="flex h-full flex-col">
      <h1 className="sr-only">Traces</h1>
      <div className="space-y-2 border-b px-3 py-2.5 md:px-4">
        <div className="flex flex-wrap items-start gap-2">
          <IconButton icon="filter" label={facetsOpen ? "Hide facets" : "Show facets"} aria-pressed={facetsOpen} onClick={() => setFacetsOpen(!facetsOpen)} />
          <FilterBox value={filter} error={refused} known={known} onApply={(next) => go({ ...search, filter: next || undefined }, false)} />
        </div>
        <div className="flex flex-wrap items-center gap-2">
          <RangePicker search={rangeOf(search)} onChange={(range) => go({ ...search, from: undefined, to: undefined, all: undefined, ...range }, false)} />
          <span className="ml-auto" />
          <Button icon={following ? "pause" : "play"} aria-pressed={following} className={following ? "border-ok text-ok" : ""} onClick={() => go({ ...search, live: following ? undefined : true })}>
            {following ? "Pause" : "Live"}
          </Button>
          <ViewMenu search={search} onChange={(next) => go(next, false)} />
          <Button icon="download" onClick={() => setExporting(true)}>Export</Button>
        </div>
        <Bars
          label="Traces over time"
          starts={series.map((s) => s.start)}
          stepMs={(traffic.data?.step_s ?? 60) * 1_000}
          height={44}
          format={count}
          parts={[{ label: "traces, all", color: "var(--kind-agent)", values: series.map((s) => s.traces) }]}
          onRange={(from, to) => go({ ...search, range: undefined, all: undefined, from, to }, false)}
        />
      </div>
      <div className="flex min-h-0 flex-1">
        {facetsOpen && <div className="hidden w-56 shrink-0 border-r sm:block"><Facets facets={facets} filter={filter} onToggle={term} /></div>}
        <div className="relative min-w-0 flex-1">
          {waiting > 0 && (
            <button type="button" onClick={catchUp} className="absolute top-10 left-1/2 z-20 h-7 -translate-x-1/2 rounded-full bg-accent px-3 text-xs font-medium text-on-accent shadow-lg">
              {filter ? "Show what is new" : `Show ${count(waiting)} new or changed`}
            </button>
          )}
          {list.isPending ? (
            <Skeleton rows={14} />
          ) : list.error && !refused ? (
            <div className="p-4"><ErrorNote error={list.error} retry={() => void list.refetch()} /></div>
          ) : traces.length === 0 ? (
            <Empty icon="traces" title={refused ? "This filter does not read" : "No trace fits"}>
              {!refused && "Take away a term, or look at a longer time. "}
              {!search.all && (
                <button type="button" className="text-accent underline underline-offset-2" onClick={() => go({ ...search, range: undefined, from: undefined, to: undefined, all: true }, false)}>
                  Look at all times
                </button>
              )}
            </Empty>
          ) : (
            <TraceTable
              traces={traces}
              columns={columnsOf(search)}
              peek={search.peek}
              chosen={chosen}
              hasMore={list.hasNextPage}
              loading={list.isFetchingNextPage}
              scroller={scroller}
              onMore={more}
              onPeek={(id) => go({ ...search, peek: id })}
              onOpen={open}
              onTerm={term}
              onChoose={(id, on) =>
                setChosen((now) => {
                  const next = new Set(now);
                  if (on) next.add(id);
                  else next.delete(id);
                  return next;
                })
              }
            />
          )}
        </div>
        {peeked && (
          <>
            {pane.bar}
            <div style={pane.style} className="fixed inset-x-0 bottom-0 z-30 h-[70dvh] border-t shadow-2xl lg:static lg:z-auto lg:h-auto lg:w-(--pane) lg:shrink-0 lg:border-t-0 lg:shadow-none">
              <Peek trace={peeked} onStep={step} onClose={() => go({ ...search, peek: undefined })} />
            </div>
          </>
        )}
      </div>
      <footer className="flex h-7 items-center gap-3 border-t px-4 text-xs text-muted">
        <span className="num">{count(traces.length)}{list.hasNextPage ? "+" : ""}</span> traces
        {chosen.size > 0 && (
          <button type="button" className="inline-flex items-center gap-1 hover:text-ink" onClick={() => setChosen(new Set())}>
            <Icon name="close" size={11} /> {count(chosen.size)} selected
          </button>
        )}
        {chosen.size === 2 && (
          <a className="text-accent hover:underline" href={`/compare?a=${encodeURIComponent([...chosen][0] ?? "")}&b=${encodeURIComponent([...chosen][1] ?? "")}`}>Compare the two</a>
        )}
        <span className="ml-auto hidden sm:inline">J K step · Enter opens · / filters · ? all keys</span>
      </footer>
      {exporting && <ExportDialog chosen={traces.filter((t) => chosen.has(t.trace_id))} params={params} onClose={() => setExporting(false)} />}
    </div>
  );
}
