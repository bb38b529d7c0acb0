// From ended spans to a recorder that has them: a bounded queue, emptied by a timer that keeps no process
// alive. What cannot wait is dropped and counted; sequence numbers show that there was more.

import { guarded, warn } from "./faults.js";
import { newSourceId } from "./ids.js";
import { Privacy } from "./privacy.js";
import type { Settings } from "./settings.js";
import { resyncClock, type Span } from "./span.js";
import { VERSION } from "./version.js";

const PATH = "/api/v1/ingest/spans";
const ANNOUNCEMENTS_MAX = 4_096;
const BATCH_CHARS = 4 * 1024 * 1024;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 30_000;
/** How often a batch is tried that the recorder fails on (500) rather than refuses. */
const FAULTS_MAX = 6;
const COMPRESS_FROM = 2_048;
const BUSY = new Set([408, 425, 429, 500, 502, 503, 504, 507]);

/** What became of the spans of this process. */
export interface Stats {
  ended: number;
  /** Acknowledged by the recorder as durable. */
  delivered: number;
  waiting: number;
  dropped: number;
  /** Refused by the recorder. */
  rejected: number;
}

type Answer = { status: number; text: string; retryAfterMs: number };

const all = new Set<WeakRef<Delivery>>();

/** A program that ends by itself is kept until what it recorded is delivered, five seconds at most. */
function deliverAtEnd(delivery: Delivery): void {
  if (typeof process === "undefined" || typeof process.once !== "function") return;
  if (all.size === 0) {
    process.once("beforeExit", () => {
      for (const held of all) void held.deref()?.flush(5_000);
    });
  }
  for (const held of all) if (held.deref() === undefined) all.delete(held);
  all.add(new WeakRef(delivery));
}

/** Takes ended spans; delivers them. */
export class Delivery {
  readonly source = newSourceId();
  private ends: Span[] = [];
  private starts: Span[] = [];
  private chars = 0;
  private counts = { ended: 0, delivered: 0, dropped: 0, rejected: 0 };
  /** The sequence number of the first span on its way. */
  private inHand = 0;
  /** Losses that a flush has told of. */
  private told = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private working: Promise<void> | undefined;
  private hurried = 0;
  private stopped = false;
  private readonly privacy: Privacy;

  constructor(private readonly settings: Settings) {
    this.privacy = new Privacy(settings);
    deliverAtEnd(this);
  }

  /** Announces a running span, soon, unless it ends before. */
  started(span: Span): void {
    if (!this.settings.live || this.stopped || this.starts.length >= ANNOUNCEMENTS_MAX) return;
    this.starts.push(span);
    this.schedule();
  }

  /** Queues an ended span. */
  ended(span: Span): void {
    span.sequence = ++this.counts.ended;
    const full = this.ends.length >= this.settings.queueSpans || this.chars + span.size > this.settings.queueChars;
    if (this.stopped || full) {
      this.counts.dropped++;
      warn("dropped", "the queue is full; spans are dropped and counted");
      return;
    }
    this.ends.push(span);
    this.chars += span.size;
    this.schedule();
  }

