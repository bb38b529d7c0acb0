import { expect, test } from "vitest";
import { withPrice } from "./prices";

const price = { model: "my-model", input: "0.15", output: "0.6" };

test("a price is put under models, and all else stays", () => {
  const text = "# why\ndefault: {input: 1, output: 3}\nmodels:\n  # ours\n  \"vllm/*\": {input: 0, output: 0}\n";
  expect(withPrice(text, price)).toBe(text.replace("models:\n", 'models:\n  "my-model": {input: 0.15, output: 0.6}\n'));
  expect(withPrice("default: {input: 1}", { ...price, from: "2026-01-01" })).toBe('default: {input: 1}\nmodels:\n  "my-model": {input: 0.15, output: 0.6, from: 2026-01-01}\n');
});

test("a model that has an entry is left to the editor", () => {
  expect(withPrice("models:\n  my-model:\n    input: 1\n", price)).toBeNull();
  expect(withPrice("models: {a: {input: 1}}\n", price)).toBeNull();
});
