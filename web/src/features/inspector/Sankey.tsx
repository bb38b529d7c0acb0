import { useQuery } from "@tanstack/react-query";
import { useMemo, useRef, useState } from "react";
import { meQuery } from "../../api/queries";
import { Button, Field } from "../../ui/controls";
import { Dialog } from "../../ui/Dialog";
import { count, ends, exact, money } from "../../ui/format";
import { Empty, ErrorNote, Skeleton } from "../../ui/notes";
import { useWidth } from "../../ui/useWidth";
import { type Ablation, boxTone, type Effect, type Job, KIND_WORDS } from "./fns/job";
import { layOut } from "./fns/sankey";
import { Progress, Spend } from "./Spend";
import { jobsQuery, useJob } from "./useJobs";

interface Props {
  traceId: string;
  /** The model call in question; the one that gave the final answer unless given. */
  target: string | undefined;
  nameOf: (span: string) => string | undefined;
  onTarget: (id: string | undefined) => void;
  onSelect: (id: string) => void;
}

/** What an answer depends on. */
export function Sankey({ traceId, target, nameOf, onTarget, onSelect }: Props) {
  const jobs = useQuery(jobsQuery(traceId, "ablations"));
  const may = useQuery(meQuery).data?.scopes.includes("replay") ?? false;
  const [chosen, setChosen] = useState<string | null>(null);
  const [asking, setAsking] = useState(false);
  // One of another call is no answer to this question.
  const fitting = (jobs.data ?? []).filter((job) => target === undefined || job.target === target);
  const id = chosen ?? fitting[0]?.job_id ?? null;
  const job = useJob(id);
  if (jobs.error) return <div className="p-4"><ErrorNote error={jobs.error} retry={() => void jobs.refetch()} /></div>;
  if (!jobs.data) return <Skeleton rows={8} />;
  const found = job?.result as Ablation | null | undefined;
  const asked = target ?? job?.target;
  const subject = asked ? `the call “${nameOf(asked) ?? ends(asked)}”` : "the final answer";
  return (
    <section className="h-full space-y-4 overflow-auto p-3 md:p-4" tabIndex={0} aria-label="What the answer depends on">
      <div className="flex flex-wrap items-center gap-2">
        <p className="min-w-0 flex-1 text-sm text-muted">What {subject} depends on{target && <> · <button type="button" className="text-accent underline" onClick={() => { setChosen(null); onTarget(undefined); }}>the final answer instead</button></>}</p>
        {fitting.length > 0 && (
          <label className="flex items-center gap-2 text-sm"><span className="sr-only">Ablation</span>
            <select className="control h-8" value={id ?? ""} onChange={(event) => setChosen(event.target.value)}>
              {fitting.map((it) => <option key={it.job_id} value={it.job_id}>{exact(it.started_at)} · {it.state}</option>)}
              {id && !fitting.some((it) => it.job_id === id) && <option value={id}>{ends(id)}</option>}
            </select>
          </label>
        )}
        {may && <Button look="main" icon="play" onClick={() => setAsking(true)}>Run Ablation</Button>}
      </div>
      {job && <Progress job={job}>{job.resumable && may && <Resume traceId={traceId} job={job} onStart={(next) => setChosen(next.job_id)} />}</Progress>}
      {found && <Found found={found} onSelect={onSelect} />}
      {!job && (
        <Empty icon="evaluator" title="No ablation yet">
          Every input of {subject} is taken away alone and what follows is generated again. {may ? "Run Ablation says first what that takes." : "Somebody with the scope replay can run one."}
        </Empty>
      )}
      {asking && <Ask traceId={traceId} target={target} subject={subject} onClose={() => setAsking(false)} onStart={(next) => { setAsking(false); setChosen(next.job_id); }} />}
    </section>
  );
}

type Measure = "words" | "embedding" | "judge";

/** How the change of an answer can be measured, and the field of the request that asks for it. */
const MEASURES: Record<Measure, { label: string; key: string; example: string }> = {
  words: { label: "Their words", key: "", example: "" },
  embedding: { label: "Embedding model", key: "embedding_model", example: "text-embedding-3-small" },
  judge: { label: "Judging model", key: "judge_model", example: "gpt-4o-mini" },
};

