import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type ReactNode, useEffect } from "react";
import { live } from "../../api/live";
import { analyticsQuery, tracesQuery } from "../../api/queries";
import { Bars } from "../../charts/Bars";
import { Lines } from "../../charts/Lines";
import { Page } from "../../shell/Page";
import { count, duration, money, percent, short } from "../../ui/format";
import { COST_COLOR, COST_WORD, CostBadge } from "../../ui/marks";
import { ErrorNote, Panel, Skeleton } from "../../ui/notes";
import { FirstRun } from "../landing/FirstRun";
import { precisionQuery } from "../reviews/queries";
import { Breakdown, toSearch } from "./Breakdown";
import { Budgets } from "./Budgets";
import { ask, type RangeSearch } from "./fns/range";
import { beside } from "./fns/series";
import { RangePicker } from "./RangePicker";
import { TraceList } from "./TraceList";

const BEAT_MS = 5_000;

/** Is anything wrong? */
export function OverviewPage() {
  const search = useSearch({ strict: false }) as RangeSearch;
  const navigate = useNavigate();
  const queries = useQueryClient();
  const any = useQuery(tracesQuery("", 1));
  const empty = any.data?.data.length === 0;
  const sums = useQuery({ ...analyticsQuery({ ...ask(search), group_by: "cost_source" }), enabled: !empty });

  useEffect(() => {
    let stale = false;
    const stop = live.listen(() => { stale = true; });
    const timer = setInterval(() => {
      if (!stale) return;
      stale = false;
      void queries.invalidateQueries({ queryKey: ["analytics"] });
      void queries.invalidateQueries({ queryKey: ["traces", "few"] });
    }, BEAT_MS);
    return () => {
      stop();
      clearInterval(timer);
    };
  }, [queries]);

  if (any.isPending) return <Skeleton rows={10} />;
  if (empty) return <FirstRun />;
  const go = (next: RangeSearch) => void navigate({ to: "/", search: next as never });
  const it = sums.data;
  const series = it?.series ?? [];
  const starts = series.map((s) => s.start);
  const spent = (it?.groups ?? []).filter((g) => g.value && g.value !== "none" && Number(g.cost_nano_usd) > 0);
  const range = toSearch(search);
  return (
    <Page title="Overview" actions={<RangePicker search={search} onChange={go} />}>
      {sums.error ? <ErrorNote error={sums.error} retry={() => void sums.refetch()} /> : null}
      <div className="grid grid-cols-2 gap-px overflow-hidden rounded-md border bg-line sm:grid-cols-3 xl:grid-cols-6">
        <Figure label="Traces" to={range}>{it && short(it.totals.traces)}</Figure>
        <Figure label="Failed steps" to={{ ...range, filter: "errors > 0" }} hint={it && percent(it.totals.errors, it.totals.spans)} bad={(it?.totals.errors ?? 0) > 0}>{it && short(it.totals.errors)}</Figure>
        <Figure label="Median step" to={range} hint={it && `p95 ${duration(it.totals.latency_ms.p95)}`}>{it && duration(it.totals.latency_ms.p50)}</Figure>
        <Figure label="First token, p95" to={{ ...range, filter: "kind = llm" }} hint={it && `of ${short(it.totals.ttft_ms.count)} ${it.totals.ttft_ms.count === 1 ? "call" : "calls"}`}>{it && duration(it.totals.ttft_ms.p95)}</Figure>
        <Figure label="Tokens" to={{ ...range, filter: "tokens > 0" }} hint={it && `${short(it.totals.tokens_out)} out`}>{it && short(it.totals.tokens_total)}</Figure>
        <Figure label="Cost" to={{ ...range, filter: "cost > 0" }} hint={it && it.totals.cost_unknown_calls > 0 ? `${short(it.totals.cost_unknown_calls)} calls unknown` : "all calls known"}>{it && money(it.totals.cost_nano_usd)}</Figure>
      </div>
      <div className="grid gap-4 lg:grid-cols-2">
        <Panel title="Traffic" aside={<Key items={[["steps", "var(--kind-agent)"], ["failed", "var(--error)"]]} />}>
          <div className="p-3">
            <Bars label="Steps over time" starts={starts} stepMs={(it?.step_s ?? 60) * 1_000} height={120} format={count} onRange={(from, to) => go({ from, to })}
              parts={[{ label: "failed", color: "var(--error)", values: series.map((s) => s.errors) }, { label: "ok", color: "var(--kind-agent)", values: series.map((s) => s.spans - s.errors) }]} />
          </div>
        </Panel>
        <Panel title="How long steps take" aside={<Key items={[["p50", "var(--kind-retriever)"], ["p95", "var(--kind-tool)"], ["p99", "var(--kind-guardrail)"]]} />}>
          <div className="p-3">
            <Lines label="Duration of steps" starts={starts} stepMs={(it?.step_s ?? 60) * 1_000} format={duration}
              lines={[
                { label: "p50", color: "var(--kind-retriever)", values: series.map((s) => s.latency_ms.p50 ?? null) },
                { label: "p95", color: "var(--kind-tool)", values: series.map((s) => s.latency_ms.p95 ?? null), dashed: true },
                { label: "p99", color: "var(--kind-guardrail)", values: series.map((s) => s.latency_ms.p99 ?? null) },
              ]} />
          </div>
        </Panel>
        <Panel title="Tokens" aside={<Key items={[["in", "var(--kind-agent)"], ["out", "var(--kind-retriever)"]]} />}>
          <div className="p-3">
            <Bars label="Tokens over time" starts={starts} stepMs={(it?.step_s ?? 60) * 1_000} height={120} format={short} onRange={(from, to) => go({ from, to })}
              parts={[{ label: "out", color: "var(--kind-retriever)", values: series.map((s) => s.tokens_out) }, { label: "in", color: "var(--kind-agent)", values: series.map((s) => s.tokens_in) }]} />
          </div>
        </Panel>
        <Panel title="Cost" aside={<span className="flex gap-2">{spent.map((g) => (
          <Link key={g.value} to="/traces" search={{ ...range, filter: `cost_source = ${g.value}` } as never} className="inline-flex items-center gap-1 text-xs"><CostBadge source={g.value ?? "none"} /><span className="num">{money(g.cost_nano_usd)}</span></Link>
        ))}</span>}>
          <div className="p-3">
            <Bars label="Cost over time" starts={starts} stepMs={(it?.step_s ?? 60) * 1_000} height={120} format={(usd) => money(usd * 1e9)} onRange={(from, to) => go({ from, to })}
              parts={spent.map((g) => ({ label: COST_WORD[g.value ?? ""] ?? String(g.value), color: COST_COLOR[g.value ?? ""] ?? "var(--muted)", values: beside(starts, g.series, (s) => s.cost_usd) }))} />
          </div>
        </Panel>
        <Breakdown title="Cost by model" by="model" search={search} />
        <Breakdown title="Cost by agent" by="agent" search={search} />
        <Breakdown title="Cost by user" by="user" search={search} />
        <Breakdown title="Verdicts" by="verdict" measure="spans" search={search} />
        <Budgets />
        <Judged />
        <TraceList title="Failed lately" filter="status = error" empty="Nothing has failed." />
        <TraceList title="Found by rules lately" filter="findings > 0" empty="No rule has found anything." />
      </div>
    </Page>
  );
}

