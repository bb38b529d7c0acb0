/** Rule files and what is in force of them. Keys begin with `govern`, so that one change makes all stale. */
import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "../../api/client";

export interface RuleFile {
  name: string;
  origin: "own" | "shipped" | "pack";
  in_force: boolean;
  shipped: boolean;
  sha256: string;
}
export interface RuleFiles {
  may_write: boolean;
  not_writable: string | null;
  files: RuleFile[];
}
export interface ListedRule {
  id: string;
  title: string;
  severity: string;
  scope: string;
  phase: string;
  then: string[];
  refs: string[];
  tests: number;
}
export interface ListedPolicy {
  name: string;
  file: string;
  description: string | null;
  owner: string | null;
  mode: "enforce" | "shadow" | "off";
  rules: ListedRule[];
}
export interface ListedDetector {
  id: string;
  title: string;
  entity: string;
  category: string;
  severity: string;
  file: string;
}
export interface RuleListing {
  hash: string;
  policies: ListedPolicy[];
  detectors: ListedDetector[];
  last_error: string | null;
  /** Rules that tell a channel which is not there. */
  warnings?: string[];
}
export interface Problem {
  file: string;
  line: number | null;
  place: string;
  message: string;
}
export interface Checked {
  ok: boolean;
  problems: Problem[];
  policies: ListedPolicy[];
  detectors: ListedDetector[];
}

const path = (name: string) => `/api/v1/govern/files/${name.split("/").map(encodeURIComponent).join("/")}`;

export const filesQuery = queryOptions({
  queryKey: ["govern", "files"],
  queryFn: async ({ signal }) =>
    (await api.get<{ data: RuleFiles }>("/api/v1/govern/files", {}, signal)).data,
});

export const fileQuery = (name: string) =>
  queryOptions({
    queryKey: ["govern", "file", name],
    queryFn: async ({ signal }) =>
      (await api.get<{ data: RuleFile & { text: string } }>(path(name), {}, signal)).data,
    staleTime: 60_000,
  });

export const listingQuery = queryOptions({
  queryKey: ["govern", "policies"],
  queryFn: async ({ signal }) =>
    (await api.get<{ data: RuleListing }>("/api/v1/govern/policies", {}, signal)).data,
});

/** Whether the rules would load with this text; asked again only for another text. */
export const checkQuery = (name: string, text: string) =>
  queryOptions({
    queryKey: ["govern", "check", name, text],
    queryFn: async () => (await api.post<{ data: Checked }>("/api/v1/govern/check", { name, text })).data,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 30_000,
    retry: false,
  });

/** Writes a file, or with `text: null` removes it; the rules are in force when it is done. */
export function useSave() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ name, text, sha256 }: { name: string; text: string | null; sha256?: string }) =>
      api.put(path(name), { text, sha256 }),
    onSuccess: (_, { name, text }) => {
      // What was written is what is held, before the server is asked again.
      if (text !== null) queries.setQueryData(fileQuery(name).queryKey, (old) => (old ? { ...old, text } : undefined));
      for (const key of ["govern", "rules", "pricing", "channels", "budgets"]) void queries.invalidateQueries({ queryKey: [key] });
    },
  });
}

export interface Simulated {
  traces: number;
  spans: number;
  drifted: number;
  not_reevaluable: number;
  rules_that_read_text: string[];
  changed: number;
  actions: Record<string, [number, number]>;
  rules: {
    policy: string;
    rule: string;
    now: number;
    then: number;
    newly: number;
    no_longer: number;
    samples: { trace_id: string; span_id: string | null; newly: boolean }[];
  }[];
  reviews: [number, number];
  reviewer_minutes: number;
  cost_stopped_nano_usd: string;
}
export interface Simulation {
  id: string;
  state: "running" | "done" | "failed" | "cancelled";
  traces: number;
  known: number;
  result: Simulated | null;
  error: string | null;
}

export const simulationQuery = (id: string) =>
  queryOptions({
    queryKey: ["simulation", id],
    queryFn: async ({ signal }) =>
      (await api.get<{ data: Simulation }>(`/api/v1/govern/simulations/${id}`, {}, signal)).data,
    refetchInterval: (query) => (query.state.data?.state === "running" || !query.state.data ? 400 : false),
  });