function Ask({ traceId, target, subject, onClose, onStart }: { traceId: string; target: string | undefined; subject: string; onClose: () => void; onStart: (job: Job) => void }) {
  const [repeats, setRepeats] = useState("5");
  const [orders, setOrders] = useState("0");
  const [explain, setExplain] = useState(false);
  const [measure, setMeasure] = useState<Measure>("words");
  const [model, setModel] = useState("");
  const named = measure === "words" || model.trim() !== "";
  const compare = measure === "words" ? {} : { [MEASURES[measure].key]: model.trim() };
  const wanted = { repeats: Number(repeats) || 0, orders: Number(orders) || 0, explain, ...compare, ...(target ? { target } : {}) };
  return (
    <Dialog title="Run Ablation" onClose={onClose} width="38rem">
      <div className="space-y-3">
        <p className="text-sm text-muted">Every input of {subject} is taken away alone; what follows from it is generated again and compared with unchanged repeats.</p>
        <div className="grid gap-3 sm:grid-cols-2">
          <Field label="Repeats of every variant" type="number" min="2" max="50" value={repeats} onChange={(event) => setRepeats(event.target.value)} hint="More repeats, narrower intervals" />
          <Field label="Random orders" type="number" min="0" max="50" value={orders} onChange={(event) => setOrders(event.target.value)} hint="For Shapley values, where inputs overlap" />
          <label className="block text-sm"><span className="mb-1 block font-medium">Compare answers by</span>
            <select className="control h-9 w-full" value={measure} onChange={(event) => setMeasure(event.target.value as Measure)}>
              {Object.entries(MEASURES).map(([key, it]) => <option key={key} value={key}>{it.label}</option>)}
            </select>
          </label>
          {measure !== "words" && <Field label={MEASURES[measure].label} required value={model} placeholder={MEASURES[measure].example} onChange={(event) => setModel(event.target.value)} hint="Its calls are part of the estimate" />}
        </div>
        <label className="flex items-center gap-2 text-sm"><input type="checkbox" checked={explain} onChange={(event) => setExplain(event.target.checked)} />Have the model put the findings into words</label>
        {named && <Spend traceId={traceId} kind="ablations" wanted={wanted} verb="Start" onStart={onStart} />}
      </div>
    </Dialog>
  );
}

function Resume({ traceId, job, onStart }: { traceId: string; job: Job; onStart: (job: Job) => void }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button small icon="play" onClick={() => setOpen(true)}>Go on where it stopped</Button>
      {open && (
        <Dialog title="Go on with the ablation" onClose={() => setOpen(false)}>
          <p className="pb-3 text-sm text-muted">What was measured is kept and not paid for again; the estimate is that of the whole.</p>
          <Spend traceId={traceId} kind="ablations" wanted={{ resume: job.job_id }} verb="Go on" onStart={(next) => { setOpen(false); onStart(next); }} />
        </Dialog>
      )}
    </>
  );
}

function Found({ found, onSelect }: { found: Ablation; onSelect: (id: string) => void }) {
  return (
    <>
      <div className="max-w-3xl space-y-2 text-sm">
        <p className="isolate-text" data-testid="explanation">{found.explanation}</p>
        {found.explanation_by_model && <p className="isolate-text rounded-md bg-sunken p-2.5"><span className="mb-0.5 block text-xs text-muted">Written by the model {found.explanation_by_model.model}, not measured</span>{found.explanation_by_model.text}</p>}
      </div>
      <Drawing found={found} onSelect={onSelect} />
      <div className="overflow-x-auto">
        <table className="w-full min-w-[34rem] text-sm">
          <caption className="pb-1 text-left text-xs text-muted">Effect of taking each input away: 0 is noise, 1 another answer. {found.model}, {found.repeats} repeats, seed {found.seed}, noise {found.noise.toFixed(2)}{found.measure && `, by ${found.measure}`}, {count(found.calls)} calls, {money(found.cost_nano_usd)}.</caption>
          <thead className="text-left text-xs text-muted"><tr><th className="font-normal">Input</th><th className="font-normal">Effect</th><th className="font-normal">95 % interval</th>{found.effects.some((it) => it.shapley !== undefined) && <th className="font-normal">Shapley</th>}<th className="font-normal">Beyond noise</th></tr></thead>
          <tbody>{found.effects.map((it) => <Row key={it.cause.id} it={it} shapley={found.effects.some((e) => e.shapley !== undefined)} onSelect={onSelect} />)}</tbody>
        </table>
      </div>
    </>
  );
}

