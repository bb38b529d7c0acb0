/** What the inspector shows, as it stands in the address. */

export const VIEWS = ["spans", "timeline", "dag", "transcript", "flame", "sankey", "governance", "verification", "raw"] as const;
export type View = (typeof VIEWS)[number];

export const VIEW_LABEL: Record<View, string> = {
  spans: "Spans", timeline: "Timeline", dag: "DAG", transcript: "Transcript", flame: "Flame", sankey: "Sankey",
  governance: "Governance", verification: "Verification", raw: "Raw",
};

export interface InspectorSearch {
  view?: View;
  span?: string;
  tab?: string;
  q?: string;
  /** Which place of the chosen span the search stands at, from 0. */
  hit?: number;
  /** Folded spans; a leading `*` means all but those named. */
  fold?: string;
  /** The time window, milliseconds from the trace's start: `from-to`. */
  w?: string;
  by?: "tokens" | "cost";
  /** The model call whose causes are looked at. */
  target?: string;
}

export function readInspectorSearch(search: Record<string, unknown>): InspectorSearch {
  const found: InspectorSearch = {};
  const text = (name: "span" | "tab" | "q" | "fold" | "target") => {
    const value = search[name];
    if ((typeof value === "string" && value) || typeof value === "number") found[name] = String(value);
  };
  for (const name of ["span", "tab", "q", "fold", "target"] as const) text(name);
  const hit = Number(search.hit);
  if (Number.isInteger(hit) && hit > 0) found.hit = hit;
  const view = VIEWS.find((v) => v === search.view);
  if (view) found.view = view;
  if (typeof search.w === "string" && /^-?[\d.]+~[\d.]+$/.test(search.w)) found.w = search.w;
  if (search.by === "tokens" || search.by === "cost") found.by = search.by;
  return found;
}

export type Window = [from: number, to: number];

export function readWindow(w: string | undefined): Window | null {
  const [a, b] = (w ?? "").split("~").map(Number);
  return a !== undefined && b !== undefined && b > a ? [a, b] : null;
}

/** An address may be written by anybody. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export class Fold {
  readonly all: boolean;
  readonly named: ReadonlySet<string>;
  constructor(text = "") {
    this.all = text.startsWith("*");
    this.named = new Set((this.all ? text.slice(1) : text).split(",").filter(Boolean).map(decoded));
  }
  has = (id: string) => this.named.has(id) !== this.all;
  toggle(id: string): string {
    const next = new Set(this.named);
    if (!next.delete(id)) next.add(id);
    return (this.all ? "*" : "") + [...next].map(encodeURIComponent).join(",");
  }
}
