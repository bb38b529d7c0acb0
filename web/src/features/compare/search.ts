/** Which traces are compared, as it stands in the address. */
export interface CompareSearch {
  a?: string;
  b?: string;
  at?: number;
}

export const readCompareSearch = (search: Record<string, unknown>): CompareSearch => ({
  ...(search.a !== undefined ? { a: String(search.a) } : {}),
  ...(search.b !== undefined ? { b: String(search.b) } : {}),
  ...(typeof search.at === "number" ? { at: search.at } : {}),
});
