/** The small marks that say how something stands. Each has its word; none speaks by colour alone. */
import type { Trace } from "../api/types";
import { Icon } from "./Icon";
import { kindColor, kindIcon } from "./kind";

export function KindGlyph({ kind, size = 18 }: { kind: string; size?: number }) {
  const color = kindColor(kind);
  return (
    <span
      title={kind}
      className="inline-flex shrink-0 items-center justify-center rounded"
      style={{ width: size, height: size, color, background: `color-mix(in oklch, ${color} 14%, transparent)` }}
    >
      <Icon name={kindIcon(kind)} size={Math.round(size * 0.68)} />
      <span className="sr-only">{kind}</span>
    </span>
  );
}

const STATUS: Record<string, { color: string; label: string }> = {
  ok: { color: "text-ok", label: "ok" },
  error: { color: "text-error", label: "error" },
  running: { color: "text-info", label: "running" },
  incomplete: { color: "text-warn", label: "incomplete" },
};

const STATUS_WHY: Record<string, string> = {
  ok: "Every step has ended, and the root without an error.",
  error: "The root has ended with an error.",
  running: "Not all steps have ended yet.",
  incomplete: "It started and was never heard of again; whatever the client sends later takes its place.",
};

export function StatusMark({ status, quiet = false }: { status: string; quiet?: boolean }) {
  const { color, label } = STATUS[status] ?? { color: "text-muted", label: status };
  return (
    <span
      className={`inline-flex items-center gap-1.5 align-middle ${color} ${quiet ? "text-xs" : "text-sm font-medium"}`}
      title={STATUS_WHY[status] ?? status}
    >
      <svg aria-hidden="true" width="10" height="10" viewBox="0 0 10 10" className={status === "running" ? "pulse" : ""}>
        {status === "ok" && <circle cx="5" cy="5" r="4" fill="currentColor" />}
        {status === "error" && <path d="M5 .5 9.500 9h-9z" fill="currentColor" />}
        {status === "running" && <circle cx="5" cy="5" r="3.300" fill="none" stroke="currentColor" strokeWidth="2" />}
        {status !== "ok" && status !== "error" && status !== "running" && (
          <path d="M1 5h8" stroke="currentColor" strokeWidth="2.200" />
        )}
      </svg>
      {label}
    </span>
  );
}

const VERDICT: Record<string, { style: string; label: string; why: string }> = {
  pass: { style: "text-muted", label: "pass", why: "No rule objects." },
  warning: { style: "text-warn bg-warn-soft", label: "warning", why: "A rule found something worth a look." },
  fail: { style: "text-error bg-error-soft", label: "fail", why: "A rule was broken." },
  review: { style: "text-info bg-info-soft", label: "in review", why: "A person has to decide." },
  quarantined: { style: "text-error bg-error-soft", label: "quarantined", why: "Held back by a rule." },
};

export function VerdictMark({ verdict, findings }: { verdict: string; findings?: number }) {
  const known = VERDICT[verdict] ?? { style: "text-muted", label: verdict, why: verdict };
  return (
    <span
      className={`inline-flex items-center gap-1 rounded align-middle text-xs leading-5 ${verdict === "pass" ? "" : "px-1.5"} ${known.style}`}
      title={known.why}
    >
      {known.label}
      {findings ? <span className="num">· {findings}</span> : null}
    </span>
  );
}

export function SealMark({ trace, label = false }: { trace: Pick<Trace, "seal" | "quarantined">; label?: boolean }) {
  const sealed = trace.seal != null;
  const why = sealed
    ? `Sealed in the ledger at leaf ${trace.seal?.index}, over ${trace.seal?.covered} records.`
    : "Not sealed yet: a trace is sealed shortly after its root has ended.";
  return (
    <span title={why} className={`inline-flex items-center gap-1 align-middle ${sealed ? "text-ok" : "text-muted"}`}>
      {sealed ? (
        <Icon name="seal" size={15} />
      ) : (
        <svg aria-hidden="true" width="15" height="15" viewBox="0 0 15 15">
          <circle cx="7.500" cy="7.500" r="5.500" fill="none" stroke="currentColor" strokeWidth="1.500" strokeDasharray="2 2.300" />
        </svg>
      )}
      <span className={label ? "text-sm" : "sr-only"}>{sealed ? "sealed" : "pending"}</span>
    </span>
  );
}

const COST: Record<string, { style: string; label: string; why: string }> = {
  agent: { style: "text-ok bg-ok-soft", label: "Agent", why: "The client reported this cost; it is taken as it is." },
  table: { style: "text-info bg-info-soft", label: "Estimated", why: "Tokens times a price table." },
  default: {
    style: "text-warn bg-warn-soft",
    label: "Default Rate",
    why: "The model has no price; the default rate stands in.",
  },
  none: { style: "text-muted bg-hover", label: "Unknown", why: "No price, or nothing to price. Not the same as 0." },
};

export const COST_WORD: Record<string, string> = Object.fromEntries(Object.entries(COST).map(([source, it]) => [source, it.label]));
export const COST_COLOR: Record<string, string> = { agent: "var(--ok)", table: "var(--info)", default: "var(--warn)", none: "var(--kind-custom)" };

export function CostBadge({ source, rule }: { source: string; rule?: string | null }) {
  const known = COST[source] ?? { style: "text-muted bg-hover", label: source, why: source };
  return (
    <span
      data-cost-source={source}
      title={rule ? `${known.why} ${rule}` : known.why}
      className={`inline-block whitespace-nowrap rounded align-middle px-1.5 text-xs leading-5 ${known.style}`}
    >
      {known.label}
    </span>
  );
}