  private schedule(): void {
    if (this.timer !== undefined || this.working !== undefined) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.work();
    }, this.settings.intervalMs);
    (this.timer as { unref?: () => void }).unref?.();
  }

  stats(): Stats {
    const { ended, delivered, dropped, rejected } = this.counts;
    return { ended, delivered, dropped, rejected, waiting: ended - delivered - dropped - rejected };
  }

  /** Waits until everything ended before is settled, `timeoutMs` at most. False when the time was too
   * short, or when spans were lost since the last flush told so. */
  async flush(timeoutMs: number): Promise<boolean> {
    const target = this.counts.ended;
    this.hurried++;
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)));
      const until = Date.now() + timeoutMs;
      while (this.unsettled(target) && !this.stopped && Date.now() < until) {
        await Promise.race([this.work(), late]);
      }
      const lost = this.counts.dropped + this.counts.rejected;
      const complete = !this.unsettled(target) && lost === this.told;
      this.told = lost;
      return complete;
    } catch (error) {
      warn("flush", "flushing failed", error);
      return false;
    } finally {
      clearTimeout(timer);
      this.hurried--;
    }
  }

  private unsettled(target: number): boolean {
    const oldest = this.inHand || this.ends[0]?.sequence || Infinity;
    return oldest <= target || (this.starts.length > 0 && this.working === undefined);
  }

  /** Flushes, and takes nothing more. */
  async shutdown(timeoutMs: number): Promise<boolean> {
    const done = await this.flush(timeoutMs);
    this.stopped = true;
    clearTimeout(this.timer);
    return done;
  }

  /** Delivers what waits; one at a time. */
  private work(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.working ??= this.empty().finally(() => {
      this.working = undefined;
      if (!this.stopped && (this.ends.length > 0 || this.starts.length > 0)) this.schedule();
    });
    return this.working;
  }

  private async empty(): Promise<void> {
    try {
      resyncClock();
      while ((this.ends.length > 0 || this.starts.length > 0) && !this.stopped) {
        const records: string[] = [];
        this.inHand = this.ends[0]?.sequence ?? 0;
        const ends = await this.takeEnds(records);
        await this.takeStarts(records);
        if (records.length > 0) await this.deliver(records, ends);
      }
    } catch (error) {
      warn("delivery", "delivering failed", error);
    } finally {
      this.inHand = 0;
    }
  }

  private async takeEnds(records: string[]): Promise<number> {
    let chars = 0;
    let taken = 0;
    while (taken < this.ends.length && taken < this.settings.batchSpans && chars < BATCH_CHARS) {
      const span = this.ends[taken++]!;
      this.chars -= span.size;
      try {
        const text = this.privacy.active ? await this.guardedRecord(span, true) : recordText(span, this.source, true);
        chars += text.length;
        records.push(text);
      } catch (error) {
        warn("encoding", "a span cannot be encoded; it is dropped", error);
        this.counts.dropped++;
      }
    }
    this.ends.splice(0, taken);
    return records.length;
  }

  private async takeStarts(records: string[]): Promise<void> {
    const starts = this.starts;
    this.starts = [];
    for (const span of starts) {
      if (span.endUs) continue;
      try {
        records.push(
          this.privacy.active ? await this.guardedRecord(span, false) : recordText(span, this.source, false),
        );
      } catch (error) {
        warn("encoding", "a running span cannot be encoded", error);
      }
    }
  }

  private async guardedRecord(span: Span, ended: boolean): Promise<string> {
    const record = JSON.parse(recordText(span, this.source, ended)) as Record<string, unknown>;
    await this.privacy.protect(record);
    return JSON.stringify(record);
  }

  /** Until the recorder has them or refuses them. The first `ends` of the records count. */
  private async deliver(records: string[], ends: number): Promise<void> {
    let wait = FIRST_RETRY_MS;
    for (let faults = 0; ; ) {
      const answer = await this.post(`{"batch":[${records.join(",")}]}`);
      if (answer !== undefined && !BUSY.has(answer.status)) return this.judge(answer, records, ends);
      if (answer?.status === 500 && ++faults >= FAULTS_MAX) break;
      if (answer !== undefined) warn(`busy ${answer.status}`, `the recorder answered ${answer.status}; spans wait`);
      else if (ends === 0) return; // nobody is there to watch them run
      const least = answer?.retryAfterMs ?? 0;
      await this.pause(Math.max(wait * (0.8 + 0.4 * Math.random()), least), least);
      wait = Math.min(wait * 2, LAST_RETRY_MS);
      if (this.stopped) break;
    }
    this.counts.dropped += ends;
  }

  /** Somebody who waits for a flush is spared our patience, not the recorder's wish. */
  private async pause(ms: number, least: number): Promise<void> {
    const began = Date.now();
    while (!this.stopped) {
      const wanted = this.hurried > 0 ? Math.max(least, Math.min(ms, FIRST_RETRY_MS)) : ms;
      const left = began + wanted - Date.now();
      if (left <= 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 100));
        if (this.hurried === 0) (timer as { unref?: () => void }).unref?.();
      });
    }
  }

  private async judge(answer: Answer, records: string[], ends: number): Promise<void> {
    const { status } = answer;
    if (status >= 200 && status < 300) {
      this.counts.delivered += ends;
      return;
    }
    const refused = status === 422 ? refusedOf(answer.text) : undefined;
    if (refused !== undefined) {
      const lost = refused.filter((index) => index < ends).length;
      warn("refused", `the recorder refused ${refused.length} spans: ${why(answer.text)}`);
      this.counts.rejected += lost;
      this.counts.delivered += ends - lost;
    } else if ((status === 400 || status === 413 || status === 422) && records.length > 1) {
      // One of them spoils the batch, or it is too large: the halves tell which.
      const half = records.length >> 1;
      await this.deliver(records.slice(0, half), Math.min(ends, half));
      await this.deliver(records.slice(half), Math.max(0, ends - half));
    } else {
      warn(`refused ${status}`, `${this.settings.url} answered ${status}: ${why(answer.text)}`);
      this.counts.rejected += ends;
    }
  }

  private async post(body: string): Promise<Answer | undefined> {
    const { url, apiKey, timeoutMs, fetch } = this.settings;
    try {
      const headers: Record<string, string> = { "content-type": "application/json", "user-agent": `exhibit-js/${VERSION}` };
      if (apiKey) headers.authorization = `Bearer ${apiKey.replace(/[^\x21-\x7e]/g, "")}`;
      let payload: BodyInit = body;
      if (body.length >= COMPRESS_FROM && typeof CompressionStream !== "undefined") {
        const packed = new Blob([body]).stream().pipeThrough(new CompressionStream("gzip"));
        payload = await new Response(packed).arrayBuffer();
        headers["content-encoding"] = "gzip";
      }
      const response = await fetch(url + PATH, {
        method: "POST",
        headers,
        body: payload,
        signal: AbortSignal.timeout(timeoutMs),
      });
      const text = await response.text();
      return { status: response.status, text, retryAfterMs: retryAfterMs(response.headers.get("retry-after")) };
    } catch (error) {
      warn("away", `no answer from ${url} (${String(error)}); spans wait`);
      return undefined;
    }
  }
}

