/** What the explorer shows, as it stands in the address. */
import { RANGES, type RangeSearch, readRangeSearch } from "../../overview/fns/range";
import { COLUMNS, type ColumnId } from "./columns";

export interface ExplorerSearch extends RangeSearch {
  filter?: string;
  peek?: string;
  cols?: string;
  live?: boolean;
  all?: boolean;
}

export function readExplorerSearch(search: Record<string, unknown>): ExplorerSearch {
  const found: ExplorerSearch = readRangeSearch(search);
  if (search.filter !== undefined && search.filter !== "") found.filter = String(search.filter);
  if (typeof search.peek === "string" || typeof search.peek === "number") found.peek = String(search.peek);
  if (typeof search.cols === "string" && search.cols) found.cols = search.cols;
  if (search.live === true) found.live = true;
  // A filter that somebody follows from elsewhere means all times unless it names one.
  if (search.all === true) found.all = true;
  return found;
}

/** The parameters of the list. */
export function listParams(search: ExplorerSearch): Record<string, string | undefined> {
  const time = search.all ? {} : search.from ? { from: search.from, to: search.to } : { from: `-${search.range ?? "7d"}` };
  return { filter: search.filter, ...time };
}

export const rangeOf = (search: ExplorerSearch): RangeSearch =>
  search.from ? { from: search.from, to: search.to } : { range: search.all ? RANGES[5] : (search.range ?? "7d") };

export function columnsOf(search: ExplorerSearch): ColumnId[] {
  const wanted = search.cols?.split(",") ?? [];
  const known = wanted.filter((id): id is ColumnId => COLUMNS.some((column) => column.id === id));
  return known.length > 0 ? known : SETS.Default;
}

export const SETS: Record<string, ColumnId[]> = {
  Default: ["started", "name", "status", "verdict", "seal", "agent", "latency", "tokens", "cost"],
  Content: ["started", "name", "status", "input", "output"],
  Cost: ["started", "name", "model", "tokens_in", "tokens_out", "cost", "cost_source", "user"],
  People: ["started", "name", "status", "user", "session", "environment", "tags"],
};
