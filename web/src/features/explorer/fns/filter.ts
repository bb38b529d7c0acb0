/** Writing filters: completion at the cursor, and terms that cells and facets add. */

const VALUES: Record<string, string[]> = {
  status: ["running", "ok", "error", "incomplete"],
  kind: ["agent", "llm", "tool", "chain", "retriever", "embedding", "reranker", "guardrail", "evaluator", "custom"],
  verdict: ["pass", "warning", "fail", "review", "quarantined"],
  category: ["pii", "secret", "injection", "term"],
  review: ["waiting", "open", "claimed", "approved", "rejected", "escalated", "expired", "closed"],
  cost_source: ["agent", "table", "default", "none"],
  sealed: ["true", "false"],
  time: ["-1h", "-24h", "-7d"],
  latency: ["1s", "10s", "1m"],
  cost: ["0.01", "0.1", "1"],
};

export const FIELDS: [name: string, what: string][] = [
  ["status", "running, ok, error, incomplete"], ["verdict", "how it stands with the rules"],
  ["rule", "that spoke against it"], ["category", "of findings"], ["review", "how it stands"],
  ["agent", ""], ["model", "of any span"], ["kind", "of any span"], ["tool", "of any span"],
  ["provider", "of any span"], ["user", ""], ["session", ""], ["environment", ""], ["service", ""],
  ["version", ""], ["name", ""], ["id", ""], ["tag", ""], ["cost", "US dollars"], ["cost_source", "agent, table, default, none"],
  ["latency", "200ms, 1.5s, 2m"], ["tokens", ""], ["tokens_in", ""], ["tokens_out", ""], ["spans", ""],
  ["errors", ""], ["findings", ""], ["time", "-7d, 2026-11-21"], ["sealed", "true, false"], ["metadata.", "metadata.<key>"],
];

export interface Suggestion {
  text: string;
  hint: string;
  /** What it replaces. */
  from: number;
  to: number;
}

const ORDERED = new Set(["cost", "latency", "tokens", "tokens_in", "tokens_out", "spans", "errors", "findings", "time"]);
const OPERATORS = ["=", "!=", "~", ">", ">=", "<", "<="];

/** What may stand at the cursor. `known` are values that facets have found. */
export function complete(text: string, at: number, known: Record<string, string[]> = {}): Suggestion[] {
  const before = text.slice(0, at);
  if ((before.match(/(?<!\\)"/g) ?? []).length % 2 === 1 && !/[=~<>]\s*"[^"]*$/.test(before)) return [];
  const value = /(?:^|[\s(])([a-z_.]+)\s*(!=|>=|<=|=|~|>|<)\s*("?)([^\s"()]*)$/i.exec(before);
  if (value) {
    const [, field = "", , , typed = ""] = value;
    const from = at - typed.length - (value[3] ? 1 : 0);
    const all = [...new Set([...(VALUES[field] ?? []), ...(known[field] ?? [])])];
    return all
      .filter((v) => v.toLowerCase().includes(typed.toLowerCase()) && v !== typed)
      .slice(0, 8)
      .map((v) => ({ text: `${quoteIfNeeded(v)} `, hint: field, from, to: at }));
  }
  const operator = /(?:^|[\s(])([a-z_]+)\s+$/i.exec(before);
  if (operator && FIELDS.some(([name]) => name === operator[1])) {
    const field = operator[1] as string;
    return OPERATORS.filter((op) => ORDERED.has(field) === /[<>]/.test(op) || op === "=").map((op) => ({ text: `${op} `, hint: field, from: at, to: at }));
  }
  const word = /[a-z_.]*$/i.exec(before)?.[0] ?? "";
  return FIELDS.filter(([name]) => name.startsWith(word.toLowerCase()) && name !== word)
    .slice(0, word ? 8 : 6)
    .map(([name, hint]) => ({ text: name.endsWith(".") ? name : `${name} `, hint, from: at - word.length, to: at }));
}

export const quoteIfNeeded = (value: string) =>
  /^[\w.:@/-]+$/.test(value) && !/^(and|or|not|in|has)$/i.test(value) ? value : `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;

/** A filter with one more test; nothing changes when it is there already. */
export function withTerm(filter: string, field: string, value: string, exclude = false): string {
  const term = `${field} ${exclude ? "!=" : "="} ${quoteIfNeeded(value)}`;
  const opposite = `${field} ${exclude ? "=" : "!="} ${quoteIfNeeded(value)}`;
  const rest = withoutText(filter, opposite);
  return hasTerm(rest, term) ? rest : `${rest} ${term}`.trim();
}

export function withoutTerm(filter: string, field: string, value: string): string {
  return withoutText(withoutText(filter, `${field} = ${quoteIfNeeded(value)}`), `${field} != ${quoteIfNeeded(value)}`);
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const pattern = (term: string) => new RegExp(`(^|\\s)${escaped(term)}(?=\\s|$)`);
export const hasTerm = (filter: string, term: string) => pattern(term).test(filter);
const withoutText = (filter: string, term: string) => filter.replace(pattern(term), " ").replace(/\s+/g, " ").trim();
