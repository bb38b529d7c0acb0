import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { analyticsQuery } from "../../api/queries";
import { duration, money, percent, short } from "../../ui/format";
import { ErrorNote, Panel, Skeleton } from "../../ui/notes";
import { behind } from "./fns/behind";
import { ask, listRange, type RangeSearch } from "./fns/range";

interface Props {
  title: string;
  by: string;
  search: RangeSearch;
  /** Rows; more stand in the answer as "others". */
  most?: number;
  /** What orders and fills the bars. */
  measure?: "cost" | "spans" | "errors";
  full?: boolean;
}

const WORD: Record<string, string> = { kind: "Kind of step", verdict: "Verdict", tool: "Tool" };
/** What a row of steps without a value is called: most steps call no tool, and that is no gap. */
const NONE: Record<string, string> = { tool: "no tool", model: "no model", agent: "none named", user: "none named", environment: "none named" };

const WITHOUT: Record<string, string> = { agent: "Steps of no agent: neither they nor a step above them names one", user: "Steps of traces that name no user" };

/** A table of sums by one dimension; every row leads to the traces behind it. */
export function Breakdown({ title, by, search, most = 6, measure = "cost", full = false }: Props) {
  const answer = useQuery(analyticsQuery({ ...ask(search), group_by: by, groups: full ? 100 : 20 }));
  const value = (it: { cost_usd: number; spans: number; errors: number }) => (measure === "cost" ? it.cost_usd : it[measure]);
  const groups = [...(answer.data?.groups ?? [])].filter((g) => full || value(g) > 0 || measure === "cost").sort((a, b) => value(b) - value(a)).slice(0, most);
  const top = Math.max(1e-12, ...groups.map(value));
  return (
    <Panel title={title}>
      {answer.error ? (
        <div className="p-3"><ErrorNote error={answer.error} retry={() => void answer.refetch()} /></div>
      ) : answer.isPending ? (
        <Skeleton rows={most > 6 ? 8 : 5} height={28} />
      ) : groups.length === 0 ? (
        <p className="p-4 text-sm text-muted">Nothing in this time.</p>
      ) : (
        <div className="overflow-x-auto">
          <table className="w-full text-sm">
            <thead className="text-xs text-muted">
              <tr>
                <th className="px-3 py-1.5 text-left font-normal">{WORD[by] ?? by.replace(/^./, (c) => c.toUpperCase())}</th>
                <th className="px-2 text-right font-normal">Steps</th>
                <th className="px-2 text-right font-normal">Failed</th>
                <th className="px-2 text-right font-normal max-sm:hidden">p95</th>
                <th className="px-2 text-right font-normal">Tokens</th>
                <th className="px-3 text-right font-normal">Cost</th>
              </tr>
            </thead>
            <tbody>
              {groups.map((group) => {
                const link = behind(by, group.value);
                return (
                  <tr key={group.value ?? "\u0000"} className="relative border-t hover:bg-hover">
                    <td className="relative z-0 max-w-28 truncate px-3 py-1.5 sm:max-w-48">
                      <span aria-hidden="true" className="absolute inset-y-1 left-0 -z-10 rounded-r bg-selected" style={{ width: `${(value(group) / top) * 100}%` }} />
                      <Link to="/traces" search={{ filter: link, ...toSearch(search) } as never} className="relative hover:underline" title={group.value ?? WITHOUT[by] ?? `Steps that name no ${by} themselves`}>
                        {group.value ?? <span className="text-muted">{NONE[by] ?? "none"}</span>}
                      </Link>
                    </td>
                    <td className="px-2 text-right num">{short(group.spans)}</td>
                    <td className="px-2 text-right num">{group.errors > 0 ? <Link to="/traces" search={{ filter: `${link} errors > 0`.trim(), ...toSearch(search) } as never} className="text-error hover:underline">{percent(group.errors, group.spans)}</Link> : <span className="text-muted">0</span>}</td>
                    <td className="px-2 text-right num max-sm:hidden">{duration(group.latency_ms.p95)}</td>
                    <td className="px-2 text-right num">{short(group.tokens_total)}</td>
                    <td className="px-3 text-right num">{money(group.cost_nano_usd)}{group.cost_unknown_calls > 0 && <span className="text-muted" title={`${group.cost_unknown_calls} calls of unknown cost`}> +?</span>}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

/** The range as the explorer's address has it. */
export const toSearch = (search: RangeSearch): RangeSearch => {
  const range = listRange(search);
  return search.from ? { from: range.from, to: range.to } : { range: search.range ?? "24h" };
};
