// What can be set, where it comes from, and what holds without it.

/** Gets the name of a field (`input`, `output`, `tool_calls`, `metadata`, `attributes`, `error`) and its
 * value; gives back what may leave the process. When it throws, the value is withheld. */
export type Redact = (field: string, value: unknown) => unknown;

/** Everything a client can be told. Each also comes from `EXHIBIT_` and its name, as `EXHIBIT_API_KEY`. */
export interface Options {
  url?: string;
  apiKey?: string;
  enabled?: boolean;
  environment?: string;
  service?: string;
  version?: string;
  tags?: string[];
  /** False sends a salted hash and the length in place of prompts and other inputs. */
  storePrompts?: boolean;
  /** The same for responses and other outputs. */
  storeResponses?: boolean;
  hashSalt?: string;
  redact?: Redact;
  /** Ended spans that may wait; beyond it new ones are dropped and counted. */
  queueSpans?: number;
  /** Characters of content that may wait. */
  queueChars?: number;
  /** Spans of one request. */
  batchSpans?: number;
  /** Milliseconds that spans are gathered before they are sent. */
  intervalMs?: number;
  /** Milliseconds one request may take. */
  timeoutMs?: number;
  /** False sends spans only when they end. */
  live?: boolean;
  /** Another `fetch`, for tests and unusual runtimes. */
  fetch?: typeof fetch;
}

export type Settings = Required<Omit<Options, "apiKey" | "environment" | "service" | "version" | "hashSalt" | "redact">> &
  Pick<Options, "apiKey" | "environment" | "service" | "version" | "hashSalt" | "redact">;

export const DEFAULT_URL = "http://127.0.0.1:3000";

type Environment = Record<string, string | undefined>;

/** Options over the environment over defaults. Throws what cannot be used. */
export function gather(options: Options): Settings {
  const env: Environment = typeof process === "undefined" ? {} : (process.env as Environment);
  const text = (name: string) => env[`EXHIBIT_${name}`]?.trim() || undefined;
  const flag = (name: string) => {
    const word = text(name)?.toLowerCase();
    return word === undefined ? undefined : !["0", "false", "no", "off"].includes(word);
  };
  const url = (options.url ?? text("URL") ?? DEFAULT_URL).trim();
  const parsed = new URL(url.includes("://") ? url : `http://${url}`);
  if (!/^https?:$/.test(parsed.protocol)) throw new Error(`the address ${url} is not one like ${DEFAULT_URL}`);
  const settings: Settings = {
    url: parsed.href.replace(/\/+$/, ""),
    apiKey: options.apiKey ?? text("API_KEY"),
    enabled: options.enabled ?? !flag("DISABLED"),
    environment: options.environment ?? text("ENVIRONMENT"),
    service: options.service ?? text("SERVICE"),
    version: options.version ?? text("VERSION"),
    tags: options.tags ?? text("TAGS")?.split(",").map((tag) => tag.trim()) ?? [],
    storePrompts: options.storePrompts ?? flag("STORE_PROMPTS") ?? true,
    storeResponses: options.storeResponses ?? flag("STORE_RESPONSES") ?? true,
    hashSalt: options.hashSalt ?? text("HASH_SALT"),
    redact: options.redact,
    queueSpans: options.queueSpans ?? 100_000,
    queueChars: options.queueChars ?? 128 * 1024 * 1024,
    batchSpans: options.batchSpans ?? 500,
    intervalMs: options.intervalMs ?? 200,
    timeoutMs: options.timeoutMs ?? 10_000,
    live: options.live ?? true,
    fetch: options.fetch ?? ((...args: Parameters<typeof fetch>) => globalThis.fetch(...args)),
  };
  for (const name of ["queueSpans", "queueChars", "batchSpans", "timeoutMs"] as const) {
    if (!(settings[name] > 0)) throw new Error(`${name} must be above 0`);
  }
  return settings;
}
