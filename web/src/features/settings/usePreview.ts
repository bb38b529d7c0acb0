/** What other prices would make of what is recorded, call by call, asked of the server step by step. */
import { useCallback, useEffect, useRef, useState } from "react";
import { api } from "../../api/client";
import { add, type Change, type PreviewStep } from "./fns/preview";

export interface Preview {
  state: "idle" | "running" | "done" | "stopped";
  traces: number;
  calls: number;
  changes: Change[];
  error: unknown;
}

const NOTHING: Preview = { state: "idle", traces: 0, calls: 0, changes: [], error: null };

export function usePreview() {
  const [preview, setPreview] = useState<Preview>(NOTHING);
  const run = useRef(0);
  useEffect(() => () => void run.current++, []);
  const stop = useCallback(() => {
    run.current++;
    setPreview((now) => (now.state === "running" ? { ...now, state: "stopped" } : now));
  }, []);
  /** Goes over all traces, newest first; `file` stands in for `pricing.yaml`. */
  const start = useCallback(async (file?: string) => {
    const mine = ++run.current;
    let sum: Preview = { ...NOTHING, state: "running" };
    setPreview(sum);
    let cursor: string | null = null;
    try {
      do {
        const { data }: { data: PreviewStep } = await api.post("/api/v1/settings/pricing/preview", { cursor, file });
        if (run.current !== mine) return;
        cursor = data.next_cursor;
        sum = { ...sum, traces: sum.traces + data.traces, calls: sum.calls + data.calls, changes: add(sum.changes, data.models), state: cursor ? "running" : "done" };
        setPreview(sum);
      } while (cursor);
    } catch (error) {
      if (run.current === mine) setPreview({ ...sum, state: "stopped", error });
    }
  }, []);
  return { preview, start, stop };
}
