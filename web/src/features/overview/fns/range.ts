/** The time range in the address: the last so many hours or days, or two stamps. */

export const RANGES = ["1h", "6h", "24h", "7d", "30d", "90d"] as const;
export type RangeName = (typeof RANGES)[number];

export interface RangeSearch {
  range?: RangeName;
  from?: string;
  to?: string;
}

export const RANGE_DEFAULT: RangeName = "24h";

/** Browsers read dates out of nearly anything; this reads what the API does: RFC 3339, or a day. */
const isStamp = (value: unknown): value is string => typeof value === "string" && /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(value) && !Number.isNaN(Date.parse(value));

export function readRangeSearch(search: Record<string, unknown>): RangeSearch {
  const range = RANGES.find((name) => name === search.range);
  // Named even where they are absent: the router keeps what it was given under a name that is not.
  const found: RangeSearch = { range: undefined, from: undefined, to: undefined };
  if (range) found.range = range;
  if (isStamp(search.from)) found.from = search.from;
  if (found.from && isStamp(search.to) && Date.parse(found.from) < Date.parse(search.to)) found.to = search.to;
  return found;
}

const HOUR = 3_600_000;
const WIDTH: Record<RangeName, number> = {
  "1h": HOUR, "6h": 6 * HOUR, "24h": 24 * HOUR, "7d": 168 * HOUR, "30d": 720 * HOUR, "90d": 2160 * HOUR,
};
const STEP: Record<RangeName, string> = { "1h": "1m", "6h": "6m", "24h": "30m", "7d": "3h", "30d": "12h", "90d": "36h" };

/** What to ask analytics for. */
export function ask(search: RangeSearch): { from: string; to?: string; step?: string } {
  if (search.from) return { from: search.from, ...(search.to ? { to: search.to } : {}) };
  const range = search.range ?? RANGE_DEFAULT;
  return { from: `-${range}`, step: STEP[range] };
}

/** The same range as the list of traces takes it. */
export function listRange(search: RangeSearch): { from?: string; to?: string } {
  if (search.from) return { from: search.from, to: search.to };
  return { from: `-${search.range ?? RANGE_DEFAULT}` };
}

/** Start and end in milliseconds since the epoch. */
export function bounds(search: RangeSearch, now = Date.now()): [from: number, to: number] {
  if (search.from) return [Date.parse(search.from), search.to ? Date.parse(search.to) : now];
  return [now - WIDTH[search.range ?? RANGE_DEFAULT], now];
}
