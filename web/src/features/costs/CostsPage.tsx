import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { analyticsQuery } from "../../api/queries";
import { Bars } from "../../charts/Bars";
import { Page } from "../../shell/Page";
import { money, percent, short } from "../../ui/format";
import { COST_COLOR, COST_WORD, CostBadge } from "../../ui/marks";
import { ErrorNote, Panel } from "../../ui/notes";
import { Breakdown, toSearch } from "../overview/Breakdown";
import { ask, bounds, type RangeSearch } from "../overview/fns/range";
import { beside } from "../overview/fns/series";
import { RangePicker } from "../overview/RangePicker";

/** What was spent, by whom, and how well that is known. */
export function CostsPage() {
  const search = useSearch({ strict: false }) as RangeSearch;
  const navigate = useNavigate();
  const go = (next: RangeSearch) => void navigate({ to: "/costs", search: next as never });
  const sums = useQuery(analyticsQuery({ ...ask(search), group_by: "cost_source" }));
  const it = sums.data;
  const [from, to] = bounds(search);
  const perDay = it ? (Number(it.totals.cost_nano_usd) / Math.max(1, to - from)) * 86_400_000 : 0;
  const groups = (it?.groups ?? []).filter((g) => g.value && Number(g.cost_nano_usd) > 0);
  const starts = it?.series.map((s) => s.start) ?? [];
  return (
    <Page title="Costs" actions={<RangePicker search={search} onChange={go} />}>
      {sums.error ? <ErrorNote error={sums.error} retry={() => void sums.refetch()} /> : null}
      <Panel title={<span className="inline-flex flex-wrap items-baseline gap-x-3"><span className="text-xl num">{it ? money(it.totals.cost_nano_usd) : "–"}</span><span className="text-sm font-normal text-muted">{money(Math.round(perDay))} a day, {money(Math.round(perDay * 30))} in thirty days at this rate</span></span>}>
        <div className="space-y-3 p-3">
          <Bars label="Cost over time" starts={starts} stepMs={(it?.step_s ?? 60) * 1_000} height={140} format={(usd) => money(usd * 1e9)} onRange={(a, b) => go({ from: a, to: b })}
            parts={groups.map((g) => ({ label: COST_WORD[g.value ?? ""] ?? String(g.value), color: COST_COLOR[g.value ?? ""] ?? "var(--muted)", values: beside(starts, g.series, (s) => s.cost_usd) }))} />
          <ul className="flex flex-wrap gap-x-6 gap-y-1 text-sm">
            {groups.map((g) => (
              <li key={g.value}>
                <Link to="/traces" search={{ ...toSearch(search), filter: `cost_source = ${g.value}` } as never} className="inline-flex items-center gap-2 hover:underline">
                  <CostBadge source={g.value ?? "none"} /><span className="num">{money(g.cost_nano_usd)}</span><span className="num text-muted">{percent(Number(g.cost_nano_usd), Number(it?.totals.cost_nano_usd ?? 0))}</span>
                </Link>
              </li>
            ))}
            {it && it.totals.cost_unknown_calls > 0 && <li className="inline-flex items-center gap-2"><CostBadge source="none" /><span className="num">{short(it.totals.cost_unknown_calls)}</span> calls are in no sum</li>}
          </ul>
        </div>
      </Panel>
      <div className="grid gap-4 lg:grid-cols-2">
        <Breakdown title="Cost by model" by="model" search={search} most={12} />
        <Breakdown title="Cost by agent" by="agent" search={search} most={12} />
        <Breakdown title="Cost by user" by="user" search={search} most={12} />
        <Breakdown title="Cost by environment" by="environment" search={search} most={12} />
      </div>
    </Page>
  );
}
