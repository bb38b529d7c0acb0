import { useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { api, type Params } from "../../api/client";
import { meQuery } from "../../api/queries";
import type { Listing, Trace } from "../../api/types";
import { Button, Segments } from "../../ui/controls";
import { Dialog } from "../../ui/Dialog";
import { count } from "../../ui/format";
import { ErrorNote } from "../../ui/notes";
import { csv, download } from "./fns/export";
import { quoteIfNeeded } from "./fns/filter";

const MOST = 10_000;
const BUNDLE_MOST = 1_000;

/** The chosen rows, or all that the filter finds, as a file. */
export function ExportDialog({ chosen, params, onClose }: { chosen: Trace[]; params: Params; onClose: () => void }) {
  const [form, setForm] = useState<"csv" | "json">("csv");
  const [done, setDone] = useState<number | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [bundling, setBundling] = useState(false);
  const mayTakeEvidence = useQuery(meQuery).data?.scopes.includes("export") ?? false;
  const stop = useRef<AbortController>(null);

  const save = (traces: Trace[]) => {
    if (form === "csv") download("traces.csv", "text/csv", csv(traces));
    else download("traces.json", "application/json", JSON.stringify(traces, null, 1));
  };
  const all = async () => {
    const abort = new AbortController();
    stop.current = abort;
    setError(null);
    const traces: Trace[] = [];
    try {
      let cursor: string | null | undefined;
      do {
        setDone(traces.length);
        const page: Listing<Trace> = await api.get("/api/v1/traces", { ...params, limit: 1_000, cursor }, abort.signal);
        traces.push(...page.data);
        cursor = page.has_more ? page.next_cursor : null;
      } while (cursor && traces.length < MOST);
      save(traces.slice(0, MOST));
      onClose();
    } catch (failure) {
      if (!abort.signal.aborted) setError(failure);
    } finally {
      setDone(null);
    }
  };

  const bundle = async () => {
    const abort = new AbortController();
    stop.current = abort;
    setError(null);
    setDone(0);
    setBundling(true);
    try {
      const { filter, from, to } = params;
      const time = [from && `time >= ${quoteIfNeeded(String(from))}`, to && `time < ${quoteIfNeeded(String(to))}`];
      const terms = [filter && `(${filter})`, ...time].filter(Boolean).join(" and ");
      const made = await api.blob("/api/v1/evidence", { filter: terms, limit: BUNDLE_MOST }, abort.signal);
      download("evidence.zip", "application/zip", made);
      onClose();
    } catch (failure) {
      if (!abort.signal.aborted) setError(failure);
    } finally {
      setDone(null);
      setBundling(false);
    }
  };

  return (
    <Dialog title="Export" onClose={() => { stop.current?.abort(); onClose(); }} width="26rem">
      <div className="space-y-4">
        <Segments label="Form" value={form} onChange={setForm} options={[{ value: "csv", label: "CSV" }, { value: "json", label: "JSON" }]} />
        <p className="text-sm text-muted">Rows of the list, without inputs and outputs beyond their first words.</p>
        {error ? <ErrorNote error={error} /> : null}
        {done === null ? (
          <div className="flex flex-wrap gap-2">
            <Button look="main" icon="download" disabled={chosen.length === 0} onClick={() => { save(chosen); onClose(); }}>
              {count(chosen.length)} selected
            </Button>
            <Button icon="download" onClick={all}>All that match, up to {count(MOST)}</Button>
          </div>
        ) : (
          <div className="flex items-center gap-3 text-sm" role="status">
            {bundling ? "The bundle is being made" : ""}
            {!bundling && `${count(done)} read`}
            <Button small onClick={() => stop.current?.abort()}>Cancel</Button>
          </div>
        )}
        {mayTakeEvidence && done === null && (
          <section className="border-t pt-4">
            <h3 className="text-sm font-semibold">Evidence</h3>
            <p className="mt-1 mb-2 text-sm text-muted">Whole records with proofs, keys and a report in one zip that verifies offline; up to {count(BUNDLE_MOST)} traces.</p>
            <Button icon="seal" onClick={bundle}>Evidence of all that match</Button>
          </section>
        )}
      </div>
    </Dialog>
  );
}
