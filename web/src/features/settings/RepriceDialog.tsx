import { useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { api } from "../../api/client";
import { Button } from "../../ui/controls";
import { Dialog } from "../../ui/Dialog";
import { count } from "../../ui/format";
import { ErrorNote } from "../../ui/notes";
import { PreviewTable } from "./PreviewTable";
import { usePreview } from "./usePreview";

interface Step {
  traces: number;
  spans: number;
  mapped: number;
  next_cursor: string | null;
}

/** Prices what is recorded again, newest traces first; stops between two steps when asked to. */
export function RepriceDialog({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const [sum, setSum] = useState<Omit<Step, "next_cursor">>();
  const [state, setState] = useState<"asked" | "running" | "done" | "stopped">("asked");
  const [error, setError] = useState<unknown>();
  const stop = useRef(false);
  const trial = usePreview();
  const run = async () => {
    stop.current = false;
    trial.stop();
    setState("running");
    setError(undefined);
    const all = { traces: 0, spans: 0, mapped: 0 };
    let cursor: string | null = null;
    try {
      do {
        const { data }: { data: Step } = await api.post("/api/v1/remap", { all: true, cursor });
        for (const key of ["traces", "spans", "mapped"] as const) all[key] += data[key];
        setSum({ ...all });
        cursor = data.next_cursor;
      } while (cursor && !stop.current);
      setState(cursor ? "stopped" : "done");
    } catch (failed) {
      setError(failed);
      setState("stopped");
    }
    void queries.invalidateQueries({ queryKey: ["analytics"] });
  };
  return (
    <Dialog title="Price what is recorded again" onClose={() => { stop.current = true; onClose(); }}>
      <div className="space-y-4 text-sm">
        <p>Every step is read again with today's mapping, prices and rules, newest traces first. Where something reads otherwise, that becomes a new revision with a leaf of its own; the one before stays provable. Costs that clients reported stay as they are, and rules may ask for reviews.</p>
        {state === "asked" && (trial.preview.state === "idle" ? <Button onClick={() => void trial.start()}>What would change?</Button> : <PreviewTable preview={trial.preview} onStop={trial.stop} />)}
        {sum && <p role="status" className="tnum">{count(sum.traces)} traces, {count(sum.spans)} steps read; {count(sum.mapped)} of them changed{state === "done" ? ". Done." : state === "stopped" ? ". Stopped." : "…"}</p>}
        {state === "running" && <progress className="h-2 w-full" aria-label="Reading again" />}
        {error ? <ErrorNote error={error} /> : null}
        {state === "running" ? <Button onClick={() => { stop.current = true; }}>Stop</Button> : state === "done" ? <Button onClick={onClose}>Close</Button> : <Button look="main" onClick={() => void run()}>{state === "asked" ? "Begin" : "Begin again"}</Button>}
      </div>
    </Dialog>
  );
}
