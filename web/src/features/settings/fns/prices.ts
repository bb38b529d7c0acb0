/** Prices written into the text of `pricing.yaml`, whose comments and order stay. */

export interface NewPrice {
  model: string;
  provider?: string;
  input: string;
  output: string;
  cache_read?: string;
  from?: string;
  until?: string;
}

/** The text with the price under `models:`; null where the model has an entry already. */
export function withPrice(text: string, price: NewPrice): string | null {
  const name = JSON.stringify(price.model);
  const bare = price.model.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  if (new RegExp(`^\\s+["']?${bare}["']?\\s*:`, "mi").test(text)) return null;
  const fields = [
    price.provider && `provider: ${JSON.stringify(price.provider)}`,
    `input: ${price.input}`,
    `output: ${price.output}`,
    price.cache_read && `cache_read: ${price.cache_read}`,
    price.from && `from: ${price.from}`,
    price.until && `until: ${price.until}`,
  ].filter(Boolean);
  const line = `  ${name}: {${fields.join(", ")}}`;
  const held = text.endsWith("\n") || text === "" ? text : `${text}\n`;
  if (/^models:[ \t]*(#.*)?$/m.test(held)) return held.replace(/^models:[ \t]*(#.*)?$/m, (all) => `${all}\n${line}`);
  if (/^models:[ \t]*(\{\}|null|~)[ \t]*$/m.test(held)) return held.replace(/^models:.*$/m, `models:\n${line}`);
  return /^models:/m.test(held) ? null : `${held}models:\n${line}\n`;
}