const JUDGED = 7;

/** What people decided, and what the rules asked of them. */
function Judged() {
  const answer = useQuery({ ...precisionQuery, retry: false });
  const rules = [...(answer.data ?? [])].sort((a, b) => b.waiting - a.waiting || b.asked - a.asked).slice(0, JUDGED);
  return (
    <Panel title="Reviews by rule" aside={<Link to="/reviews" className="text-xs text-accent hover:underline">The queue</Link>}>
      {answer.error ? <div className="p-3"><ErrorNote error={answer.error} retry={() => void answer.refetch()} /></div> : !answer.data ? <Skeleton rows={4} height={28} /> : rules.length === 0 ? <p className="p-4 text-sm text-muted">No rule has asked anybody yet.</p> : (
        <div className="relative overflow-x-auto">
          <table className="w-full text-sm">
            <thead className="text-xs text-muted"><tr><th className="px-3 py-1.5 text-left font-normal">Rule</th>{["Asked", "Waiting", "Expired", "Right"].map((head) => <th key={head} className="px-3 text-right font-normal">{head}</th>)}</tr></thead>
            <tbody>
              {rules.map((it) => (
                <tr key={it.policy + it.rule} className="border-t">
                  <td className="max-w-56 truncate px-3 py-1.5 num"><Link to="/reviews" search={{ rule: it.rule } as never} className="hover:underline">{it.policy}/{it.rule}</Link></td>
                  <td className="px-3 text-right tnum">{count(it.asked)}</td><td className="px-3 text-right tnum">{count(it.waiting)}</td><td className="px-3 text-right tnum">{count(it.expired)}</td>
                  <td className="px-3 text-right tnum" title="Of what reviewers told">{it.precision === null ? "–" : percent(it.right, it.right + it.wrong)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

function Figure({ label, hint, bad, to, children }: { label: string; hint?: ReactNode; bad?: boolean; to: object; children: ReactNode }) {
  return (
    <Link to="/traces" search={to as never} className="block min-h-20 bg-surface px-4 py-3 hover:bg-hover">
      <span className="block text-xs text-muted">{label}</span>
      <span className={`mt-0.5 block text-xl tracking-tight tnum ${bad ? "text-error" : ""}`}>{children ?? "–"}</span>
      <span className="block text-xs text-muted tnum">{hint || "\u00a0"}</span>
    </Link>
  );
}

function Key({ items }: { items: [string, string][] }) {
  return (
    <span className="flex gap-3 text-xs text-muted">
      {items.map(([label, color]) => <span key={label} className="inline-flex items-center gap-1"><span className="size-2 rounded-sm" style={{ background: color }} />{label}</span>)}
    </span>
  );
}
