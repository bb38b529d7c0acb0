import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api } from "../../api/client";
import { meQuery } from "../../api/queries";
import { Page } from "../../shell/Page";
import { Button, Field } from "../../ui/controls";
import { Dialog } from "../../ui/Dialog";
import { count } from "../../ui/format";
import { ErrorNote, Panel, Skeleton } from "../../ui/notes";
import { Time } from "../../ui/Time";
import { quoteIfNeeded } from "../explorer/fns/filter";
import { ErasureDialog } from "./ErasureDialog";
import { type Preset, RetentionEditor, type RetentionRule } from "./RetentionEditor";

interface Rules {
  rules: RetentionRule[];
  presets: Preset[];
}
interface Hold {
  id: string;
  filter: string;
  trace_id?: string;
  reason: string;
  owner: string;
  /** Nanoseconds since the epoch. */
  placed: string | number;
  released?: string | number;
  release?: string;
}
interface Run {
  dry_run: boolean;
  gone: Record<string, number>;
  held: Record<string, number>;
}

const get = <T,>(name: string, path: string) => ({
  queryKey: ["vault", name],
  queryFn: async ({ signal }: { signal: AbortSignal }) => (await api.get<{ data: T }>(path, {}, signal)).data,
});
const when = (nanos: string | number) => new Date(Number(BigInt(nanos) / 1_000_000n)).toISOString();

/** How long records are kept, and what keeps them longer. */
export function VaultPage() {
  const admin = useQuery(meQuery).data?.scopes.includes("admin") ?? false;
  return (
    <Page title="Vault" narrow>
      <Holds mayPlace={admin} />
      <Retention mayRun={admin} />
      {admin && <Erasures />}
      <Compliance />
    </Page>
  );
}

function Holds({ mayPlace }: { mayPlace: boolean }) {
  const holds = useQuery(get<Hold[]>("holds", "/api/v1/holds"));
  const [open, setOpen] = useState<Hold | "new" | null>(null);
  return (
    <Panel title="Legal holds" aside={mayPlace && <Button small look="main" icon="plus" onClick={() => setOpen("new")}>Place a hold</Button>}>
      {holds.error ? <div className="p-3"><ErrorNote error={holds.error} retry={() => void holds.refetch()} /></div> : !holds.data ? <Skeleton rows={3} /> : holds.data.length === 0 ? (
        <p className="p-4 text-sm text-muted">No hold stands. A hold keeps what its filter finds, whatever rules and erasures say, until it is released.</p>
      ) : (
        <ul className="text-sm">
          {holds.data.map((it) => (
            <li key={it.id} className={`flex flex-wrap items-center gap-x-4 gap-y-1 border-t px-4 py-2 first:border-t-0 ${it.released ? "text-muted" : ""}`}>
              <span className="min-w-0 flex-1">
                <span className="font-medium">{it.reason}</span> <span className="text-muted">by {it.owner}</span>
                <Link to="/traces" search={{ filter: it.trace_id ? `id = ${quoteIfNeeded(it.trace_id)}` : it.filter, all: true } as never} className="block truncate num text-muted hover:underline">{it.trace_id ?? (it.filter || "everything")}</Link>
              </span>
              <span className="text-muted">placed <Time at={when(it.placed)} /></span>
              {it.released ? <span title={it.release}>released <Time at={when(it.released)} /></span> : mayPlace && <Button small onClick={() => setOpen(it)}>Release</Button>}
            </li>
          ))}
        </ul>
      )}
      {open && <HoldDialog hold={open === "new" ? null : open} onClose={() => setOpen(null)} />}
    </Panel>
  );
}

function HoldDialog({ hold, onClose }: { hold: Hold | null; onClose: () => void }) {
  const queries = useQueryClient();
  const act = useMutation({
    mutationFn: (form: FormData) => {
      const text = (name: string) => String(form.get(name) ?? "").trim();
      return hold
        ? api.post(`/api/v1/holds/${encodeURIComponent(hold.id)}/release`, { reason: text("reason") })
        : api.post("/api/v1/holds", { filter: text("filter"), reason: text("reason"), owner: text("owner") });
    },
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["vault"] });
      onClose();
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    act.mutate(new FormData(event.currentTarget));
  };
  return (
    <Dialog title={hold ? "Release the hold" : "Place a hold"} onClose={onClose}>
      <form onSubmit={submit} className="space-y-4">
        {hold ? (
          <p className="text-sm">“{hold.reason}” ends. What only it has kept may go with the next run. The release is entered into the log.</p>
        ) : (
          <>
            <Field label="Traces" name="filter" placeholder="user = u-17" hint="In the filter language, without full text. Empty means everything, traces to come included." />
            <Field label="Who answers for it" name="owner" required maxLength={200} />
          </>
        )}
        <Field label={hold ? "Why it ends" : "Why, such as the name of a case"} name="reason" required maxLength={500} />
        {act.error && <ErrorNote error={act.error} />}
        <Button type="submit" look={hold ? "danger" : "main"} disabled={act.isPending}>{hold ? "Release it" : "Place it"}</Button>
      </form>
    </Dialog>
  );
}

