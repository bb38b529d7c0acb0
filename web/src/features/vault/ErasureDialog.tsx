import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api } from "../../api/client";
import { Button, Field, Segments } from "../../ui/controls";
import { Dialog } from "../../ui/Dialog";
import { count } from "../../ui/format";
import { ErrorNote } from "../../ui/notes";

interface Report {
  dry_run: boolean;
  gone: Record<string, number>;
  traces: string[];
  held: Record<string, number>;
  certificates: number[];
}

const WHAT = [
  { value: "trace_id", label: "One trace" },
  { value: "user", label: "A user" },
  { value: "filter", label: "What a filter finds" },
] as const;
const LABEL = { trace_id: "The trace's id", user: "The user", filter: "The filter" };
const traces = (n: number) => `${count(n)} ${n === 1 ? "trace" : "traces"}`;
const sum = (it: Record<string, number>) => Object.values(it).reduce((a, b) => a + b, 0);

/** Erases for ever: first a look at what would go, then the word for it. */
export function ErasureDialog({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const [what, setWhat] = useState<(typeof WHAT)[number]["value"]>("user");
  const [value, setValue] = useState("");
  const [reason, setReason] = useState("");
  const [word, setWord] = useState("");
  const ask = async (dry_run: boolean) => (await api.post<{ data: Report }>("/api/v1/erasures", { [what]: value.trim(), reason: reason.trim(), dry_run })).data;
  const look = useMutation({ mutationFn: () => ask(true) });
  const erase = useMutation({ mutationFn: () => ask(false), onSuccess: () => queries.invalidateQueries() });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    look.mutate();
  };
  const found = look.data ? sum(look.data.gone) : 0;
  const change = <T,>(set: (value: T) => void) => (it: T) => { set(it); look.reset(); setWord(""); };
  return (
    <Dialog title="Erase records" onClose={onClose}>
      {erase.data ? (
        <div className="space-y-4 text-sm" role="status">
          <p><span className="font-medium">{traces(sum(erase.data.gone))} erased.</span> {erase.data.certificates.length > 0 && <>The certificate is entry <span className="num">{erase.data.certificates.join(", ")}</span> of the log.</>} {sum(erase.data.held) > 0 && `Holds kept ${count(sum(erase.data.held))}.`}</p>
          <Button onClick={onClose}>Close</Button>
        </div>
      ) : (
        <form onSubmit={submit} className="space-y-4 text-sm">
          <p className="text-muted">The contents go for ever; their leaves stay, so that everything else still proves, and a certificate says what went and why. Holds keep what they find.</p>
          <Segments label="What" value={what} options={WHAT} onChange={change(setWhat)} />
          <Field label={LABEL[what]} required value={value} onChange={(event) => change(setValue)(event.target.value)} />
          <Field label="Why" required maxLength={500} value={reason} onChange={(event) => change(setReason)(event.target.value)} hint="Name no person here: it stays in the certificate." />
          {look.error ? <ErrorNote error={look.error} /> : null}
          {erase.error ? <ErrorNote error={erase.error} /> : null}
          {!look.data ? <Button type="submit" disabled={look.isPending}>What would go?</Button> : (
            <div className="space-y-3 rounded-md bg-warn-soft p-3" role="status">
              <p>{found === 0 ? "Nothing would go." : `${traces(found)} would go.`} {sum(look.data.held) > 0 && `Holds keep ${count(sum(look.data.held))}.`}</p>
              {found > 0 && (
                <>
                  <Field label="Type “erase” to confirm" autoComplete="off" value={word} onChange={(event) => setWord(event.target.value)} />
                  <Button look="danger" disabled={word.trim().toLowerCase() !== "erase" || erase.isPending} onClick={() => erase.mutate()}>{erase.isPending ? "Erasing…" : "Erase for ever"}</Button>
                </>
              )}
            </div>
          )}
        </form>
      )}
    </Dialog>
  );
}
