// A trace: one run of an agent, with the span that is its root. No method throws.

import { encode } from "./values.js";
import { guarded } from "./faults.js";
import { Span, type SpanType, within } from "./span.js";

/** The handle of a trace. */
export class Trace {
  /** @internal */
  constructor(readonly root: Span) {}

  /** The id by which the trace is found everywhere. */
  get id(): string {
    return this.root.trace.id;
  }

  /** The agent it is a run of. */
  get agentName(): string | undefined {
    return this.root.trace.common.agent_name;
  }

  /** More tags. */
  addTags(tags: string[]): void {
    guarded("adding tags", () => {
      const state = this.root.trace;
      state.tags = [...new Set([...state.tags, ...tags.map(String)])];
    });
  }

  /** More metadata; a key that is there is replaced. */
  addMetadata(metadata: Record<string, unknown>): void {
    guarded("adding metadata", () => {
      const state = this.root.trace;
      const kept = JSON.parse(encode(metadata) ?? "{}") as Record<string, unknown>;
      state.metadata = { ...state.metadata, ...kept };
    });
  }

  /** How it went. It stands as the trace's output where none was recorded. */
  setSummary(summary: unknown): void {
    if (this.root.output === undefined) this.root.recordOutput(summary);
    else this.root.setAttribute("summary", summary);
  }

  /** Whom it is for, and in which conversation. Counts for spans that end from now on. */
  setUser(userId: string, sessionId?: string): void {
    guarded("setting a user", () => this.root.trace.share({ user_id: userId, session_id: sessionId }));
  }

  /** What the run was asked. */
  recordInput(value: unknown): void {
    this.root.recordInput(value);
  }

  /** What the run gave back. */
  recordOutput(value: unknown): void {
    this.root.recordOutput(value);
  }

  /** A step that you end yourself: child of the span that is open here, else of the root. */
  startSpan(spanType: SpanType = "custom", name?: string): Span {
    return new Span(this.root.client, spanType, name ?? spanType, this.root.trace, undefined).begin();
  }

  /** A step that is open while `work` runs. */
  span<T>(spanType: SpanType, name: string, work: (span: Span) => T): T {
    return within(this.startSpan(spanType, name), work);
  }

  /** Failed, though nothing was thrown out of it. */
  markFailed(error: unknown = "failed"): void {
    this.root.markFailed(error);
  }

  /** Ends it. A lazy trace in which nothing happened is never told. */
  end(error?: unknown): void {
    this.root.end(error);
  }
}
