import type { Options, ToolCall } from "@exhibit/sdk";

export interface RecordedCall {
  model?: string;
  input?: unknown;
  output?: unknown;
  metadata?: Record<string, unknown>;
  inputTokens?: number;
  outputTokens?: number;
  /** US dollars. */
  cost?: number;
  toolCalls?: ToolCall[];
  traceId?: string;
  userId?: string;
}

export class AITracer {
  constructor(options?: Omit<Options, "url"> & { baseUrl?: string });
  /** Records one call of a model as a trace of its own. The id holds at once. */
  trace(call: RecordedCall): { id: string };
  /** Waits until everything is durable. */
  flush(timeoutMs?: number): Promise<boolean>;
}
