// A span: one step of a run, from when it starts until it ends. No method throws.

import type { Exhibit } from "./client.js";
import { current } from "./context.js";
import { guarded } from "./faults.js";
import { newSpanId, newTraceId } from "./ids.js";
import { encode, type Held, hold } from "./values.js";

/** What kind of step it is; any other word is kept as it is. */
export type SpanType =
  | "llm" | "tool" | "agent" | "chain" | "retriever" | "embedding" | "reranker" | "guardrail"
  | "evaluator" | "custom" | (string & {}); // prettier-ignore

/** Tokens of a model call. Input includes cache reads and writes, output includes reasoning. */
export interface Usage {
  inputTokens?: number;
  outputTokens?: number;
  totalTokens?: number;
  cacheReadTokens?: number;
  cacheWriteTokens?: number;
  reasoningTokens?: number;
  /** US dollars; overrides the price table. */
  cost?: number;
}

export interface ToolCall {
  toolName: string;
  arguments?: unknown;
  result?: unknown;
  selectedFrom?: string[];
  id?: string;
}

const USAGE: [keyof Usage, string][] = [
  ["inputTokens", "tokens_in"],
  ["outputTokens", "tokens_out"],
  ["totalTokens", "tokens_total"],
  ["cacheReadTokens", "cache_read_tokens"],
  ["cacheWriteTokens", "cache_write_tokens"],
  ["reasoningTokens", "reasoning_tokens"],
];

const STACK_CHARS_MAX = 16_000;

let offsetMs = Date.now() - performance.now();

/** Microseconds since 1970 that never run backwards within a span. */
export function nowUs(): number {
  return Math.round((offsetMs + performance.now()) * 1000);
}

/** The wall clock may have been set, or the machine have slept. */
export function resyncClock(): void {
  const measured = Date.now() - performance.now();
  if (Math.abs(measured - offsetMs) > 50) offsetMs = measured;
}

/** What all spans of a trace share. */
export class TraceState {
  begun: boolean;
  tags: string[] = [];
  /** JSON text. */
  metadata: Record<string, unknown> = {};
  model: string | undefined;
  /** The fields every record carries, as the inside of a JSON object. */
  commonText = "";

  constructor(
    readonly id: string,
    readonly root: Span,
    public common: Record<string, string>,
    lazy: boolean,
  ) {
    this.begun = !lazy;
    this.share({});
  }

  /** Further shared fields. */
  share(fields: Record<string, string | undefined>): void {
    for (const [name, value] of Object.entries(fields)) if (value) this.common[name] = value;
    this.commonText = (encode(this.common) ?? "{}").slice(1, -1);
  }
}

/** One step. */
export class Span {
  readonly id = newSpanId();
  parentId: string | undefined;
  trace: TraceState;
  startUs = 0;
  endUs = 0;
  status: "running" | "ok" | "error" = "running";
  error: string | undefined;
  errorType: string | undefined;
  input: Held | undefined;
  output: Held | undefined;
  usage: Record<string, number> | undefined;
  fields: Record<string, unknown> | undefined;
  attributes: Record<string, unknown> | undefined;
  toolCalls: Record<string, unknown>[] | undefined;
  sequence = 0;
  size = 1024;
  /** A model call whose inner calls are the same call, seen again. */
  leaf = false;

  /** @internal */
  constructor(
    readonly client: Exhibit,
    readonly spanType: SpanType,
    public name: string,
    trace: TraceState | undefined,
    parent: Span | undefined,
    public model?: string,
    rootOf?: { id: string; common: Record<string, string>; lazy: boolean },
  ) {
    if (rootOf) {
      this.trace = new TraceState(rootOf.id, this, rootOf.common, rootOf.lazy);
      return;
    }
    const open = parent ?? current.getStore();
    if (trace === undefined) {
      this.trace = open?.trace ?? new TraceState(newTraceId(), this, { ...client.common }, false);
      this.parentId = open?.id;
    } else {
      this.trace = trace;
      this.parentId = (open?.trace === trace ? open : trace.root)?.id;
    }
  }

  /** @internal */
  begin(): this {
    guarded("starting a span", () => {
      this.startUs = nowUs();
      if (!this.trace.begun && this.trace.root !== this) {
        this.trace.begun = true;
        this.client.delivery.started(this.trace.root);
      }
      if (this.trace.begun) this.client.delivery.started(this);
    });
    return this;
  }

  /** What the step was given. */
  recordInput(value: unknown): void {
    if (!this.client.enabled) return;
    this.input = hold(value);
    this.size += this.input?.size ?? 0;
  }

  /** What the step gave back. */
  recordOutput(value: unknown): void {
    if (!this.client.enabled) return;
    this.output = hold(value);
    this.size += this.output?.size ?? 0;
  }

