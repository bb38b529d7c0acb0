// The Vercel AI SDK: a middleware for its models, and a cover for its tools.
//
//   import { wrapLanguageModel } from "ai";
//   const model = wrapLanguageModel({ model: openai("gpt-4o-mini"), middleware: exhibitMiddleware() });

import { client as usualClient, type Exhibit } from "./index.js";
import { guarded } from "./faults.js";
import { nowUs, type Span } from "./span.js";

type Json = Record<string, any>;

interface Wrapped {
  params: Json;
  model: { modelId: string; provider: string };
}

/** Records each call of the model it is given to. For AI SDK 5 and later. */
export function exhibitMiddleware(exhibit?: Exhibit) {
  const client = () => exhibit ?? usualClient();
  return {
    specificationVersion: "v3" as const,

    async wrapGenerate({ doGenerate, params, model }: Wrapped & { doGenerate: () => PromiseLike<any> }) {
      const span = begin(client(), params, model);
      let result: Json;
      try {
        result = await doGenerate();
      } catch (error) {
        span.end(error);
        throw error;
      }
      guarded("recording an answer", () => finish(span, result));
      span.end();
      return result as any;
    },

    async wrapStream({ doStream, params, model }: Wrapped & { doStream: () => PromiseLike<any> }) {
      const span = begin(client(), params, model);
      let result: Json;
      try {
        result = await doStream();
      } catch (error) {
        span.end(error);
        throw error;
      }
      return { ...result, stream: (result.stream as ReadableStream<Json>).pipeThrough(tap(span)) } as any;
    },
  };
}

/** The tools, with each call a span. */
export function observeTools<T extends Record<string, unknown>>(tools: T, exhibit?: Exhibit): T {
  const covered = Object.entries(tools).map(([name, tool]) => {
    const run = (tool as { execute?: (...args: unknown[]) => unknown }).execute;
    if (typeof run !== "function") return [name, tool];
    const execute = (input: unknown, options: unknown, ...more: unknown[]) =>
      (exhibit ?? usualClient()).span("tool", name, (span) => {
        span.recordInput(input);
        const id = (options as { toolCallId?: string } | undefined)?.toolCallId;
        if (id) span.setField("tool_call_id", id);
        const result = run.call(tool, input, options, ...more);
        if (typeof (result as PromiseLike<unknown> | undefined)?.then !== "function") {
          span.recordOutput(result);
          return result;
        }
        return (result as Promise<unknown>).then((value) => {
          span.recordOutput(value);
          return value;
        });
      });
    return [name, { ...(tool as object), execute }];
  });
  return Object.fromEntries(covered) as T;
}

function begin(client: Exhibit, params: Json, model: Wrapped["model"]): Span {
  const span = client.startSpan("llm", `chat ${model.modelId}`);
  guarded("recording a model call", () => {
    // `openai.responses` is one way to speak to `openai`.
    span.setModel(model.modelId, model.provider.split(".")[0]);
    span.leaf = true;
    span.recordInput(params.prompt);
    if (params.tools?.length) span.setTools(params.tools);
    const { temperature, topP, topK, maxOutputTokens, seed, stopSequences } = params;
    const asked = { temperature, top_p: topP, top_k: topK, max_tokens: maxOutputTokens, seed, stop: stopSequences };
    const given = Object.entries(asked).filter(([, value]) => value !== undefined);
    if (given.length > 0) span.setField("parameters", Object.fromEntries(given));
  });
  return span;
}

function finish(span: Span, result: Json): void {
  span.recordOutput({ role: "assistant", content: (result.content as Json[] | undefined)?.map(part) ?? [] });
  const reason = result.finishReason as { unified?: string } | string | undefined;
  if (reason) span.setField("finish_reason", typeof reason === "string" ? reason : reason.unified);
  span.setModel(result.response?.modelId as string | undefined);
  if (result.response?.id) span.setField("response_id", result.response.id);
  usage(span, result.usage as Json | undefined);
}

/** A part of an answer, in the shape that messages have everywhere. */
function part(one: Json): Json {
  if (one.type !== "tool-call") return one;
  let input = one.input as unknown;
  guarded("reading arguments", () => {
    if (typeof input === "string") input = JSON.parse(input) as unknown;
  });
  return { type: "tool-call", toolCallId: one.toolCallId, toolName: one.toolName, input };
}

function usage(span: Span, told: Json | undefined): void {
  if (!told) return;
  if (typeof told.inputTokens === "object" && told.inputTokens !== null) {
    const { inputTokens: read, outputTokens: written } = told;
    span.recordUsage({
      inputTokens: read.total,
      outputTokens: written?.total,
      cacheReadTokens: read.cacheRead,
      cacheWriteTokens: read.cacheWrite,
      reasoningTokens: written?.reasoning,
    });
  } else {
    span.recordUsage({
      inputTokens: told.inputTokens,
      outputTokens: told.outputTokens,
      totalTokens: told.totalTokens,
      cacheReadTokens: told.cachedInputTokens,
      reasoningTokens: told.reasoningTokens,
    });
  }
}

function tap(span: Span): TransformStream<Json, Json> {
  const content: Json[] = [];
  const texts = new Map<string, Json>();
  const result: Json = { content, response: {} };
  let failure: unknown;
  const note = (event: Json) => {
    switch (event.type) {
      case "text-delta":
      case "reasoning-delta": {
        if (span.fields?.ttft_ms === undefined) span.setField("ttft_ms", (nowUs() - span.startUs) / 1000);
        const key = `${event.type} ${event.id}`;
        let held = texts.get(key);
        if (held === undefined) {
          held = { type: event.type === "text-delta" ? "text" : "reasoning", text: "" };
          texts.set(key, held);
          content.push(held);
        }
        held.text += event.delta ?? event.textDelta ?? "";
        break;
      }
      case "tool-call":
        content.push(event);
        break;
      case "response-metadata":
        Object.assign(result.response as Json, event);
        break;
      case "finish":
        result.usage = event.usage;
        result.finishReason = event.finishReason;
        break;
      case "error":
        failure = event.error ?? "the stream broke off";
    }
  };
  const end = () => {
    guarded("recording a stream", () => finish(span, result));
    span.end(failure);
  };
  return new TransformStream<Json, Json>({
    transform(event, controller) {
      guarded("recording a stream", () => note(event));
      controller.enqueue(event);
    },
    flush: end,
    // Newer runtimes tell when the reader has had enough.
    cancel: end,
  } as Transformer<Json, Json>);
}