function Row({ it, shapley, onSelect }: { it: Effect; shapley: boolean; onSelect: (id: string) => void }) {
  const span = it.cause.span_id;
  const words = <><span className="mr-1.5 inline-block size-2 rounded-sm" style={{ background: boxTone(it.cause.kind) }} /><span className="text-muted">{KIND_WORDS[it.cause.kind] ?? it.cause.kind}</span> <span dir="auto">{it.cause.label.slice(0, 120)}</span></>;
  return (
    <tr className="border-t align-top">
      <td className="max-w-md py-1 pr-3">{span ? <button type="button" className="text-left hover:underline" onClick={() => onSelect(span)} title="Show the step it came from">{words}</button> : words}</td>
      <td className={`num ${it.significant ? "font-semibold" : "text-muted"}`}>{it.effect.toFixed(2)}</td>
      <td className="num text-muted whitespace-nowrap">{it.low.toFixed(2)} to {it.high.toFixed(2)}</td>
      {shapley && <td className="num">{it.shapley?.toFixed(2) ?? "–"}</td>}
      <td>{it.significant ? "yes" : <span className="text-muted">no</span>}</td>
    </tr>
  );
}

const ROW_PX = 34;

function Drawing({ found, onSelect }: { found: Ablation; onSelect: (id: string) => void }) {
  const holder = useRef<HTMLDivElement>(null);
  const width = useWidth(holder, 0);
  const height = Math.min(720, Math.max(160, found.effects.length * ROW_PX));
  const laid = useMemo(() => (width > 0 ? layOut(found.sankey, width, height) : null), [found, width, height]);
  const strong = found.effects.filter((it) => it.significant).length;
  return (
    <div ref={holder} className="rounded-md border bg-surface">
      {laid && (
        <svg width={width} height={height} role="img" aria-label={`${found.effects.length} inputs flow into the answer, ${strong} of them with an effect beyond noise. The table below says the same.`}>
          {laid.streams.map((it) => (
            <path key={`${it.from.id} ${it.to.id}`} d={it.path} fill="none" stroke={it.significant ? boxTone(it.from.kind) : "var(--strong)"} strokeOpacity={it.significant ? 0.45 : 1} strokeWidth={it.significant ? Math.max(1, it.width) : 1} strokeDasharray={it.significant ? undefined : "4 4"}>
              <title>{`${KIND_WORDS[it.from.kind] ?? it.from.kind}: ${it.value.toFixed(2)}`}</title>
            </path>
          ))}
          {laid.boxes.map((it) => {
            const right = it.x0 > width / 2;
            const span = it.span_id;
            const room = Math.max(6, Math.floor(width / 16));
            return (
              // biome-ignore lint/a11y/noStaticElementInteractions: the table's buttons do the same for the keyboard
              <g key={it.id} onClick={span ? () => onSelect(span) : undefined} className={span ? "cursor-pointer" : ""}>
                <rect x={it.x0} y={it.y0} width={it.x1 - it.x0} height={Math.max(2, it.y1 - it.y0)} rx={2} fill={boxTone(it.kind)} />
                <text x={right ? it.x0 - 6 : it.x1 + 6} y={(it.y0 + it.y1) / 2} dy="0.35em" textAnchor={right ? "end" : "start"} className="fill-ink text-xs">
                  {`${KIND_WORDS[it.kind] ?? it.kind}: ${it.label}`.slice(0, room)}
                </text>
                <title>{it.label}</title>
              </g>
            );
          })}
        </svg>
      )}
      {!laid && width > 0 && <p className="p-3 text-sm text-muted">Nothing flows that could be drawn; the table says what was measured.</p>}
    </div>
  );
}
