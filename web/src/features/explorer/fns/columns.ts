/** The columns of the list. Widths in pixels; `grow` takes what is left. */

export const COLUMNS = [
  { id: "started", label: "Started", width: 104 },
  { id: "name", label: "Name", width: 170, grow: 2 },
  { id: "status", label: "Status", width: 96, field: "status" },
  { id: "verdict", label: "Verdict", width: 124, field: "verdict" },
  { id: "agent", label: "Agent", width: 120, grow: 1, field: "agent" },
  { id: "model", label: "Models", width: 150, grow: 1, field: "model" },
  { id: "latency", label: "Duration", width: 106, right: true },
  { id: "spans", label: "Steps", width: 74, right: true },
  { id: "tokens", label: "Tokens", width: 84, right: true },
  { id: "tokens_in", label: "Tokens in", width: 84, right: true },
  { id: "tokens_out", label: "Tokens out", width: 90, right: true },
  { id: "cost", label: "Cost", width: 108, right: true },
  { id: "cost_source", label: "Source of cost", width: 112, field: "cost_source" },
  { id: "user", label: "User", width: 110, grow: 1, field: "user" },
  { id: "session", label: "Session", width: 130, grow: 1, field: "session" },
  { id: "environment", label: "Environment", width: 108, field: "environment" },
  { id: "tags", label: "Tags", width: 160, grow: 1 },
  { id: "input", label: "Input", width: 240, grow: 3 },
  { id: "output", label: "Output", width: 240, grow: 3 },
  { id: "seal", label: "Seal", width: 48 },
] as const satisfies readonly { id: string; label: string; width: number; grow?: number; right?: boolean; field?: string }[];

export type ColumnId = (typeof COLUMNS)[number]["id"];
export type Column = { id: ColumnId; label: string; width: number; grow?: number; right?: boolean; field?: string };

export const column = (id: ColumnId): Column => COLUMNS.find((c) => c.id === id) as Column;

export const template = (ids: ColumnId[]) =>
  ids.map((id) => { const c = column(id); return c.grow ? `minmax(${c.width}px, ${c.grow}fr)` : `${c.width}px`; }).join(" ");
