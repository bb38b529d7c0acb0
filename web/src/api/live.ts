/** What is being recorded right now: one WebSocket for the page, resumed after a break. */
import { workspace } from "./client";
import type { SpanPreview, Trace } from "./types";

export type LiveSpan = Pick<
  SpanPreview,
  "span_id" | "parent_span_id" | "name" | "span_type" | "status" | "start_time" | "end_time" | "start_ns" | "end_ns"
> & { trace_id: string; duration_ms?: number | null; model?: string | null };

export type LiveEvent =
  | { type: "trace.created" | "trace.updated"; cursor: number; at: string; trace: Trace }
  | { type: "span.started" | "span.updated" | "span.ended"; cursor: number; at: string; trace_id: string; span: LiveSpan }
  | { type: `review.${string}`; cursor: number; at: string; trace_id: string }
  | { type: "system.lagged" };

export type LiveState = "connecting" | "open" | "lost";

const RETRY_MS = 1_000;
const RETRY_MAX_MS = 15_000;

class LiveFeed {
  private readonly listeners = new Set<(event: LiveEvent) => void>();
  private readonly watchers = new Set<() => void>();
  private socket: WebSocket | null = null;
  private cursor: number | undefined;
  private retry = RETRY_MS;
  private timer: ReturnType<typeof setTimeout> | undefined;
  state: LiveState = "connecting";

  /** Hears every event until the returned function is called. The first listener opens the socket. */
  listen(listener: (event: LiveEvent) => void): () => void {
    this.listeners.add(listener);
    if (!this.socket && this.timer === undefined) this.open();
    return () => {
      this.listeners.delete(listener);
      // Pages hand over to one another within a moment; only then is nobody listening any more.
      setTimeout(() => this.listeners.size === 0 && this.close(), 2_000);
    };
  }

  watchState = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  private set(state: LiveState) {
    this.state = state;
    for (const watcher of this.watchers) watcher();
  }

  private close() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.socket?.close();
    this.socket = null;
  }

  private open() {
    this.timer = undefined;
    const place = workspace.get();
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const query = place ? `?workspace=${encodeURIComponent(place)}` : "";
    const socket = new WebSocket(`${scheme}://${location.host}/ws${query}`);
    this.socket = socket;
    socket.onmessage = (message) => this.hear(socket, String(message.data));
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.set("lost");
      if (this.listeners.size === 0) return;
      this.timer = setTimeout(() => this.open(), this.retry);
      this.retry = Math.min(this.retry * 2, RETRY_MAX_MS);
    };
  }

  private hear(socket: WebSocket, text: string) {
    const event = JSON.parse(text) as LiveEvent | { type: "system.connected" | "system.error" };
    if (event.type === "system.connected") {
      this.retry = RETRY_MS;
      this.set("open");
      if (this.cursor !== undefined) socket.send(JSON.stringify({ type: "subscribe", after: this.cursor }));
      return;
    }
    if ("cursor" in event) this.cursor = event.cursor;
    if (event.type.startsWith("trace.") || event.type.startsWith("span.") || event.type.startsWith("review.") || event.type === "system.lagged") {
      for (const listener of [...this.listeners]) listener(event as LiveEvent);
    }
  }
}

export const live = new LiveFeed();