  /** Tokens of a model call. */
  recordUsage(usage: Usage): void {
    guarded("recording usage", () => {
      const kept = { ...this.usage };
      for (const [name, field] of USAGE) {
        const value = usage?.[name];
        if (typeof value === "number" && value >= 0 && value <= 1e12) kept[field] = Math.floor(value);
      }
      if (typeof usage?.cost === "number" && usage.cost >= 0 && usage.cost < 9e9) kept.cost = usage.cost;
      this.usage = kept;
    });
  }

  /** A tool that a model asked for, or that was run. */
  recordToolCall(call: ToolCall): void {
    guarded("recording a tool call", () => {
      const plain = (value: unknown): unknown => JSON.parse(encode(value) ?? "null");
      const result = plain(call.result);
      const wrapped = result === null || (typeof result === "object" && !Array.isArray(result));
      const kept = {
        tool_name: String(call.toolName),
        ...(call.id ? { id: String(call.id) } : {}),
        arguments: plain(parsed(call.arguments)),
        result: wrapped ? result : { output: result },
        selected_from: (call.selectedFrom ?? []).map(String),
      };
      this.toolCalls = [...(this.toolCalls ?? []), kept];
      this.size += 256;
    });
  }

  /** The model that answered, or was asked. */
  setModel(model: string | undefined, provider?: string): void {
    if (model) this.model = String(model);
    if (provider) this.setField("provider", String(provider));
  }

  /** Anything else worth keeping, under a key of your own or of a known convention. */
  setAttribute(key: string, value: unknown): void {
    guarded("setting an attribute", () => {
      const text = encode(value);
      this.size += text?.length ?? 0;
      if (text !== undefined) this.attributes = { ...this.attributes, [key]: JSON.parse(text) as unknown };
    });
  }

  /** A field of the native API that has no method here, such as `response_id` or `session_id`. */
  setField(name: string, value: unknown): void {
    guarded("setting a field", () => {
      const text = encode(value);
      this.size += text?.length ?? 0;
      if (text !== undefined) this.fields = { ...this.fields, [name]: JSON.parse(text) as unknown };
    });
  }

  /** The tools a model was offered. */
  setTools(definitions: unknown): void {
    this.setAttribute("gen_ai.tool.definitions", definitions);
  }

  /** Failed, though nothing was thrown out of the step. */
  markFailed(error: unknown): void {
    guarded("marking a failure", () => {
      this.status = "error";
      if (error instanceof Error) {
        this.error = (error.message || error.name).slice(0, STACK_CHARS_MAX);
        const given = error.constructor?.name;
        this.errorType = given && given !== "Error" ? given : error.name;
        if (error.stack) this.setAttribute("exception.stacktrace", error.stack.slice(0, STACK_CHARS_MAX));
      } else {
        this.error = String(error).slice(0, STACK_CHARS_MAX);
      }
    });
  }

  /** A child that you end yourself. */
  startSpan(spanType: SpanType = "custom", name?: string): Span {
    return new Span(this.client, spanType, name ?? spanType, this.trace, this).begin();
  }

  /** A child that is open while `work` runs, and ends with it. */
  span<T>(spanType: SpanType, name: string, work: (span: Span) => T): T {
    return within(new Span(this.client, spanType, name, this.trace, this).begin(), work);
  }

  /** Ends it; with an error, as failed. */
  end(error?: unknown): void {
    guarded("ending a span", () => {
      if (this.endUs) return;
      if (error !== undefined) this.markFailed(error);
      if (this.status === "running") this.status = "ok";
      this.endUs = Math.max(nowUs(), this.startUs);
      if (this.trace.begun) this.client.delivery.ended(this);
    });
  }
}

/** Runs `work` with the span open; ends the span when the work or its promise is done, and gives back or
 * throws what the work does. */
export function within<S extends { end(error?: unknown): void }, T>(
  opened: S,
  work: (opened: S) => T,
  span: Span = opened as unknown as Span,
): T {
  return current.run(span, () => {
    let result: T;
    try {
      result = work(opened);
    } catch (error) {
      opened.end(error ?? "thrown without a reason");
      throw error;
    }
    if (result !== null && typeof result === "object" && typeof (result as { then?: unknown }).then === "function") {
      return (result as unknown as Promise<unknown>).then(
        (value) => {
          opened.end();
          return value;
        },
        (error: unknown) => {
          opened.end(error ?? "rejected without a reason");
          throw error;
        },
      ) as T;
    }
    opened.end();
    return result;
  });
}

function parsed(value: unknown): unknown {
  if (typeof value !== "string" || !/^[{[]/.test(value)) return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}
