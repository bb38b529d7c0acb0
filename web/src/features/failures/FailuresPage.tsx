import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { analyticsQuery } from "../../api/queries";
import { Bars } from "../../charts/Bars";
import { Page } from "../../shell/Page";
import { count, percent } from "../../ui/format";
import { Panel } from "../../ui/notes";
import { Breakdown } from "../overview/Breakdown";
import { ask, type RangeSearch } from "../overview/fns/range";
import { RangePicker } from "../overview/RangePicker";
import { TraceList } from "../overview/TraceList";

/** What goes wrong, and where. */
export function FailuresPage() {
  const search = useSearch({ strict: false }) as RangeSearch;
  const navigate = useNavigate();
  const go = (next: RangeSearch) => void navigate({ to: "/failures", search: next as never });
  const it = useQuery(analyticsQuery(ask(search))).data;
  return (
    <Page title="Failures" lead={it && `${count(it.totals.errors)} of ${count(it.totals.spans)} steps failed (${percent(it.totals.errors, it.totals.spans)})`} actions={<RangePicker search={search} onChange={go} />}>
      <Panel title="Failed steps">
        <div className="p-3">
          <Bars label="Failed steps over time" starts={it?.series.map((s) => s.start) ?? []} stepMs={(it?.step_s ?? 60) * 1_000} height={110} format={count} onRange={(from, to) => go({ from, to })}
            parts={[{ label: "failed", color: "var(--error)", values: it?.series.map((s) => s.errors) ?? [] }]} />
        </div>
      </Panel>
      <div className="grid gap-4 lg:grid-cols-2">
        <Breakdown title="Failures by tool" by="tool" measure="errors" search={search} />
        <Breakdown title="Failures by agent" by="agent" measure="errors" search={search} />
        <Breakdown title="Failures by model" by="model" measure="errors" search={search} />
        <Breakdown title="Failures by kind" by="kind" measure="errors" search={search} />
      </div>
      <TraceList title="Traces that failed" filter="status = error" limit={20} empty="Nothing has failed." />
      <TraceList title="Ended without a word" filter="status = incomplete" limit={10} empty="Every trace that started was heard of again." />
    </Page>
  );
}
