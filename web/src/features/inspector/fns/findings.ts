/** Where findings stand: a pointer into what was received, and code points of the text there. */
import type { Finding, Span } from "../../../api/types";

export interface Spot {
  from: number;
  to: number;
  finding: Finding;
}

const unescaped = (step: string) => step.replaceAll("~1", "/").replaceAll("~0", "~");

function follow(value: unknown, steps: string[]): unknown {
  let at = value;
  for (const step of steps) {
    if (at === null || typeof at !== "object") return undefined;
    at = (at as Record<string, unknown>)[unescaped(step)];
  }
  return at;
}

/** The text that a finding stands in, if it is still there. */
export function textOf(span: Span, finding: Finding): string | null {
  const steps = finding.pointer.split("/").slice(1);
  if (finding.part === "header") {
    const value = (span as unknown as Record<string, unknown>)[unescaped(steps[0] ?? "")];
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
function unit(text: string, points: number): number {
  let at = 0;
  for (let i = 0; i < points && at < text.length; i++) at += (text.codePointAt(at) as number) > 0xffff ? 2 : 1;
  return at;
}
