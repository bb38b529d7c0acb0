// The OpenAI Agents SDK for JavaScript: its traces and spans, through its own processor interface.
//
//   import { addTraceProcessor } from "@openai/agents";
//   addTraceProcessor(new ExhibitTracingProcessor());

import { client as usualClient, type Exhibit } from "./index.js";
import { guarded } from "./faults.js";
import { usableId } from "./ids.js";
import { recordOpenAIUsage } from "./openai.js";
import { Span } from "./span.js";
import type { Trace } from "./trace.js";

type Json = Record<string, any>;

/** What is read of its traces. */
export interface AgentsTrace {
  traceId: string;
  name: string;
  groupId?: string | null;
  metadata?: Record<string, unknown>;
}

/** What is read of its spans. */
export interface AgentsSpan {
  traceId: string;
  spanId: string;
  parentId: string | null;
  spanData: Json;
  error: { message: string; data?: Record<string, unknown> } | null;
}

const KINDS: Record<string, string> = {
  agent: "agent",
  task: "chain",
  turn: "chain",
  function: "tool",
  generation: "llm",
  response: "llm",
  handoff: "handoff",
  guardrail: "guardrail",
  mcp_tools: "tool",
  transcription: "llm",
  speech: "llm",
  speech_group: "chain",
};

/** Add it with `addTraceProcessor`. */
export class ExhibitTracingProcessor {
  private readonly traces = new Map<string, Trace>();
  private readonly spans = new Map<string, Span>();

  constructor(public exhibit: Exhibit = usualClient()) {}

  async onTraceStart(trace: AgentsTrace): Promise<void> {
    guarded("recording a trace of the Agents SDK", () => {
      const opened = this.exhibit.startTrace({
        agentName: trace.name,
        traceId: usableId(trace.traceId),
        sessionId: trace.groupId ?? undefined,
        metadata: trace.metadata,
      });
      this.traces.set(trace.traceId, opened);
    });
  }

  async onTraceEnd(trace: AgentsTrace): Promise<void> {
    this.traces.get(trace.traceId)?.end();
    this.traces.delete(trace.traceId);
  }

  async onSpanStart(span: AgentsSpan): Promise<void> {
    guarded("recording a span of the Agents SDK", () => {
      const trace = this.traces.get(span.traceId);
      if (trace === undefined) return;
      const data = span.spanData;
      const kind = KINDS[data.type as string] ?? "custom";
      const parent = (span.parentId && this.spans.get(span.parentId)) || trace.root;
      const opened = new Span(this.exhibit, kind, nameOf(data), trace.root.trace, parent).begin();
      opened.leaf = kind === "llm";
      this.spans.set(span.spanId, opened);
    });
  }

  async onSpanEnd(span: AgentsSpan): Promise<void> {
    const opened = this.spans.get(span.spanId);
    this.spans.delete(span.spanId);
    if (opened === undefined) return;
    guarded("recording a span of the Agents SDK", () => {
      fill(opened, span.spanData);
      const root = this.traces.get(span.traceId)?.root;
      if (root !== undefined && opened.spanType === "llm") {
        // The first question and the last answer are the trace's own.
        root.input ??= opened.input;
        root.output = opened.output ?? root.output;
      }
    });
    const { error } = span;
    opened.end(error ? `${error.message}${error.data ? `: ${JSON.stringify(error.data)}` : ""}` : undefined);
  }

  async forceFlush(): Promise<void> {
    await this.exhibit.flush(5_000);
  }

  async shutdown(timeout?: number): Promise<void> {
    await this.exhibit.flush(timeout ?? 5_000);
  }
}

function nameOf(data: Json): string {
  if (data.type === "handoff") return data.to_agent ? `handoff to ${data.to_agent}` : "handoff";
  if (data.type === "turn") return `turn ${data.turn}`;
  return String(data.name ?? data.type);
}

function fill(span: Span, data: Json): void {
  switch (data.type) {
    case "response": {
      const answer = (data._response ?? {}) as Json;
      const asked = data._input as unknown;
      span.recordInput(answer.instructions ? { instructions: answer.instructions, input: asked } : asked);
      span.recordOutput(answer.output);
      span.setModel(answer.model as string | undefined, "openai");
      if (answer.model) span.name = `response ${answer.model}`;
      const id = (answer.id ?? data.response_id) as unknown;
      if (id) span.setField("response_id", id);
      if (answer.status) span.setField("finish_reason", answer.status);
      if (answer.tools) span.setTools(answer.tools);
      recordOpenAIUsage(span, answer.usage as Json);
      break;
    }
    case "generation": {
      span.recordInput(data.input);
      const output = data.output as unknown[] | undefined;
      const only = (output?.length === 1 ? output[0] : undefined) as Json | undefined;
      // A whole completion stands in for its message.
      span.recordOutput(only ?? output);
      span.setModel((only?.model ?? data.model) as string | undefined);
      if (data.model) span.name = `generation ${data.model}`;
      if (only?.id) span.setField("response_id", only.id);
      if (data.model_config) span.setField("parameters", data.model_config);
      recordOpenAIUsage(span, (only?.usage ?? data.usage) as Json);
      break;
    }
    case "function":
      span.recordInput(parsed(data.input));
      span.recordOutput(data.output);
      break;
    case "agent":
      span.setField("agent_name", data.name);
      for (const key of ["handoffs", "tools", "output_type"]) if (data[key]) span.setAttribute(key, data[key]);
      break;
    case "handoff":
      span.recordInput({ from: data.from_agent });
      span.recordOutput({ to: data.to_agent });
      break;
    case "guardrail":
      span.recordOutput({ triggered: data.triggered });
      break;
    case "custom":
      span.recordInput(data.data);
      break;
    case "task":
    case "turn":
      // Their usage is the sum of what is inside.
      break;
    default: {
      const { type: _type, ...rest } = data;
      for (const [key, value] of Object.entries(rest)) span.setAttribute(key, value);
    }
  }
}

function parsed(text: unknown): unknown {
  try {
    return typeof text === "string" ? (JSON.parse(text) as unknown) : text;
  } catch {
    return text;
  }
}
