import { kindColor } from "../../ui/kind";
import { KindGlyph } from "../../ui/marks";

/** Rows of a drawing that shows what a timeline looks like; it stands for no recorded trace. */
const ROWS: [kind: string, name: string, depth: number, from: number, to: number, text: string][] = [
  ["agent", "claims-reviewer", 0, 0, 100, "42.3 s"],
  ["llm", "plan", 1, 1, 13, "5.0 s"],
  ["tool", "get_policy", 1, 13, 16, "0.8 s"],
  ["tool", "damage_report", 1, 16, 27, "4.5 s"],
  ["agent", "adjuster", 1, 30, 73, "18.0 s"],
  ["retriever", "search_prices", 2, 31, 35, "1.3 s"],
  ["llm", "estimate", 2, 36, 59, "10.0 s"],
  ["guardrail", "payout limit", 1, 74, 76, "0.2 s"],
  ["llm", "decide", 1, 76, 99, "10.5 s"],
];

export function Specimen() {
  return (
    <figure aria-label="Drawing of a trace's timeline" className="overflow-hidden rounded-md border bg-surface shadow-lg shadow-black/5">
      <figcaption className="flex h-11 items-center gap-3 border-b px-4 text-sm">
        <span className="font-medium">claims-reviewer</span>
        <span className="ml-auto text-xs text-muted">an example</span>
      </figcaption>
      <ul className="py-2">
        {ROWS.map(([kind, name, depth, from, to, text]) => (
          <li key={name} className="flex h-8 items-center gap-3 px-4">
            <span className="flex w-36 shrink-0 items-center gap-2 truncate text-sm" style={{ paddingLeft: depth * 12 }}>
              <KindGlyph kind={kind} size={16} />
              {name}
            </span>
            <span className="relative h-3 flex-1">
              <span
                className="absolute h-3 rounded-[3px]"
                style={{ left: `${from}%`, width: `${to - from}%`, background: kindColor(kind) }}
              />
            </span>
            <span className="w-12 shrink-0 text-right num text-muted">{text}</span>
          </li>
        ))}
      </ul>
    </figure>
  );
}
