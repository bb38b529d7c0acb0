import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "../../api/client";
import { analyticsQuery } from "../../api/queries";
import { Button, Segments } from "../../ui/controls";
import { count, ends, money } from "../../ui/format";
import { ErrorNote } from "../../ui/notes";
import { type Simulated, type Simulation, simulationQuery } from "./queries";

const BACK = ["-1d", "-7d", "-30d", "-90d"] as const;
const BACK_LABEL = { "-1d": "1 day", "-7d": "7 days", "-30d": "30 days", "-90d": "90 days" };

/** What a file would have said of what is recorded. Nothing is changed by it. */
export function Simulate({ name, text, shadow }: { name: string; text: string; shadow: boolean }) {
  const [from, setFrom] = useState<(typeof BACK)[number]>("-30d");
  const total = useQuery(analyticsQuery({ from })).data?.totals.traces;
  const start = useMutation({
    mutationFn: async () =>
      (await api.post<{ data: Simulation }>("/api/v1/govern/simulations", { name, text, from })).data,
  });
  const id = start.data?.id;
  const state = useQuery({ ...simulationQuery(id ?? ""), enabled: id !== undefined });
  const cancel = useMutation({
    mutationFn: () => api.delete(`/api/v1/govern/simulations/${id}`),
    onSettled: () => state.refetch(),
  });
  const it = id ? (state.data ?? start.data) : undefined;
  const running = it?.state === "running";
  const whole = Math.max(total ?? 0, it?.known ?? 0);
  return (
    <div className="space-y-4 text-sm">
      <p className="max-w-[72ch] text-muted">
        History is judged twice: by the rules in force, and with this text in the place of its file. What
        differs is shown by rule.
        {shadow && " This policy is in shadow mode: it counts what it says, and does nothing."}
      </p>
      <div className="flex flex-wrap items-center gap-3">
        <Segments
          label="How far back"
          value={from}
          options={BACK.map((value) => ({ value, label: BACK_LABEL[value] }))}
          onChange={setFrom}
        />
        <Button look="main" icon="play" disabled={running || start.isPending} onClick={() => start.mutate()}>
          Simulate
        </Button>
        {total !== undefined && !it && <span className="text-muted">about {count(total)} traces</span>}
      </div>
      {start.error ? <ErrorNote error={start.error} /> : null}
      {state.error ? <ErrorNote error={state.error} retry={() => void state.refetch()} /> : null}
      {running && it && (
        <div className="flex items-center gap-3">
          <progress
            className="h-2 min-w-0 flex-1 accent-accent"
            aria-label="Traces looked at"
            value={whole > 0 ? it.traces : undefined}
            max={whole || 1}
          />
          <span className="tnum text-muted">
            {count(it.traces)} of {count(whole)} traces
          </span>
          <Button small disabled={cancel.isPending} onClick={() => cancel.mutate()}>
            Cancel
          </Button>
        </div>
      )}
      {it?.state === "cancelled" && <p role="status">Cancelled after {count(it.traces)} traces.</p>}
      {it?.state === "failed" && <ErrorNote error={new Error(it.error ?? "It failed.")} />}
      {it?.result && <Result it={it.result} />}
    </div>
  );
}

function Result({ it }: { it: Simulated }) {
  const rules = it.rules.filter((rule) => rule.newly > 0 || rule.no_longer > 0);
  return (
    <div role="status" className="space-y-4">
      <p className="text-base">
        <span className="font-medium">
          {it.changed === 0 ? "Nothing would change" : `${count(it.changed)} decisions would change`}
        </span>{" "}
        in {count(it.spans)} steps of {count(it.traces)} traces.
      </p>
      <dl className="grid gap-px overflow-hidden rounded-md border bg-line sm:grid-cols-3">
        <Sum label="Reviews">
          {count(it.reviews[0])} now, {count(it.reviews[1])} then
        </Sum>
        <Sum label="More of reviewers' time">{Math.round(it.reviewer_minutes)} min</Sum>
        <Sum label="Cost of calls it would stop">{money(it.cost_stopped_nano_usd)}</Sum>
      </dl>
      {rules.length > 0 && (
        <div className="overflow-x-auto rounded-md border">
          <table className="w-full">
            <caption className="sr-only">By rule</caption>
            <thead className="text-left text-xs text-muted">
              <tr>
                {["Rule", "Now", "Then", "Newly", "No longer", "Such as"].map((head) => (
                  <th key={head} className="px-3 py-1.5 font-normal">
                    {head}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rules.map((rule) => (
                <tr key={rule.policy + rule.rule} className="border-t">
                  <td className="px-3 py-1.5 num">
                    {rule.policy}/{rule.rule}
                  </td>
                  <td className="px-3 tnum">{count(rule.now)}</td>
                  <td className="px-3 tnum">{count(rule.then)}</td>
                  <td className="px-3 tnum">{rule.newly > 0 ? `+${count(rule.newly)}` : "–"}</td>
                  <td className="px-3 tnum">{rule.no_longer > 0 ? `−${count(rule.no_longer)}` : "–"}</td>
                  <td className="px-3">
                    {rule.samples.slice(0, 2).map((sample) => (
                      <Link
                        key={sample.trace_id + sample.span_id}
                        to="/traces/$traceId"
                        params={{ traceId: sample.trace_id }}
                        search={{ view: "governance", span: sample.span_id ?? undefined } as never}
                        className="mr-2 num text-accent hover:underline"
                      >
                        {ends(sample.trace_id, 6)}
                      </Link>
                    ))}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <div className="overflow-x-auto rounded-md border">
        <table className="w-full">
          <caption className="sr-only">By strongest action</caption>
          <thead className="text-left text-xs text-muted">
            <tr>
              {["Strongest action", "Now", "Then"].map((head) => (
                <th key={head} className="px-3 py-1.5 font-normal">
                  {head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {Object.entries(it.actions).map(([action, [now, then]]) => (
              <tr key={action} className="border-t">
                <td className="px-3 py-1.5">{action}</td>
                <td className="px-3 tnum">{count(now)}</td>
                <td className={`px-3 tnum ${now === then ? "" : "font-medium"}`}>{count(then)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {it.not_reevaluable > 0 && it.rules_that_read_text.length > 0 && (
        <p className="text-muted">
          {count(it.not_reevaluable)} steps were redacted since; rules that read text may miss something in
          them: {it.rules_that_read_text.join(", ")}.
        </p>
      )}
      {it.drifted > 0 && (
        <p className="text-muted">
          {count(it.drifted)} steps were recorded under other rules than those in force.
        </p>
      )}
    </div>
  );
}

function Sum({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <div className="bg-surface px-3 py-2">
      <dt className="text-xs text-muted">{label}</dt>
      <dd className="tnum">{children}</dd>
    </div>
  );
}
