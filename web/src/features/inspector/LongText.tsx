/** Text of any length, shown as text: its head, and the rest in pieces on demand. */
import { createContext, type ReactNode, useContext, useMemo, useState } from "react";
import { Button, CopyButton } from "../../ui/controls";
import { bytes } from "../../ui/format";
import type { Spot } from "./fns/findings";

const HEAD = 4_000;
const PIECE = 65_536;

/** The findings of the span that is shown, by the text they stand in. */
export const Spots = createContext<ReadonlyMap<string, Spot[]>>(new Map());

export function LongText({ text, mono = false }: { text: string; mono?: boolean }) {
  const [shown, setShown] = useState(HEAD);
  const spots = useContext(Spots).get(text);
  const rest = text.length - shown;
  const head = useMemo(() => cut(text, shown), [text, shown]);
  return (
    <div>
      <div className={`isolate-text whitespace-pre-wrap ${mono ? "num" : ""}`} dir="auto">
        {spots ? <Marked text={head} spots={spots} /> : head}
        {rest > 0 && <span className="text-muted">…</span>}
      </div>
      {rest > 0 && (
        <div className="mt-1 flex items-center gap-2 text-xs text-muted">
          {bytes(rest)} more
          <Button small onClick={() => setShown(shown + PIECE)}>Load {rest > PIECE ? "more" : "the rest"}</Button>
          <CopyButton small text={text} label="Copy all" />
        </div>
      )}
    </div>
  );
}

/** Not between the halves of a character. */
function cut(text: string, at: number): string {
  if (text.length <= at) return text;
  const code = text.charCodeAt(at - 1);
  return text.slice(0, code >= 0xd800 && code <= 0xdbff ? at - 1 : at);
}

const TONE: Record<string, string> = {
  critical: "bg-error-soft decoration-error", high: "bg-error-soft decoration-error",
  medium: "bg-warn-soft decoration-warn", low: "bg-info-soft decoration-info",
};

/** A text with its findings marked on the exact letters. */
export function Marked({ text, spots }: { text: string; spots: Spot[] }) {
  const out: ReactNode[] = [];
  let at = 0;
  for (const { from, to, finding } of spots) {
    if (from < at || from >= text.length) continue;
    out.push(text.slice(at, from));
    out.push(
      <mark
        key={from}
        data-finding={finding.rule}
        title={`${finding.severity} · ${finding.entity} · rule ${finding.rule}${finding.validated ? " · confirmed by its checksum" : ""}`}
        className={`rounded-sm px-0.5 text-ink underline decoration-2 underline-offset-3 ${TONE[finding.severity] ?? TONE.low}`}
      >
        {text.slice(from, to)}
        <span className="sr-only"> ({finding.entity}, {finding.severity})</span>
      </mark>,
    );
    at = to;
  }
  out.push(text.slice(at));
  return <>{out}</>;
}
