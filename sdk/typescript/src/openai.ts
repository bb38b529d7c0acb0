// Calls of the `openai` package: chat completions, responses, embeddings; plain and streamed.

import { client as usualClient, type Exhibit } from "./index.js";
import { guarded } from "./faults.js";
import { current } from "./context.js";
import { nowUs, type Span } from "./span.js";

type Json = Record<string, any>;

interface ApiPromise {
  responsePromise?: Promise<unknown>;
  parseResponse?: (...args: unknown[]) => Promise<unknown>;
  _thenUnwrap?: (transform: (data: unknown, props: unknown) => unknown) => unknown;
  asResponse?: () => Promise<unknown>;
}

interface Call {
  finish(span: Span, answer: Json): void;
  event(event: Json): void;
  finishStream(span: Span): void;
}

const observed = new WeakSet<object>();

/** Records every call of this client from now on. Gives the same client back, with its own type. */
export function observeOpenAI<C extends object>(openai: C, exhibit: Exhibit = usualClient()): C {
  const api = openai as unknown as { post?: (path: string, options?: unknown) => unknown; baseURL?: string };
  if (typeof api.post !== "function" || observed.has(openai)) return openai;
  observed.add(openai);
  const post = api.post;
  api.post = function (this: unknown, path: string, options?: unknown): unknown {
    const answer = post.call(this, path, options);
    guarded("recording a model call", () => listen(exhibit, String(api.baseURL ?? ""), path, options, answer as ApiPromise));
    return answer;
  };
  return openai;
}

function listen(exhibit: Exhibit, baseUrl: string, path: string, options: unknown, answer: ApiPromise): void {
  const { parseResponse: parse, _thenUnwrap: unwrap, asResponse } = answer;
  if (!exhibit.enabled || current.getStore()?.leaf || typeof parse !== "function") return;
  let open: [Span, Call] | undefined;
  const begun = Promise.resolve(options as { body?: Json } | undefined).then(
    (given) =>
      guarded("recording a model call", () => {
        const body = given?.body;
        if (body && typeof body === "object") open = begin(exhibit, providerOf(baseUrl), path, body);
      }),
    () => undefined,
  );
  let [parsing, seen] = [false, false];
  const see = (result: unknown) => {
    if (seen || open === undefined) return;
    seen = true;
    const [span, call] = open;
    guarded("recording an answer", () => {
      if (tapStream(result, span, call)) return;
      call.finish(span, result as Json);
      span.end();
    });
  };
  // The request itself may fail, whoever asks for the answer.
  answer.responsePromise?.catch(async (error: unknown) => {
    await begun;
    open?.[0].end(error);
  });
  answer.parseResponse = async (...args: unknown[]) => {
    parsing = true;
    await begun;
    try {
      const result = await parse.apply(answer, args);
      see(result);
      return result;
    } catch (error) {
      open?.[0].end(error);
      throw error;
    }
  };
  if (unwrap) {
    // Newer clients go round `parseResponse` here.
    answer._thenUnwrap = (transform) =>
      unwrap.call(answer, (data, props) => {
        see(data);
        return transform(data, props);
      });
  }
  if (asResponse) {
    answer.asResponse = async () => {
      const response = await asResponse.call(answer);
      await begun;
      // Alone, the bytes are the caller's to read.
      if (!parsing && !seen) open?.[0].end();
      return response;
    };
  }
}

function begin(exhibit: Exhibit, provider: string, path: string, body: Json): [Span, Call] | undefined {
  const model = body.model as string | undefined;
  let [kind, name, call, asked]: [string, string, Call, unknown] = ["llm", "chat", new Chat(), body.messages];
  if (path.endsWith("/responses")) {
    [name, call] = ["responses", new Responses()];
    asked = body.instructions ? { instructions: body.instructions, input: body.input } : body.input;
  } else if (path.endsWith("/embeddings")) {
    [kind, name, call, asked] = ["embedding", "embeddings", new Embeddings(), body.input];
  } else if (!path.endsWith("/chat/completions")) {
    return undefined;
  }
  const span = exhibit.startSpan(kind, model ? `${name} ${model}` : name);
  span.leaf = true;
  span.setModel(model, provider);
  span.recordInput(asked);
  if (body.tools) span.setTools(body.tools);
  const { model: _m, messages: _s, input: _i, instructions: _n, tools: _t, stream: _x, ...parameters } = body;
  if (Object.keys(parameters).length > 0) span.setField("parameters", parameters);
  return [span, call];
}

/** Listens to the events of a stream as its reader takes them. False when it is no stream. */
function tapStream(result: unknown, span: Span, call: Call): boolean {
  const stream = result as { iterator?: () => AsyncIterator<Json> } | null;
  const open = stream?.iterator;
  if (typeof open !== "function" || typeof (result as AsyncIterable<Json>)[Symbol.asyncIterator] !== "function") {
    return false;
  }
  stream!.iterator = function (this: unknown) {
    return tapped(open.call(this), span, call);
  };
  return true;
}

