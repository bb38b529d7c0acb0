// The client: opens traces and spans, hands them to delivery.

import { current } from "./context.js";
import { ask, type Decision, type Question } from "./decide.js";
import { Delivery, type Stats } from "./delivery.js";
import { warn } from "./faults.js";
import { newTraceId, usableId } from "./ids.js";
import { gather, type Options, type Settings } from "./settings.js";
import { Span, type SpanType, within } from "./span.js";
import { Trace } from "./trace.js";
import { encode } from "./values.js";

/** What a trace is opened with. */
export interface TraceOptions {
  agentName: string;
  modelId?: string;
  tags?: string[];
  metadata?: Record<string, unknown>;
  /** One of your own: up to 256 characters of `A-Z a-z 0-9 . _ : -`. */
  traceId?: string;
  version?: string;
  /** Nothing is sent unless a span is opened. */
  lazyStart?: boolean;
  sessionId?: string;
  userId?: string;
  environment?: string;
  input?: unknown;
}

/** One recorder and one key. Settings that cannot be used switch recording off, with a warning. */
export class Exhibit {
  readonly settings: Settings;
  /** @internal */
  readonly delivery: Delivery;
  /** @internal */
  readonly common: Record<string, string>;
  enabled: boolean;

  constructor(options: Options = {}) {
    try {
      this.settings = gather(options);
    } catch (error) {
      warn("settings", "nothing is recorded", error);
      this.settings = gather({ url: "http://127.0.0.1:3000", enabled: false });
      this.settings.enabled = false;
    }
    this.enabled = this.settings.enabled;
    const { environment, service, version } = this.settings;
    const given = Object.entries({ environment, service, version }).filter(([, value]) => value);
    this.common = Object.fromEntries(given) as Record<string, string>;
    this.delivery = new Delivery(this.settings);
    // Spans of a client that is switched off are made and never queued.
    if (!this.enabled) this.delivery.started = this.delivery.ended = () => undefined;
  }

  /** A run of an agent that you end yourself. */
  startTrace(options: TraceOptions): Trace {
    const given: Partial<TraceOptions> = options ?? {};
    const name = String(given.agentName ?? "agent");
    const id = usableId(given.traceId);
    const common: Record<string, string> = { ...this.common, agent_name: name };
    const root = new Span(this, "agent", name, undefined, undefined, given.modelId, {
      id: id ?? newTraceId(),
      common,
      lazy: given.lazyStart ?? false,
    });
    const trace = new Trace(root);
    try {
      root.trace.model = given.modelId;
      root.trace.share({
        version: given.version,
        session_id: given.sessionId,
        user_id: given.userId,
        environment: given.environment,
      });
      trace.addTags([...this.settings.tags, ...(given.tags ?? [])]);
      if (given.metadata) trace.addMetadata(given.metadata);
      if (given.traceId !== undefined && id === undefined) {
        trace.addMetadata({ requested_trace_id: String(given.traceId).slice(0, 512) });
      }
      if (given.input !== undefined) root.recordInput(given.input);
    } catch (error) {
      warn("opening a trace", "a trace is recorded in part", error);
    }
    root.begin();
    return trace;
  }

  /** A run of an agent: everything opened while `work` runs belongs to it. */
  agentTrace<T>(options: TraceOptions, work: (trace: Trace) => T): T {
    const trace = this.startTrace(options);
    return within(trace, work, trace.root);
  }

  /** A step that you end yourself. Its parent is the span that is open here; without one it is a trace of
   * its own. */
  startSpan(spanType: SpanType = "custom", name?: string): Span {
    return new Span(this, spanType, name ?? spanType, undefined, undefined).begin();
  }

  /** A step that is open while `work` runs. */
  span<T>(spanType: SpanType, name: string, work: (span: Span) => T): T {
    return within(this.startSpan(spanType, name), work);
  }

  /** The function, with each call a span with its arguments and result. */
  observe<A extends unknown[], R>(
    spanType: SpanType,
    work: (...args: A) => R,
    options: { name?: string; captureInput?: boolean; captureOutput?: boolean } = {},
  ): (...args: A) => R {
    const client = this;
    return function (this: unknown, ...args: A): R {
      return client.span(spanType, options.name ?? (work.name || spanType), (span) => {
        if (options.captureInput !== false) span.recordInput(args.length === 1 ? args[0] : args);
        const result = work.apply(this, args);
        if (options.captureOutput === false) return result;
        if (result !== null && typeof result === "object" && typeof (result as { then?: unknown }).then === "function") {
          return (result as unknown as Promise<unknown>).then((value) => {
            span.recordOutput(value);
            return value;
          }) as R;
        }
        span.recordOutput(result);
        return result;
      });
    };
  }

  /** Asks the rules before a model or tool is called. Never throws. */
  decide(question: Question): Promise<Decision> {
    const open = current.getStore()?.trace;
    const { agent_name: agent, environment, service, user_id: user, session_id: session } = open?.common ?? this.common;
    const tags = open?.tags.length ? open.tags : undefined;
    return ask(this.settings, question, {
      trace_id: open?.id,
      call: { agent, environment, service, user, session, tags },
    });
  }

  /** Waits until everything recorded before is durable, `timeoutMs` at most. False when it took longer, or
   * when spans were dropped or refused since the last flush; `stats()` says how many. In a serverless
   * function: `await client.flush()` before it returns. */
  flush(timeoutMs = 10_000): Promise<boolean> {
    return this.delivery.flush(timeoutMs);
  }

  /** Flushes, and records nothing more. */
  shutdown(timeoutMs = 10_000): Promise<boolean> {
    this.enabled = false;
    return this.delivery.shutdown(timeoutMs);
  }

  /** How many spans ended, were delivered, wait, were dropped or refused. */
  stats(): Stats {
    return this.delivery.stats();
  }
}

/** The JSON text of anything, as it would be recorded. */
export const encodeValue = encode;