function Retention({ mayRun }: { mayRun: boolean }) {
  const rules = useQuery(get<Rules>("rules", "/api/v1/retention/rules"));
  const [editing, setEditing] = useState(false);
  const dry = useMutation({ mutationFn: async () => (await api.post<{ data: Run }>("/api/v1/retention/run", { dry_run: true })).data });
  const sum = (it: Record<string, number>) => Object.values(it).reduce((a, b) => a + b, 0);
  return (
    <Panel title="Retention" aside={mayRun && <span className="flex gap-2"><Button small disabled={dry.isPending} onClick={() => dry.mutate()}>What would go now?</Button><Button small disabled={!rules.data} onClick={() => setEditing(true)}>Edit</Button></span>}>
      {dry.error && <div className="p-3"><ErrorNote error={dry.error} /></div>}
      {dry.data && (
        <p role="status" className="m-3 rounded-md bg-info-soft p-3 text-sm">
          {sum(dry.data.gone) === 0 ? "Nothing would go." : `${count(sum(dry.data.gone))} traces would go: ${Object.entries(dry.data.gone).map(([rule, n]) => `${count(n)} by ${rule}`).join(", ")}.`}
          {sum(dry.data.held) > 0 && ` Holds keep ${count(sum(dry.data.held))}.`} Nothing was done.
        </p>
      )}
      {rules.error ? <div className="p-3"><ErrorNote error={rules.error} retry={() => void rules.refetch()} /></div> : !rules.data ? <Skeleton rows={3} /> : (
        <>
          {rules.data.rules.length === 0 ? <p className="p-4 text-sm text-muted">No rule: everything is kept.</p> : (
            <ol className="text-sm">
              {rules.data.rules.map((it, i) => (
                <li key={it.name} className="flex flex-wrap items-center gap-x-4 border-t px-4 py-1.5 first:border-t-0">
                  <span className="num text-muted">{i + 1}</span><span className="font-medium">{it.name}</span>
                  <span className="num text-muted">{it.filter || "everything"}</span>
                  <span className="ml-auto">{it.keep_days === null ? "for ever" : `${count(it.keep_days)} days`}</span>
                </li>
              ))}
            </ol>
          )}
          <p className="border-t px-4 py-2.5 text-sm text-muted">
            The first rule that finds a trace decides; what none finds is kept. Presets: {rules.data.presets.map((it) => `${it.name} (${count(it.keep_days)} days)`).join(", ")}.
          </p>
        </>
      )}
      {editing && rules.data && <RetentionEditor rules={rules.data.rules} presets={rules.data.presets} onClose={() => setEditing(false)} onSaved={() => { setEditing(false); dry.mutate(); }} />}
    </Panel>
  );
}

/** Erasure on request. */
function Erasures() {
  const [open, setOpen] = useState(false);
  return (
    <Panel title="Erasure" aside={<Button small look="danger" onClick={() => setOpen(true)}>Erase records…</Button>}>
      <p className="p-4 text-sm text-muted">Takes the contents of a trace, of everything of a user, or of what a filter finds, for ever; a certificate in the log says so. Holds beat it.</p>
      {open && <ErasureDialog onClose={() => setOpen(false)} />}
    </Panel>
  );
}

interface Duties {
  at: string;
  duties: { source: string; asks: string; state: string; shows: string[]; evidence: string[]; not_covered: string }[];
}

/** What can be shown now for each duty of record keeping, and what cannot. */
function Compliance() {
  const answer = useQuery(get<Duties>("compliance", "/api/v1/compliance"));
  return (
    <Panel title="Duties of record keeping" aside={answer.data && <span className="text-xs text-muted">as of <Time at={answer.data.at} /></span>}>
      {answer.error ? <div className="p-3"><ErrorNote error={answer.error} retry={() => void answer.refetch()} /></div> : !answer.data ? <Skeleton rows={6} /> : (
        <ul className="text-sm">
          {answer.data.duties.map((it) => (
            <li key={it.source + it.asks} className="grid gap-x-4 gap-y-1 border-t px-4 py-3 first:border-t-0 sm:grid-cols-[11rem_1fr]">
              <div>
                <p className="font-medium">{it.source}</p>
                <p className={`mt-0.5 inline-block rounded px-1.5 text-xs ${it.state === "shown" ? "bg-ok-soft text-ok" : "bg-warn-soft text-warn"}`}>{it.state.replaceAll("-", " ")}</p>
              </div>
              <div className="space-y-1">
                <p>{it.asks}</p>
                {it.shows.map((text) => <p key={text} className="text-muted">{text.replace(/\d{4,}/g, (digits) => count(Number(digits)))}</p>)}
                {it.not_covered && <p className="text-xs text-muted">Not covered: {it.not_covered}</p>}
              </div>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
