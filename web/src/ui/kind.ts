/** The kinds of spans: their glyphs and colours. */
import type { IconName } from "./Icon";

export const KINDS = [
  "agent", "llm", "tool", "chain", "retriever", "embedding", "reranker", "guardrail", "evaluator", "custom",
] as const;

export type Kind = (typeof KINDS)[number];

/** A client's own word for a kind is shown as custom. */
export const kindOf = (word: string): Kind => (KINDS.find((kind) => kind === word) ?? "custom");
export const kindColor = (word: string) => `var(--kind-${kindOf(word)})`;
export const kindIcon = (word: string): IconName => kindOf(word);

/** A colour token as canvas and charts take it: resolved for the scheme in use. */
export function resolved(token: string, on: Element = document.documentElement): string {
  const probe = document.createElement("span");
  probe.style.color = `var(--${token})`;
  on.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}
