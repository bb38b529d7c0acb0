import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { Button, Field, Segments } from "../../ui/controls";
import { Dialog } from "../../ui/Dialog";
import { count, duration, money, percent } from "../../ui/format";
import { Icon } from "../../ui/Icon";
import { type Job, type ReplayResult, sumOf } from "./fns/job";
import { Progress, Spend } from "./Spend";
import { useJob } from "./useJobs";

interface Props {
  traceId: string;
  /** The chosen step, from which it may be run. */
  span: string | undefined;
  onClose: () => void;
}

/** Runs the trace again: what is to be different, what it would take, how far it is, what came of it. */
export function ReplayDialog({ traceId, span, onClose }: Props) {
  const [model, setModel] = useState("");
  const [temperature, setTemperature] = useState("");
  const [system, setSystem] = useState("");
  const [prompt, setPrompt] = useState("");
  const [repeats, setRepeats] = useState("1");
  const [tools, setTools] = useState<"captured" | "skip">("captured");
  const [fromHere, setFromHere] = useState(false);
  const [id, setId] = useState<string | null>(null);
  const job = useJob(id);
  const wanted = {
    tools,
    repeats: Number(repeats) || 1,
    ...(model.trim() ? { model: model.trim() } : {}),
    ...(temperature.trim() ? { temperature: Number(temperature) } : {}),
    ...(system.trim() ? { system } : {}),
    ...(prompt.trim() ? { prompt } : {}),
    ...(fromHere && span ? { from: span } : {}),
  };
  return (
    <Dialog title="Replay" onClose={onClose} width="42rem">
      {job ? (
        <Outcome traceId={traceId} job={job} onAgain={() => setId(null)} />
      ) : (
        <div className="space-y-3">
          <p className="text-sm text-muted">Model calls are made again with their captured messages. The original stays as it is; the result is a new trace.</p>
          <div className="grid gap-3 sm:grid-cols-3">
            <Field label="Model" placeholder="as captured" value={model} onChange={(event) => setModel(event.target.value)} />
            <Field label="Temperature" type="number" min="0" max="10" step="0.1" placeholder="as captured" value={temperature} onChange={(event) => setTemperature(event.target.value)} />
            <Field label="Repeats" type="number" min="1" max="50" value={repeats} onChange={(event) => setRepeats(event.target.value)} />
          </div>
          <Area label="System prompt" value={system} onChange={setSystem} />
          <Area label="First user message" value={prompt} onChange={setPrompt} />
          <div className="flex flex-wrap items-center gap-4 text-sm">
            <span className="flex items-center gap-2"><span id="tools">Tools</span><Segments label="Tools" value={tools} onChange={setTools} options={[{ value: "captured", label: "Captured results" }, { value: "skip", label: "Left out" }]} /></span>
            {span && <label className="flex items-center gap-2"><input type="checkbox" checked={fromHere} onChange={(event) => setFromHere(event.target.checked)} />From the chosen step on</label>}
          </div>
          <Spend traceId={traceId} kind="replays" wanted={wanted} verb="Run again" onStart={(started: Job) => setId(started.job_id)} />
        </div>
      )}
    </Dialog>
  );
}

function Area({ label, value, onChange }: { label: string; value: string; onChange: (text: string) => void }) {
  return (
    <label className="block"><span className="mb-1 block text-sm font-medium">{label}</span><textarea rows={2} placeholder="as captured" value={value} onChange={(event) => onChange(event.target.value)} className="control w-full py-1.5" /></label>
  );
}

function Outcome({ traceId, job, onAgain }: { traceId: string; job: Job; onAgain: () => void }) {
  const result = job.result as ReplayResult | null;
  return (
    <Progress job={job}>
      {result && (
        <>
          <table className="w-full text-sm">
            <caption className="sr-only">Repeats beside the original</caption>
            <thead className="text-left text-xs text-muted"><tr><th className="font-normal">Repeat</th><th className="font-normal">Alike</th><th className="font-normal">Time</th><th className="font-normal">Output tokens</th><th className="font-normal">Cost</th><th><span className="sr-only">See</span></th></tr></thead>
            <tbody>
              {result.replays.map((replay, i) => {
                const [steps, mean] = [replay.steps, replay.steps.reduce((sum, step) => sum + step.similarity, 0) / Math.max(1, replay.steps.length)];
                const pair = (pick: Parameters<typeof sumOf>[1], show: (n: number | null) => string) => <span className="num">{show(sumOf(steps, pick, 0))} → {show(sumOf(steps, pick, 1))}</span>;
                return (
                  <tr key={replay.trace_id} className="border-t align-top">
                    <td className="py-1.5">{i + 1}</td>
                    <td className="num">{percent(mean, 1)}{steps.some((step) => step.diverged) && <span className="block text-xs text-warn">other tools</span>}</td>
                    <td>{pair((step) => step.latency_ms, duration)}</td>
                    <td>{pair((step) => step.tokens_out, (n) => (n === null ? "–" : count(n)))}</td>
                    <td>{pair((step) => step.cost_nano_usd, money)}</td>
                    <td className="space-x-2 text-right whitespace-nowrap">
                      <Link className="text-accent underline" to="/traces/$traceId" params={{ traceId: replay.trace_id }}>New trace</Link>
                      <Link className="text-accent underline" to="/compare" search={{ a: traceId, b: replay.trace_id } as never}>Compare</Link>
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
          {result.replays.length > 1 && <p>Determinism <b className="num">{result.determinism.toFixed(3)}</b>: <span className="num">{result.distinct_answers}</span> different answers in <span className="num">{result.replays.length}</span> repeats.</p>}
        </>
      )}
      {job.state !== "running" && <Button small onClick={onAgain}><Icon name="play" size={13} />Once more</Button>}
    </Progress>
  );
}
