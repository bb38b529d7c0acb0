/** Where findings and found phrases stand: a pointer into what was received, and code points of the text there. */
import type { Finding, Span } from "../../../api/types";

export interface Spot {
  from: number;
  to: number;
  finding: Finding;
}

const unescaped = (step: string) => step.replaceAll("~1", "/").replaceAll("~0", "~");

/** What a text holds where it is JSON. */
function within(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function follow(value: unknown, steps: string[]): unknown {
  let at = value;
  for (const step of steps) {
    if (typeof at === "string") at = within(at);
    if (at === null || typeof at !== "object") return undefined;
    at = (at as Record<string, unknown>)[unescaped(step)];
  }
  return at;
}

/** The text that a part and a pointer lead to, also on into JSON that a text holds; null where there is none. */
export function textOf(span: Span, finding: Pick<Finding, "part" | "pointer">): string | null {
  const steps = finding.pointer.split("/").slice(1);
  if (finding.part === "header") {
    const value = follow(span, steps);
    return typeof value === "string" ? value : null;
  }
  if (finding.part === "events") {
    const found = follow({ events: span.events, links: span.links }, steps);
    return typeof found === "string" ? found : null;
  }
  const key = unescaped(steps[0] ?? "");
  const attribute = span.raw?.find((it) => it.key === key && it.part === finding.part);
  const found = follow(attribute?.value, steps.slice(1));
  return typeof found === "string" ? found : null;
}

/** The findings of each text, in UTF-16 offsets as strings are cut here. */
export function spotsByText(span: Span): Map<string, Spot[]> {
  const out = new Map<string, Spot[]>();
  for (const finding of span.findings ?? []) {
    const text = textOf(span, finding);
    if (text === null || finding.start == null || finding.end == null) continue;
    const list = out.get(text) ?? [];
    list.push({ from: unit(text, finding.start), to: unit(text, finding.end), finding });
    out.set(text, list);
  }
  for (const list of out.values()) list.sort((a, b) => a.from - b.from || b.to - a.to);
  return out;
}

/** The UTF-16 offset of a code point. */
export function unit(text: string, points: number): number {
  let at = 0;
  for (let i = 0; i < points && at < text.length; i++) at += (text.codePointAt(at) as number) > 0xffff ? 2 : 1;
  return at;
}
