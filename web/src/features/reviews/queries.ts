/** What the review pages ask for. All keys begin with `reviews`, so that one act makes all of them stale. */
import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "../../api/client";
import type { Listing } from "../../api/types";
import { ASKED, type Deed, type Review, type ReviewsSearch } from "./fns/review";

const PAGE = 100;

export const reviewsQuery = (search: ReviewsSearch) => {
  const { tab = "waiting", queue, rule } = search;
  return infiniteQueryOptions({
    queryKey: ["reviews", "list", tab, queue, rule],
    queryFn: ({ signal, pageParam }) =>
      api.get<Listing<Review>>(
        "/api/v1/reviews",
        { ...ASKED[tab], queue, rule, cursor: pageParam, limit: PAGE },
        signal,
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    staleTime: 5_000,
  });
};

export const reviewQuery = (id: string) =>
  queryOptions({
    queryKey: ["reviews", "one", id],
    queryFn: async ({ signal }) =>
      (await api.get<{ data: Review }>(`/api/v1/reviews/${encodeURIComponent(id)}`, {}, signal)).data,
  });

/** How many wait, for the navigation: a number up to a hundred, then `99+`. */
export const waitingQuery = queryOptions({
  queryKey: ["reviews", "waiting"],
  queryFn: async ({ signal }) => {
    const page = await api.get<Listing<Review>>("/api/v1/reviews", { state: "waiting", limit: PAGE }, signal);
    return page.has_more ? "99+" : String(page.data.length);
  },
  refetchInterval: 20_000,
  staleTime: 5_000,
});

export interface Precision {
  policy: string;
  rule: string;
  asked: number;
  waiting: number;
  expired: number;
  right: number;
  wrong: number;
  precision: number | null;
  median_decision_ms: number | null;
}

export const precisionQuery = queryOptions({
  queryKey: ["reviews", "precision"],
  queryFn: async ({ signal }) =>
    (await api.get<{ data: Precision[] }>("/api/v1/reviews/precision", {}, signal)).data,
});

export interface Action {
  deed: Deed;
  reason?: string;
  comment?: string;
  assignee?: string;
  handling?: string;
}

interface BulkResult {
  review_id: string;
  review: Review | null;
  error: string | null;
}

/** One act on one or many reviews; what failed comes back in words. */
export function useAct() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({
      ids,
      action,
    }: {
      ids: string[];
      action: Action;
    }): Promise<{ done: number; failed: string[] }> => {
      const [only] = ids;
      if (ids.length === 1 && only) {
        await api.post(`/api/v1/reviews/${encodeURIComponent(only)}/acts`, action);
        return { done: 1, failed: [] };
      }
      const answer = await api.post<{ data: BulkResult[] }>("/api/v1/reviews/bulk", { ids, act: action });
      const failed = answer.data.filter((it) => it.error);
      return {
        done: answer.data.length - failed.length,
        failed: failed.map((it) => `${it.review_id}: ${it.error}`),
      };
    },
    onSettled: () => {
      void queries.invalidateQueries({ queryKey: ["reviews"] });
      // A decision may have released, redacted or erased what is shown.
      void queries.invalidateQueries({ queryKey: ["span"] });
    },
  });
}
