// Asking the recorder's rules before acting.

import { warn } from "./faults.js";
import { Privacy } from "./privacy.js";
import type { Settings } from "./settings.js";
import { encode } from "./values.js";

const PATH = "/api/v1/govern/decide";

/** What is about to happen. */
export interface Question {
  input?: unknown;
  model?: string;
  provider?: string;
  tool?: string;
  arguments?: unknown;
  workflow?: string;
  /** US dollars spent so far. */
  costSoFar?: number;
  /** What holds when the rules cannot be asked: `open` (the default) goes on, `closed` blocks. */
  fail?: "open" | "closed";
  timeoutMs?: number;
}

/** What the rules say about a step that has not happened yet. */
export interface Decision {
  /** `allow`, `tag`, `notify`, `redact`, `flag`, `review`, `quarantine` or `block`. */
  action: string;
  allowed: boolean;
  /** The input (without one, the arguments) to go on with: redacted where a rule says so, else as given. */
  input: unknown;
  reason?: string;
  findings: Record<string, unknown>[];
  evaluations: Record<string, unknown>[];
  /** False when the rules could not be asked and `fail` decided. */
  asked: boolean;
}

/** Asks. Never throws. */
export async function ask(
  settings: Settings,
  question: Question,
  context: { trace_id?: string | undefined; call: Record<string, unknown> },
): Promise<Decision> {
  const unasked = (reason: string): Decision => ({
    action: question.fail === "closed" ? "block" : "allow",
    allowed: question.fail !== "closed",
    input: question.input,
    reason,
    findings: [],
    evaluations: [],
    asked: false,
  });
  try {
    const { input, model, provider, tool, workflow, costSoFar, timeoutMs } = question;
    const both = input !== undefined && question.arguments !== undefined;
    const whole = both ? { input, arguments: question.arguments } : (input ?? question.arguments);
    // The rules judge what would be sent to a model, so switched-off storage does not apply.
    const given = new Privacy(settings).field("input", JSON.parse(encode(whole) ?? "null") as unknown);
    const metadata = workflow === undefined ? undefined : { workflow };
    const kind = tool === undefined ? undefined : "tool";
    const call = { ...context.call, model, provider, tool, kind, metadata, input: given };
    const body = encode({ call, trace_id: context.trace_id, trace_cost_usd: costSoFar }) ?? "{}";
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (settings.apiKey) headers.authorization = `Bearer ${settings.apiKey}`;
    const signal = AbortSignal.timeout(timeoutMs ?? 2_000);
    const response = await settings.fetch(settings.url + PATH, { method: "POST", headers, body, signal });
    if (response.status !== 200) {
      await response.body?.cancel();
      warn(`decide ${response.status}`, `the rules answered ${response.status}`);
      return unasked(`the rules answered ${response.status}`);
    }
    const said = (await response.json()) as Record<string, unknown>;
    return read((said.data ?? said) as Record<string, unknown>, question, both);
  } catch (error) {
    warn("decide", "the rules cannot be asked", error);
    return unasked("the rules cannot be asked");
  }
}

function read(said: Record<string, unknown>, question: Question, both: boolean): Decision {
  const action = String(said.decision ?? "allow");
  const list = (value: unknown) => (Array.isArray(value) ? (value as Record<string, unknown>[]) : []);
  const reason = list(said.messages).join("; ");
  let kept = said.redacted ? said.input : undefined;
  if (both && typeof kept === "object" && kept !== null) kept = (kept as Record<string, unknown>).input;
  return {
    action,
    allowed: typeof said.allowed === "boolean" ? said.allowed : action !== "block" && action !== "quarantine",
    input: kept ?? question.input ?? question.arguments,
    ...(reason ? { reason } : {}),
    findings: list(said.findings),
    evaluations: list(said.evaluations),
    asked: true,
  };
}
