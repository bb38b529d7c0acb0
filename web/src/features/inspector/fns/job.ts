/** Replays and ablations, as the API tells them, and what the pages make of them. */

export interface Job {
  job_id: string;
  kind: "replay" | "ablation";
  trace_id: string;
  target: string | null;
  state: "running" | "done" | "failed" | "cancelled" | "interrupted";
  progress: { done: number; all: number; spent_nano_usd: string | null };
  started_at: string;
  ended_at: string | null;
  traces: string[];
  error: { code: string; message: string } | null;
  resumable: boolean;
  result: unknown;
}

export interface Estimate {
  calls: number;
  causes: number | null;
  tokens_in: number;
  tokens_out: number;
  cost_nano_usd: string | null;
  budget_nano_usd: string | null;
  duration_ms: number;
  redacted_inputs: boolean;
}

export interface ProviderState {
  source: "workspace" | "environment" | "none";
  provider: string | null;
  model: string | null;
  missing: string | null;
}

type Two<T> = [before: T | null, after: T | null];

export interface StepDiff {
  span_id: string;
  replay_span_id: string;
  name: string;
  same: boolean;
  same_tools: boolean;
  similarity: number;
  diverged: boolean;
  error: string | null;
  latency_ms: Two<number>;
  tokens_in: Two<number>;
  tokens_out: Two<number>;
  cost_nano_usd: Two<number>;
}

export interface ReplayResult {
  replays: { trace_id: string; redacted_inputs: boolean; steps: StepDiff[]; answer: string; captured_answer: string }[];
  determinism: number;
  distinct_answers: number;
}

export interface Effect {
  cause: { id: string; kind: string; label: string; span_id?: string };
  effect: number;
  low: number;
  high: number;
  significant: boolean;
  changed: number;
  shapley?: number;
  answers: string[];
}

export interface SankeyNode {
  id: string;
  kind: string;
  label: string;
  span_id?: string;
}

export interface SankeyLink {
  source: string;
  target: string;
  value: number;
  significant: boolean;
}

export interface Ablation {
  trace_id: string;
  target: string;
  captured: string;
  model: string;
  repeats: number;
  seed: number;
  noise: number;
  effects: Effect[];
  calls: number;
  cost_nano_usd: number | null;
  measure?: string;
  sankey: { nodes: SankeyNode[]; links: SankeyLink[] };
  explanation: string;
  explanation_by_model?: { model: string; text: string } | null;
}

export const KIND_WORDS: Record<string, string> = {
  system: "System prompt", user: "User", tool: "Tool result", retrieved: "Retrieved text", history: "Earlier answer", call: "Model call", answer: "The answer",
};

/** The token of the colour of a box. */
export const boxTone = (kind: string) =>
  `var(--kind-${{ system: "chain", user: "agent", tool: "tool", retrieved: "retriever", history: "custom", call: "llm", answer: "llm" }[kind] ?? "custom"})`;

/** A cap to begin with: half as much again as is needed, in whole cents; nothing where no price is known. */
export function usualCap(neededNano: string | null): string {
  if (neededNano === null) return "";
  const cents = Math.ceil((Number(neededNano) / 1e7) * 1.5);
  return (Math.max(1, cents) / 100).toFixed(2);
}

/** The sum of one side of a figure over steps; nothing where one is not known. */
export function sumOf(steps: StepDiff[], pick: (step: StepDiff) => Two<number>, side: 0 | 1): number | null {
  let sum = 0;
  for (const step of steps) {
    const value = pick(step)[side];
    if (value === null || value === undefined) return null;
    sum += value;
  }
  return sum;
}

interface Placed {
  id: string;
  parent: string | null;
  kind: string;
  start: number;
}

/** The model call that asked for a tool: the last one that began before it, its sibling where there is one. */
export function askedBy(nodes: readonly Placed[], tool: Placed): string | undefined {
  let near: Placed | undefined;
  let any: Placed | undefined;
  for (const node of nodes) {
    if (node.kind !== "llm" || node.start > tool.start) continue;
    if (node.parent === tool.parent && (!near || node.start >= near.start)) near = node;
    if (!any || node.start >= any.start) any = node;
  }
  return (near ?? any)?.id;
}
