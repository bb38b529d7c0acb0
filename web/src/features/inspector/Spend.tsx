/** What a job would take and may take, and how far it is: shared by replays and ablations. */
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { Button, Field } from "../../ui/controls";
import { count, duration, money, short } from "../../ui/format";
import { ErrorNote } from "../../ui/notes";
import { type Job, usualCap } from "./fns/job";
import { estimateQuery, type JobKind, providerQuery, useCancel, useStart } from "./useJobs";

const PAUSE_MS = 300;

interface SpendProps {
  traceId: string;
  kind: JobKind;
  wanted: object;
  verb: string;
  onStart: (job: Job) => void;
}

/** Estimate, cap, and the button that begins. */
export function Spend({ traceId, kind, wanted, verb, onStart }: SpendProps) {
  const text = JSON.stringify(wanted);
  const settled = useSettled(text);
  const provider = useQuery(providerQuery).data;
  const estimate = useQuery(estimateQuery(traceId, kind, JSON.parse(settled)));
  const start = useStart(traceId, kind);
  const [cap, setCap] = useState<string | null>(null);
  const [uncapped, setUncapped] = useState(false);
  const it = estimate.data;
  const unknown = it !== undefined && it.cost_nano_usd === null;
  const shown = cap ?? usualCap(it?.budget_nano_usd ?? null);
  const ready = it !== undefined && settled === text && !start.isPending && (unknown ? uncapped || shown !== "" : shown !== "");
  const begin = () =>
    start.mutate({ ...wanted, ...(unknown && uncapped ? { uncapped: true } : { budget_usd: Number(shown) }) }, { onSuccess: onStart });
  return (
    <div className="space-y-3 border-t pt-3">
      {provider?.missing && <p className="rounded-md bg-warn-soft p-2.5 text-sm" role="note">{provider.missing}</p>}
      {estimate.error && !provider?.missing ? <ErrorNote error={estimate.error} /> : null}
      {it && (
        <div role="status" className="text-sm">
          <p>
            Takes <b className="num">{count(it.calls)}</b> model calls{it.causes !== null && <> for <b className="num">{it.causes}</b> causes</>}, about <span className="num">{short(it.tokens_in)}</span> input and <span className="num">{short(it.tokens_out)}</span> output tokens, <b className="num">{unknown ? "an unknown amount" : money(it.cost_nano_usd)}</b> and <span className="num">{duration(it.duration_ms)}</span>.
          </p>
          {provider?.provider && <p className="text-muted">Calls go to {provider.provider}, with the key of {provider.source === "workspace" ? "this workspace" : "the server's environment"}.</p>}
          {it.redacted_inputs && <p className="text-warn">Inputs were redacted before they were stored; answers may differ for that.</p>}
        </div>
      )}
      <div className="flex flex-wrap items-end gap-3">
        <Field label="Spend at most, USD" type="number" min="0" step="0.01" required={!uncapped} disabled={unknown && uncapped} value={shown} onChange={(event) => setCap(event.target.value)} className="w-40" />
        {unknown && (
          <label className="flex h-9 items-center gap-2 text-sm"><input type="checkbox" checked={uncapped} onChange={(event) => setUncapped(event.target.checked)} />No cap: the price of a model is not known</label>
        )}
        <Button look="main" icon="play" disabled={!ready} onClick={begin}>{verb}</Button>
      </div>
      {start.error ? <ErrorNote error={start.error} /> : null}
    </div>
  );
}

/** A job under way or over: progress, cancel, and what ended it. */
export function Progress({ job, children }: { job: Job; children?: ReactNode }) {
  const cancel = useCancel();
  const { done, all, spent_nano_usd: spent } = job.progress;
  const noun = job.kind === "replay" ? "Replay" : "Ablation";
  return (
    <div className="space-y-2 text-sm" aria-live="polite">
      {job.state === "running" && (
        <>
          <progress className="h-2 w-full accent-[var(--accent)]" max={Math.max(all, 1)} value={done} aria-label={`${noun}: how far`} />
          <div className="flex items-center gap-3">
            <span className="num text-muted">{count(done)} of {count(all)}{spent !== null && <> · {money(spent)} spent</>}</span>
            <Button small look="danger" icon="close" disabled={cancel.isPending} onClick={() => cancel.mutate(job.job_id)}>Cancel</Button>
          </div>
        </>
      )}
      {job.error && <p className={`isolate-text rounded-md p-2.5 ${job.state === "cancelled" ? "bg-sunken" : "bg-error-soft"}`}><b>{noun} {job.state}.</b> {job.error.message} <span className="num text-muted">{job.error.code}</span></p>}
      {children}
    </div>
  );
}

function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
