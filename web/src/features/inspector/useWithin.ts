/** Asks the server where a phrase stands in the whole of what a trace's steps hold, page after page. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { api } from "../../api/client";
import type { Listing, SpanMatches } from "../../api/types";

/** Steps with places after which no more are asked for: nobody walks through more. */
const STEPS_MAX = 2_000;

export interface Within {
  found: ReadonlyMap<string, SpanMatches>;
  /** Whether more is on its way. */
  busy: boolean;
  /** Whether it ended before the trace did. */
  cut: boolean;
  error: unknown;
}

/** `revision` says when what the trace holds has changed. */
export function useWithin(traceId: string, phrase: string, revision: string): Within {
  const answer = useInfiniteQuery({
    queryKey: ["within", traceId, phrase, revision],
    enabled: phrase !== "",
    staleTime: 60_000,
    initialPageParam: null as string | null,
    queryFn: ({ signal, pageParam }) =>
      api.get<Listing<SpanMatches>>(`/api/v1/traces/${encodeURIComponent(traceId)}/search`, { q: phrase, cursor: pageParam }, signal),
    getNextPageParam: (page) => (page.has_more ? page.next_cursor : null),
  });
  const found = useMemo(() => new Map((answer.data?.pages ?? []).flatMap((page) => page.data.map((it) => [it.span_id, it] as const))), [answer.data]);
  const more = answer.hasNextPage && found.size < STEPS_MAX;
  const { fetchNextPage, isFetching, error } = answer;
  useEffect(() => {
    if (more && !isFetching && !error) void fetchNextPage();
  }, [more, isFetching, error, fetchNextPage]);
  return { found, busy: phrase !== "" && (isFetching || more) && !error, cut: answer.hasNextPage && !more, error: phrase === "" ? null : error };
}
