/** The list as pages, with what is recorded meanwhile laid over it. */
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { api, type Params } from "../../api/client";
import { live } from "../../api/live";
import type { Listing, Trace } from "../../api/types";

const PAGE = 100;
const BEAT_MS = 60;
const REREAD_MS = 2_000;

interface Fresh {
  /** Newest first. */
  added: Trace[];
  changed: Map<string, Trace>;
}
const NOTHING: Fresh = { added: [], changed: new Map() };

export function useTraces(params: Params, following: boolean, filtered: boolean) {
  const key = useMemo(() => ["traces", "pages", params], [params]);
  const queries = useQueryClient();
  const list = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam, signal }) =>
      api.get<Listing<Trace>>("/api/v1/traces", { ...params, limit: PAGE, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => (page.has_more ? (page.next_cursor ?? undefined) : undefined),
    staleTime: 10_000,
  });

  const [fresh, setFresh] = useState<Fresh>(NOTHING);
  const [waiting, setWaiting] = useState(0);
  const queue = useRef(new Map<string, Trace>());
  const stale = useRef(false);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another list starts with nothing fresh
  useEffect(() => {
    setFresh(NOTHING);
    queue.current.clear();
    setWaiting(0);
  }, [key]);

  const known = useRef(new Set<string>());
  useEffect(() => {
    known.current = new Set(list.data?.pages.flatMap((page) => page.data.map((trace) => trace.trace_id)));
  }, [list.data]);

  /** Lays what has come over the list. */
  const flush = useCallback(() => {
    const come = [...queue.current.values()];
    queue.current.clear();
    setWaiting(0);
    if (come.length === 0) return;
    setFresh((now) => {
      const changed = new Map(now.changed);
      const added = new Map(now.added.map((trace) => [trace.trace_id, trace]));
      for (const trace of come) {
        if (known.current.has(trace.trace_id)) changed.set(trace.trace_id, trace);
        else added.set(trace.trace_id, trace);
      }
      const order = [...added.values()].sort((a, b) => (a.start_ns < b.start_ns ? 1 : -1));
      return { added: order.slice(0, 2_000), changed };
    });
  }, []);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = live.listen((event) => {
      if (event.type === "system.lagged") stale.current = true;
      if (event.type !== "trace.created" && event.type !== "trace.updated") return;
      // Whether a trace fits a filter only the server knows: then the list is read again.
      if (filtered) stale.current = true;
      else queue.current.set(event.trace.trace_id, event.trace);
      timer ??= setTimeout(() => {
        timer = undefined;
        if (following) flush();
        else setWaiting(filtered ? 1 : queue.current.size);
      }, BEAT_MS);
    });
    const reread = setInterval(() => {
      if (!stale.current || !following) return;
      stale.current = false;
      void queries.invalidateQueries({ queryKey: key });
    }, REREAD_MS);
    return () => {
      stop();
      clearTimeout(timer);
      clearInterval(reread);
    };
  }, [following, filtered, flush, queries, key]);

  const traces = useMemo(() => {
    const pages = list.data?.pages.flatMap((page) => page.data) ?? [];
    const ids = new Set(pages.map((trace) => trace.trace_id));
    const added = fresh.added.filter((trace) => !ids.has(trace.trace_id));
    const base = fresh.changed.size === 0 ? pages : pages.map((trace) => merged(trace, fresh.changed.get(trace.trace_id)));
    return added.length === 0 ? base : [...added, ...base];
  }, [list.data, fresh]);

  const catchUp = () => {
    if (stale.current) {
      stale.current = false;
      void queries.invalidateQueries({ queryKey: key });
    }
    flush();
  };
  return { list, traces, waiting, catchUp };
}

/** A live event knows no seal; one that the list has told stays. */
function merged(old: Trace, now: Trace | undefined): Trace {
  return now ? { ...now, seal: now.seal ?? (now.span_count === old.span_count ? old.seal : null) } : old;
}
