import type { Options, Stats } from "@exhibit/sdk";

export interface AitracerOptions extends Omit<Options, "url"> {
  /** Where the recorder is. */
  baseUrl?: string;
  /** The workspace key, `akt_…`; never a provider's. */
  apiKey?: string;
  environment?: string;
}

/** Sends every trace of the OpenAI Agents SDK to the recorder. Call it once at start. */
export function registerAitracerTracing(options?: AitracerOptions): {
  /** Waits until everything is durable; for serverless functions. */
  flush(timeoutMs?: number): Promise<boolean>;
  stats(): Stats;
};
