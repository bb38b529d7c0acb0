/** Which traces are compared, as it stands in the address. */
export interface CompareSearch {
  a?: string;
  b?: string;
  at?: number;
  /** Only the steps that differ. */
  only?: boolean;
}

export const readCompareSearch = (search: Record<string, unknown>): CompareSearch => ({
  ...(search.a !== undefined ? { a: String(search.a) } : {}),
  ...(search.b !== undefined ? { b: String(search.b) } : {}),
  ...(/^\d{1,6}$/.test(String(search.at)) ? { at: Number(search.at) } : {}),
  ...(search.only === true ? { only: true } : {}),
});
