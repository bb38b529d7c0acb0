/** Jobs of a trace: listed, begun, watched until they are over, cancelled. */
import { queryOptions, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api } from "../../api/client";
import type { Estimate, Job, ProviderState } from "./fns/job";

interface Data<T> {
  data: T;
}

const BEAT_MS = 400;

export type JobKind = "replays" | "ablations";

const path = (trace: string, kind: JobKind) => `/api/v1/traces/${encodeURIComponent(trace)}/${kind}`;

export const providerQuery = queryOptions({
  queryKey: ["provider"],
  queryFn: async ({ signal }) => (await api.get<Data<ProviderState>>("/api/v1/settings/provider", {}, signal)).data,
  staleTime: 30_000,
});

export const jobsQuery = (trace: string, kind: JobKind) =>
  queryOptions({
    queryKey: ["jobs", trace, kind],
    queryFn: async ({ signal }) => (await api.get<Data<Job[]>>(path(trace, kind), {}, signal)).data,
    staleTime: 5_000,
  });

export const jobQuery = (id: string) =>
  queryOptions({
    queryKey: ["job", id],
    queryFn: async ({ signal }) => (await api.get<Data<Job>>(`/api/v1/jobs/${encodeURIComponent(id)}`, {}, signal)).data,
    refetchInterval: ({ state }) => (state.data?.state === "running" ? BEAT_MS : false),
  });

export const estimateQuery = (trace: string, kind: JobKind, wanted: object) =>
  queryOptions({
    queryKey: ["estimate", trace, kind, wanted],
    queryFn: async () => (await api.post<Data<Estimate>>(`${path(trace, kind)}/estimate`, wanted)).data,
    staleTime: 60_000,
    retry: false,
  });

export function useStart(trace: string, kind: JobKind) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (wanted: object) => (await api.post<Data<Job>>(path(trace, kind), wanted)).data,
    onSuccess: (job) => {
      queries.setQueryData(["job", job.job_id], job);
      void queries.invalidateQueries({ queryKey: ["jobs", trace, kind] });
    },
  });
}

export function useCancel() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => api.delete(`/api/v1/jobs/${encodeURIComponent(id)}`),
    onSettled: (_done, _error, id) => queries.invalidateQueries({ queryKey: ["job", id] }),
  });
}

export const useJob = (id: string | null) => useQuery({ ...jobQuery(id ?? ""), enabled: id !== null }).data;
