// Exhibit: records what agents do, and never gets in their way.
//
//   import { init } from "@exhibit/sdk";
//   const client = init(); // EXHIBIT_URL, EXHIBIT_API_KEY
//   await client.agentTrace({ agentName: "support-bot" }, async (trace) => {
//     await trace.span("tool", "lookup", async (span) => span.recordInput({ customer: 7 }));
//   });
//
// Nothing here throws because of the recorder: when it is away, slow or broken, the application goes on,
// and what could not be delivered is counted in `client.stats()`.

import { Exhibit, type TraceOptions } from "./client.js";
import { current } from "./context.js";
import type { Decision, Question } from "./decide.js";
import type { Options } from "./settings.js";
import type { Span, SpanType } from "./span.js";
import type { Trace } from "./trace.js";

export { Exhibit, type TraceOptions } from "./client.js";
export type { Decision, Question } from "./decide.js";
export type { Stats } from "./delivery.js";
export type { Options, Redact } from "./settings.js";
export { Span, type SpanType, type ToolCall, type Usage } from "./span.js";
export { Trace } from "./trace.js";
export { VERSION } from "./version.js";

// Shared by every copy of this package in the process, ES module or CommonJS.
const PLACE = Symbol.for("@exhibit/sdk client 1");
const place = globalThis as unknown as Record<symbol, Exhibit | undefined>;

/** Makes the client that the functions of this module use, and gives it back. */
export function init(options: Options = {}): Exhibit {
  const previous = place[PLACE];
  const made = (place[PLACE] = new Exhibit(options));
  if (previous?.enabled) void previous.shutdown(2_000);
  return made;
}

/** The client of `init`; the first use without one makes it from the environment. */
export function client(): Exhibit {
  return place[PLACE] ?? init();
}

/** A run of an agent: everything opened while `work` runs belongs to it. */
export function agentTrace<T>(options: TraceOptions, work: (trace: Trace) => T): T {
  return client().agentTrace(options, work);
}

/** A run of an agent that you end yourself. */
export function startTrace(options: TraceOptions): Trace {
  return client().startTrace(options);
}

/** A step of whatever is open here, while `work` runs. */
export function span<T>(spanType: SpanType, name: string, work: (span: Span) => T): T {
  return client().span(spanType, name, work);
}

/** A step of whatever is open here that you end yourself. */
export function startSpan(spanType?: SpanType, name?: string): Span {
  return client().startSpan(spanType, name);
}

/** The function, with each call a span. May be used before `init`. */
export function observe<A extends unknown[], R>(
  spanType: SpanType,
  work: (...args: A) => R,
  options: { name?: string; captureInput?: boolean; captureOutput?: boolean } = {},
): (...args: A) => R {
  return function (this: unknown, ...args: A): R {
    return client().observe(spanType, work, options).apply(this, args);
  };
}

/** Asks the rules before a model or tool is called. */
export function decide(question: Question): Promise<Decision> {
  return client().decide(question);
}

/** The innermost open span. */
export function currentSpan(): Span | undefined {
  return current.getStore();
}

/** The id of the trace that is open here. */
export function currentTraceId(): string | undefined {
  return current.getStore()?.trace.id;
}

/** Waits until everything recorded before is durable. */
export function flush(timeoutMs = 10_000): Promise<boolean> {
  return place[PLACE]?.flush(timeoutMs) ?? Promise.resolve(true);
}

/** Flushes, and records nothing more. */
export function shutdown(timeoutMs = 10_000): Promise<boolean> {
  return place[PLACE]?.shutdown(timeoutMs) ?? Promise.resolve(true);
}
