/** Where the step's panel shows what the search has found. */
import type { Span, SpanMatches } from "../../../api/types";
import { textOf, unit } from "./findings";
import { cut } from "./hits";

type Match = SpanMatches["hits"][number];

export interface Sought {
  /** The whole of the shown text, or the name of a member. */
  text: string;
  /** Where the phrase stands in it, UTF-16. */
  from: number;
  to: number;
  /** Whether it is the name of a member rather than a value. */
  name: boolean;
}

/** What the tab "Attributes" says in a line each. */
export const facts = (it: Span): [string, string | null | undefined][] => [
  ["Agent", it.agent_name], ["Tool", it.tool_name], ["Provider", it.provider], ["Service", it.service],
  ["Session", it.session_id], ["User", it.user_id], ["Environment", it.environment], ["Version", it.version],
  ["Asked for model", it.model_requested], ["Stopped because", it.finish_reasons.join(", ")],
  ["Tags", it.tags.join(" · ")], ["Came through", `${it.door}${it.dialects.length ? ` (${it.dialects.join(", ")})` : ""}`],
  ["Odd about it", it.flags.join(", ")],
];

/** What went wrong, as the panel says it. */
export const trouble = (it: Span): string => [it.error_type, it.status_message].filter(Boolean).join(": ");

/** What is above the tabs. */
const head = (it: Span): unknown => [it.name, it.model, trouble(it)];

/** What the two tabs with content show, in their order. */
const TABS: readonly [tab: string, values: (it: Span) => unknown][] = [
  ["content", (it) => [it.input_messages.length > 0 ? it.input_messages : it.input, it.output_messages.length > 0 ? it.output_messages : it.output, it.documents, it.output_messages.length === 0 ? it.tool_calls : null, it.events.map((event) => [event.name, event.attributes, event.body])]],
  ["attributes", (it) => [facts(it).map(([, value]) => value), it.parameters, it.metadata, it.attributes, it.tool_definitions, it.links, it.resource, it.scope, it.provenance]],
];

type Shown = Pick<Sought, "text" | "name">;

/** The first text or name of a value that passes. */
function find(value: unknown, pass: (text: string, name: boolean) => boolean): Shown | undefined {
  if (typeof value === "string") return pass(value, false) ? { text: value, name: false } : undefined;
  if (value === null || typeof value !== "object") return undefined;
  for (const [name, member] of Object.entries(value)) {
    if (!Array.isArray(value) && pass(name, true)) return { text: name, name: true };
    const found = find(member, pass);
    if (found) return found;
  }
  return undefined;
}

/** Whether a value has what is looked for. */
export const holds = (value: unknown, sought: Sought): boolean => find(value, (text, name) => name === sought.name && text === sought.text) !== undefined;

export interface Found {
  sought: Sought;
  /** The tab that shows it; none: it is in sight in all. */
  tab: string | undefined;
}

type Places = readonly [tab: string | undefined, values: unknown][];
const placesOf = (it: Span): Places => [[undefined, head(it)], ...TABS.map(([tab, values]): Places[number] => [tab, values(it)])];

/** The first text or name that has the words, whatever their case. */
function worded(places: Places, words: string): Found | null {
  const wanted = words.toLowerCase();
  const at = (text: string) => (wanted ? text.toLowerCase().indexOf(wanted) : -1);
  for (const [tab, values] of places) {
    const shown = find(values, (text) => at(text) >= 0);
    if (shown) return { tab, sought: { ...shown, from: at(shown.text), to: at(shown.text) + words.length } };
  }
  return null;
}

/** Where the panel shows a place that was found; without one, where it shows the phrase. */
export function seek(it: Span, match: Match | null, phrase: string): Found | null {
  const places = placesOf(it);
  if (!match) return worded(places, phrase.trim());
  const name = match.pointer.endsWith("#");
  const recorded = name ? (match.pointer.slice(0, -1).split("/").at(-1) ?? "").replaceAll("~1", "/").replaceAll("~0", "~") : textOf(it, match);
  if (recorded !== null) {
    const sought = { text: recorded, from: unit(recorded, match.start), to: unit(recorded, match.end), name };
    const place = places.find(([, values]) => holds(values, sought));
    if (place) return { sought, tab: place[0] };
  }
  // Shown otherwise than recorded, as JSON that was parsed or a line put together.
  return worded(places, cut(match)[1]);
}
