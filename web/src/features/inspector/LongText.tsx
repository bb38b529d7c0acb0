/** Text of any length, shown as text: its head or the surroundings of what is looked for, and the rest in pieces on demand. */
import { createContext, type ReactNode, useContext, useState } from "react";
import { Button, CopyButton } from "../../ui/controls";
import { bytes } from "../../ui/format";
import type { Spot } from "./fns/findings";
import { SoughtHere } from "./useSought";

const HEAD = 4_000;
const PIECE = 65_536;

/** The findings of the span that is shown, by the text they stand in. */
export const Spots = createContext<ReadonlyMap<string, Spot[]>>(new Map());

export function LongText({ text, mono = false }: { text: string; mono?: boolean }) {
  const spots = useContext(Spots).get(text) ?? NONE;
  const here = useContext(SoughtHere);
  const sought = here && !here.name && here.text === text ? here : null;
  const [shown, setShown] = useState({ from: 0, to: HEAD, of: null as typeof sought });
  if (sought !== shown.of) {
    const inside = sought === null || (sought.from >= shown.from && sought.to <= shown.to);
    setShown({ ...(inside ? shown : { from: Math.max(0, sought.from - HEAD / 2), to: sought.to + HEAD / 2 }), of: sought });
  }
  const [from, to] = [whole(text, shown.from), whole(text, shown.to)];
  const rest = text.length - to;
  return (
    <div>
      {from > 0 && (
        <div className="mb-1 flex items-center gap-2 text-xs text-muted">
          {bytes(from)} before
          <Button small onClick={() => setShown({ ...shown, from: Math.max(0, from - PIECE) })}>Load {from > PIECE ? "more" : "the beginning"}</Button>
        </div>
      )}
      <div className={`isolate-text whitespace-pre-wrap ${mono ? "num" : ""}`} dir="auto">
        {from > 0 && <span className="text-muted">…</span>}
        <Marked text={text} spots={spots} from={from} to={to} />
        {rest > 0 && <span className="text-muted">…</span>}
      </div>
      {rest > 0 && (
        <div className="mt-1 flex items-center gap-2 text-xs text-muted">
          {bytes(rest)} more
          <Button small onClick={() => setShown({ ...shown, to: to + PIECE })}>Load {rest > PIECE ? "more" : "the rest"}</Button>
          <CopyButton small text={text} label="Copy all" />
        </div>
      )}
    </div>
  );
}

const NONE: Spot[] = [];

/** Not between the halves of a character. */
function whole(text: string, at: number): number {
  if (text.length <= at) return text.length;
  const code = text.charCodeAt(at - 1);
  return code >= 0xd800 && code <= 0xdbff ? at - 1 : at;
}

const TONE: Record<string, string> = {
  critical: "bg-error-soft decoration-error", high: "bg-error-soft decoration-error",
  medium: "bg-warn-soft decoration-warn", low: "bg-info-soft decoration-info",
};

/** A text, or a part of it, with its findings and what is looked for marked on the exact letters. */
export function Marked({ text, spots = NONE, from = 0, to = text.length, name = false }: { text: string; spots?: Spot[]; from?: number; to?: number; name?: boolean }) {
  const here = useContext(SoughtHere);
  const sought = here && here.name === name && here.text === text ? here : null;
  const plain = (start: number, end: number): ReactNode => {
    const [a, b] = sought ? [Math.max(start, sought.from), Math.min(end, sought.to)] : [end, end];
    if (a >= b) return text.slice(start, end);
    return <Piece key={start} before={text.slice(start, a)} found={text.slice(a, b)} after={text.slice(b, end)} />;
  };
  const out: ReactNode[] = [];
  let at = from;
  for (const { from: start, to: end, finding } of spots) {
    if (start < at || start >= to) continue;
    out.push(plain(at, start));
    const till = Math.min(end, to);
    out.push(
      <mark
        key={`finding ${start}`}
        data-finding={finding.rule}
        title={`${finding.severity} · ${finding.entity} · rule ${finding.rule}${finding.validated ? " · confirmed by its checksum" : ""}`}
        className={`rounded-sm px-0.5 text-ink underline decoration-2 underline-offset-3 ${TONE[finding.severity] ?? TONE.low}`}
      >
        {plain(start, till)}
        <span className="sr-only"> ({finding.entity}, {finding.severity})</span>
      </mark>,
    );
    at = till;
  }
  out.push(plain(at, to));
  return <>{out}</>;
}

const Piece = ({ before, found, after }: { before: string; found: string; after: string }) => (
  <>{before}<mark data-sought className="rounded-sm bg-sought text-ink outline-2 outline-accent">{found}</mark>{after}</>
);
