/** What pages ask for, with the keys under which answers are kept. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { Verification } from "../verify/trace";
import { ApiError, api, workspace } from "./client";
import type { Analytics, Health, Key, Listing, Me, Member, Pricing, Rules, Session, Span, Trace } from "./types";

interface Data<T> {
  data: T;
}

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: async ({ signal }) => {
    try {
      return await api.get<Me>("/api/v1/auth/me", {}, signal);
    } catch (error) {
      // The workspace may have been left or removed since it was chosen.
      if (error instanceof ApiError && error.status === 404 && workspace.get()) {
        workspace.set(null);
        return api.get<Me>("/api/v1/auth/me", {}, signal).catch(() => null);
      }
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return null;
      throw error;
    }
  },
  staleTime: 60_000,
});

export const healthQuery = queryOptions({
  queryKey: ["health"],
  queryFn: ({ signal }) => api.get<Health>("/api/v1/health", {}, signal),
  staleTime: 60_000,
});

export interface AnalyticsAsk {
  from: string;
  to?: string;
  group_by?: string;
  groups?: number;
  step?: string;
}

export const analyticsQuery = (ask: AnalyticsAsk) =>
  queryOptions({
    queryKey: ["analytics", ask],
    queryFn: async ({ signal }) => (await api.get<Data<Analytics>>("/api/v1/analytics", { ...ask }, signal)).data,
    placeholderData: keepPreviousData,
    staleTime: 10_000,
  });

export const tracesQuery = (filter: string, limit: number) =>
  queryOptions({
    queryKey: ["traces", "few", filter, limit],
    queryFn: ({ signal }) => api.get<Listing<Trace>>("/api/v1/traces", { filter, limit }, signal),
    staleTime: 5_000,
  });

export const traceQuery = (id: string) =>
  queryOptions({
    queryKey: ["trace", id],
    queryFn: async ({ signal }) => {
      // The list's row is the trace without its spans, which the inspector loads in windows.
      const found = await api.get<Listing<Trace>>("/api/v1/traces", { filter: `id = ${quoted(id)}`, limit: 1 }, signal);
      const trace = found.data[0];
      if (!trace) throw new ApiError(404, "not-found", "There is no trace with this id in this workspace.");
      return trace;
    },
    staleTime: 2_000,
  });

export const spanQuery = (trace: string, span: string) =>
  queryOptions({
    queryKey: ["span", trace, span],
    queryFn: async ({ signal }) =>
      (
        await api.get<Data<Span>>(
          `/api/v1/traces/${encodeURIComponent(trace)}/spans/${encodeURIComponent(span)}`,
          {},
          signal,
        )
      ).data,
    staleTime: 30_000,
  });

export const verificationQuery = (trace: string) =>
  queryOptions({
    queryKey: ["verification", trace],
    queryFn: async ({ signal }) =>
      (await api.get<Data<Verification>>(`/api/v1/traces/${encodeURIComponent(trace)}/verification`, {}, signal)).data,
    staleTime: 10_000,
  });

export const sessionsQuery = (filter: string, limit: number) =>
  queryOptions({
    queryKey: ["sessions", filter, limit],
    queryFn: ({ signal }) => api.get<Listing<Session>>("/api/v1/sessions", { filter, limit }, signal),
    placeholderData: keepPreviousData,
    staleTime: 10_000,
  });

export const keysQuery = queryOptions({
  queryKey: ["keys"],
  queryFn: async ({ signal }) => (await api.get<Data<Key[]>>("/api/v1/keys", {}, signal)).data,
});

export const membersQuery = queryOptions({
  queryKey: ["members"],
  queryFn: async ({ signal }) => (await api.get<Data<Member[]>>("/api/v1/members", {}, signal)).data,
});

export const pricingQuery = queryOptions({
  queryKey: ["pricing"],
  queryFn: async ({ signal }) => (await api.get<Data<Pricing>>("/api/v1/settings/pricing", {}, signal)).data,
});

export const rulesQuery = queryOptions({
  queryKey: ["rules"],
  queryFn: async ({ signal }) => (await api.get<Data<Rules>>("/api/v1/settings/rules", {}, signal)).data,
});

export const checkpointQuery = queryOptions({
  queryKey: ["checkpoint"],
  queryFn: async ({ signal }) => {
    const [note, key] = await Promise.all([
      api.text("/api/v1/ledger/checkpoint", signal),
      api.text("/api/v1/ledger/key", signal),
    ]);
    return { note, key: key.trim() };
  },
  refetchInterval: 5_000,
});

/** A value as the filter language quotes it. */
export function quoted(value: string): string {
  return `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