/** One record of `POST /api/v1/ingest/spans`. */
export function recordText(span: Span, source: string, ended: boolean): string {
  const { trace } = span;
  const head: Record<string, unknown> = {
    trace_id: trace.id,
    span_id: span.id,
    parent_span_id: span.parentId,
    name: span.name,
    span_type: span.spanType,
    start_time: span.startUs,
    status: ended ? span.status : "running",
    model: span.model ?? (span.spanType === "llm" ? trace.model : undefined),
    ...span.usage,
    tool_calls: span.toolCalls,
    error_type: span.errorType,
    attributes: span.attributes,
  };
  if (ended) {
    head.end_time = span.endUs;
    head.source = source;
    head.sequence = span.sequence;
    head.error = span.error;
    head.status_message = span.error;
  }
  if (span.spanType === "tool") head.tool_name = span.name;
  if (trace.root === span) {
    if (trace.tags.length > 0) head.tags = trace.tags;
    if (Object.keys(trace.metadata).length > 0) head.metadata = trace.metadata;
  }
  let shared = trace.commonText;
  if (span.fields !== undefined) {
    Object.assign(head, span.fields);
    const kept = Object.entries(trace.common).filter(([name]) => !(name in span.fields!));
    shared = JSON.stringify(Object.fromEntries(kept)).slice(1, -1);
  }
  let text = JSON.stringify(head).slice(0, -1);
  if (shared) text += `,${shared}`;
  if (span.input !== undefined) text += `,"input":${span.input.text}`;
  if (span.output !== undefined && ended) text += `,"output":${span.output.text}`;
  return `${text}}`;
}

function refusedOf(text: string): number[] | undefined {
  try {
    const { rejected } = JSON.parse(text) as { rejected?: { index: number }[] };
    return Array.isArray(rejected) ? rejected.map((one) => Number(one.index)) : undefined;
  } catch {
    return undefined;
  }
}

function why(text: string): string {
  let said = text;
  guarded("reading an answer", () => {
    if (text.startsWith("{")) said = String((JSON.parse(text) as { detail?: unknown }).detail ?? text);
  });
  return said.slice(0, 500);
}

function retryAfterMs(header: string | null): number {
  if (!header) return 0;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), 300_000) : 0;
}