async function* tapped(inner: AsyncIterator<Json>, span: Span, call: Call): AsyncGenerator<Json> {
  let failure: unknown;
  try {
    for (;;) {
      const { done, value } = await inner.next();
      if (done) return;
      guarded("recording a stream", () => {
        if (span.fields?.ttft_ms === undefined) span.setField("ttft_ms", (nowUs() - span.startUs) / 1000);
        call.event(value);
      });
      yield value;
    }
  } catch (error) {
    failure = error ?? "the stream broke off";
    throw error;
  } finally {
    guarded("recording a stream", () => call.finishStream(span));
    span.end(failure);
    if (failure === undefined) await inner.return?.(undefined);
  }
}

const PROVIDERS: [string, string][] = [
  ["openai.azure.com", "azure.ai.openai"],
  ["groq.com", "groq"],
  ["deepseek.com", "deepseek"],
  ["mistral.ai", "mistral_ai"],
  ["x.ai", "x_ai"],
  ["openrouter.ai", "openrouter"],
  ["together.xyz", "together_ai"],
  ["fireworks.ai", "fireworks_ai"],
  ["perplexity.ai", "perplexity"],
  ["googleapis.com", "gcp.gemini"],
];

function providerOf(baseUrl: string): string {
  const host = /^\w+:\/\/([^/:]+)/.exec(baseUrl)?.[1] ?? "";
  return PROVIDERS.find(([suffix]) => host === suffix || host.endsWith(`.${suffix}`))?.[1] ?? "openai";
}

/** Usage of either API of OpenAI. */
export function recordOpenAIUsage(span: Span, usage: Json | null | undefined): void {
  if (!usage) return;
  const read = usage.prompt_tokens_details ?? usage.input_tokens_details ?? {};
  const told = usage.completion_tokens_details ?? usage.output_tokens_details ?? {};
  span.recordUsage({
    inputTokens: usage.prompt_tokens ?? usage.input_tokens,
    outputTokens: usage.completion_tokens ?? usage.output_tokens,
    totalTokens: usage.total_tokens,
    cacheReadTokens: read.cached_tokens,
    reasoningTokens: told.reasoning_tokens,
  });
}

function common(span: Span, answer: Json): void {
  span.setModel(answer.model as string | undefined);
  if (answer.id) span.setField("response_id", answer.id);
  if (answer.service_tier) span.setField("service_tier", answer.service_tier);
  recordOpenAIUsage(span, answer.usage as Json | undefined);
}

class Chat implements Call {
  private readonly answer: Json = {};
  private readonly choices: Json[] = [];

  finish(span: Span, answer: Json): void {
    const choices = (answer.choices ?? []) as Json[];
    const messages = choices.map((choice) => choice.message as unknown);
    span.recordOutput(messages.length === 1 ? messages[0] : messages);
    const reasons = choices.map((choice) => choice.finish_reason as unknown).filter(Boolean);
    if (reasons.length > 0) span.setField("finish_reason", reasons.length === 1 ? reasons[0] : reasons);
    common(span, answer);
  }

  event(event: Json): void {
    for (const key of ["id", "model", "service_tier", "usage"]) if (event[key]) this.answer[key] = event[key];
    for (const choice of (event.choices ?? []) as Json[]) {
      const kept = (this.choices[choice.index ?? 0] ??= { message: { role: "assistant", content: null } });
      const delta = (choice.delta ?? {}) as Json;
      for (const key of ["content", "refusal", "reasoning_content"]) {
        if (delta[key]) kept.message[key] = (kept.message[key] ?? "") + delta[key];
      }
      for (const part of (delta.tool_calls ?? []) as Json[]) {
        const calls = (kept.message.tool_calls ??= []) as Json[];
        const call = (calls[part.index ?? calls.length] ??= { type: "function", function: { name: "", arguments: "" } });
        if (part.id) call.id = part.id;
        call.function.name += part.function?.name ?? "";
        call.function.arguments += part.function?.arguments ?? "";
      }
      if (choice.finish_reason) kept.finish_reason = choice.finish_reason;
    }
  }

  finishStream(span: Span): void {
    this.finish(span, { ...this.answer, choices: this.choices.filter(Boolean) });
  }
}

class Responses implements Call {
  private last: Json = {};
  private text = "";

  finish(span: Span, answer: Json): void {
    span.recordOutput(answer.output);
    if (answer.status) span.setField("finish_reason", answer.status);
    if (answer.status === "failed") span.markFailed(answer.error?.message ?? "failed");
    common(span, answer);
  }

  event(event: Json): void {
    if (event.type === "response.output_text.delta") this.text += String(event.delta ?? "");
    if (event.response) this.last = event.response as Json;
  }

  finishStream(span: Span): void {
    this.finish(span, this.last);
    if (this.text && !this.last.output?.length) span.recordOutput(this.text);
  }
}

class Embeddings implements Call {
  finish(span: Span, answer: Json): void {
    // The vectors themselves can be made again; how many and how long they are is worth keeping.
    const data = (answer.data ?? []) as Json[];
    span.recordOutput({ embeddings: data.length, dimensions: data[0]?.embedding?.length ?? null });
    common(span, answer);
  }

  event(): void {}

  finishStream(): void {}
}
