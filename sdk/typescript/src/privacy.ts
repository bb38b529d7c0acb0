// What may leave the process: switched-off content becomes a salted hash, the rest passes the hook.

import { warn } from "./faults.js";
import type { Settings } from "./settings.js";

const WITHHELD = "withheld: the redaction hook failed";

/** Decides over one value at a time. */
export class Privacy {
  readonly active: boolean;
  private key: Promise<CryptoKey> | undefined;

  constructor(private readonly settings: Settings) {
    this.active = Boolean(settings.redact) || !settings.storePrompts || !settings.storeResponses;
  }

  /** Protects one record in place. */
  async protect(record: Record<string, unknown>): Promise<void> {
    const { storePrompts, storeResponses } = this.settings;
    const whole = storePrompts && storeResponses;
    if (record.input !== undefined) {
      record.input = storePrompts ? this.field("input", record.input) : await this.withheld(record.input);
    }
    if (record.output !== undefined) {
      record.output = storeResponses ? this.field("output", record.output) : await this.withheld(record.output);
    }
    if (Array.isArray(record.tool_calls)) {
      const calls = record.tool_calls as Record<string, unknown>[];
      for (const call of calls) {
        if (!storeResponses) call.arguments = await this.withheld(call.arguments);
        if (!storePrompts && call.result !== null) call.result = await this.withheld(call.result);
      }
      record.tool_calls = this.field("tool_calls", calls);
    }
    if (typeof record.error === "string") {
      // Messages of providers quote what they were sent.
      record.error = whole ? this.field("error", record.error) : `withheld, ${record.error.length} characters`;
      record.status_message = record.error;
    }
    if (record.attributes !== undefined) {
      const attributes = record.attributes as Record<string, unknown>;
      if (!whole) delete attributes["exception.stacktrace"];
      record.attributes = this.field("attributes", attributes);
    }
    if (record.metadata !== undefined) record.metadata = this.field("metadata", record.metadata);
  }

  /** Through the hook. When it fails, the value is withheld, never sent as it was. */
  field(name: string, value: unknown): unknown {
    if (!this.settings.redact || value === undefined || value === null) return value;
    try {
      return this.settings.redact(name, value) ?? null;
    } catch (error) {
      warn("redact", "the redaction hook failed; the value is withheld", error);
      return name === "error" ? WITHHELD : { withheld: WITHHELD };
    }
  }

  /** Its HMAC-SHA-256 under the salt, and its length in bytes: a text as it is, else sorted JSON. */
  private async withheld(value: unknown): Promise<unknown> {
    if (value === null || value === undefined) return value;
    const data = new TextEncoder().encode(typeof value === "string" ? value : sorted(value));
    this.key ??= this.importSalt();
    const digest = new Uint8Array(await crypto.subtle.sign("HMAC", await this.key, data));
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return { withheld: true, hmac_sha256: hex, length: data.length };
  }

  private importSalt(): Promise<CryptoKey> {
    const salt = this.settings.hashSalt;
    // Without a salt of its own nobody can test guesses, and processes cannot be compared.
    const bytes = salt ? new TextEncoder().encode(salt) : crypto.getRandomValues(new Uint8Array(32));
    return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  }
}

function sorted(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : inner,
  );
}
