/** Loads a trace's spans in windows, keeps them current by live events. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { api } from "../../api/client";
import { live } from "../../api/live";
import { traceQuery } from "../../api/queries";
import type { Listing, SpanPreview, Trace } from "../../api/types";
import { TraceModel } from "./fns/model";

/** Small at first, so that the page is there; then in large pieces. */
const FIRST = 200;
const WINDOW = 2_000;
const BEAT_MS = 40;
const SEAL_MS = 2_000;
const FRESH_MS = 120_000;

export interface Loading {
  trace: Trace | undefined;
  model: TraceModel | null;
  version: number;
  done: boolean;
  error: unknown;
}

export function useTraceModel(id: string): Loading {
  const queries = useQueryClient();
  const trace = useQuery({
    ...traceQuery(id),
    // No event tells of a seal, which follows a moment after the end.
    refetchInterval: ({ state: { data } }) => (data && data.seal == null && data.status !== "running" && Date.now() - Date.parse(data.updated_at) < FRESH_MS ? SEAL_MS : false),
  });
  const [model, setModel] = useState<TraceModel | null>(null);
  const [version, setVersion] = useState(0);
  const [done, setDone] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const startNs = useRef<string | null>(null);
  if (trace.data && startNs.current === null) startNs.current = trace.data.start_ns;

  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let made: TraceModel | null = null;
    const early: Parameters<TraceModel["live"]>[0][] = [];
    const show = () => {
      timer = undefined;
      if (made) setVersion(made.version);
    };
    const soon = () => {
      timer ??= setTimeout(show, BEAT_MS);
    };
    setModel(null);
    setDone(false);
    setError(null);
    const load = async (after?: string | null) => {
      let cursor = after;
      let limit = FIRST;
      do {
        const path = `/api/v1/traces/${encodeURIComponent(id)}/spans`;
        const page: Listing<SpanPreview> = await api.get(path, { limit, cursor }, abort.signal);
        if (abort.signal.aborted) return;
        if (!made) {
          made = new TraceModel(page.data[0]?.start_ns ?? "0");
          setModel(made);
        }
        made.add(page.data);
        for (const span of early.splice(0)) made.live(span);
        if (limit === FIRST) show();
        else soon();
        limit = WINDOW;
        cursor = page.has_more ? page.next_cursor : null;
      } while (cursor);
      show();
      setDone(true);
    };
    load().catch((failure) => !abort.signal.aborted && setError(failure));

    let refresh: ReturnType<typeof setTimeout> | undefined;
    const stop = live.listen((event) => {
      if (event.type === "system.lagged") void queries.invalidateQueries({ queryKey: ["trace", id] });
      if (event.type === "trace.created" || event.type === "trace.updated") {
        if (event.trace.trace_id !== id) return;
        // The event knows no seal; the list does, a moment later.
        queries.setQueryData<Trace>(["trace", id], (old) => ({ ...event.trace, seal: old?.seal ?? null }));
        clearTimeout(refresh);
        refresh = setTimeout(() => {
          void queries.invalidateQueries({ queryKey: ["trace", id] });
          void queries.invalidateQueries({ queryKey: ["verification", id] });
        }, 1_000);
      } else if (event.type.startsWith("span.") && "span" in event && event.trace_id === id) {
        if (made) made.live(event.span);
        else early.push(event.span);
        void queries.invalidateQueries({ queryKey: ["span", id, event.span.span_id] });
        soon();
      }
    });
    return () => {
      abort.abort();
      stop();
      clearTimeout(timer);
      clearTimeout(refresh);
    };
  }, [id, queries]);

  return { trace: trace.data, model, version, done, error: error ?? trace.error };
}
