// What an application hands over is copied at once, so that later changes do not reach it; texts, which
// never change, are shared, and become JSON when they are sent.
//
// Plain data takes the fast way. What JSON has no form for is described in words, what is too deep is cut
// with a mark. Nothing here throws.

/** The recorder refuses values nested deeper than 64 in all; the batch around a value takes some. */
const DEPTH_MAX = 48;
const NODES_MAX = 200_000;
const WORDS_MAX = 2_000;
const BYTES_MAX = 64 * 1024;

/** A value as it was when it was recorded. */
export class Held {
  /** Characters, about. */
  readonly size: number;
  private value: unknown;
  private json: string | undefined;

  constructor(value: unknown, json: string | undefined, size: number) {
    this.value = value;
    this.json = json;
    this.size = size;
  }

  /** Its JSON text. */
  get text(): string {
    if (this.json === undefined) {
      this.json = encode(this.value) ?? "null";
      this.value = undefined;
    }
    return this.json;
  }
}

/** Keeps a value; `undefined` for nothing. */
export function hold(value: unknown): Held | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return new Held(value, undefined, value.length);
  try {
    const budget = { nodes: NODES_MAX, size: 0 };
    const kept = typeof value === "object" ? kin(value, 0, budget) : ODD;
    if (kept !== ODD) return new Held(kept, undefined, budget.size);
  } catch {
    // described below
  }
  const json = careful(value);
  return new Held(undefined, json, json.length);
}

const ODD = Symbol("not plain");

/** A copy that shares the texts; `ODD` where anything but plain data is met. */
function kin(value: object, depth: number, budget: { nodes: number; size: number }): unknown {
  if (depth >= DEPTH_MAX || (budget.nodes -= 1) < 0) return ODD;
  const list = Array.isArray(value);
  const kind = list ? null : Object.getPrototypeOf(value);
  if (kind !== Object.prototype && kind !== null) return ODD;
  const copied: Record<string, unknown> | unknown[] = list ? [] : {};
  if (list) {
    if ((budget.nodes -= value.length) < 0) return ODD;
    for (let i = 0; i < value.length; i++) {
      const item = kinItem(value[i], depth, budget);
      if (item === ODD) return ODD;
      (copied as unknown[]).push(item);
    }
    return copied;
  }
  for (const key in value) {
    // Set as a key of its own it would change what the copy inherits.
    if ((budget.nodes -= 1) < 0 || key === "__proto__") return ODD;
    const item = kinItem((value as Record<string, unknown>)[key], depth, budget);
    if (item === ODD) return ODD;
    budget.size += key.length + 4;
    (copied as Record<string, unknown>)[key] = item;
  }
  return copied;
}

function kinItem(item: unknown, depth: number, budget: { nodes: number; size: number }): unknown {
  if (typeof item === "string") {
    budget.size += item.length;
    return item;
  }
  budget.size += 8;
  if (typeof item === "object" && item !== null) return kin(item, depth + 1, budget);
  return plainItem(item, depth, budget) ? item : ODD;
}

/** The JSON text of a value; `undefined` for nothing. */
export function encode(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return wellFormed(JSON.stringify(value), value);
  try {
    const budget = { nodes: NODES_MAX };
    if (typeof value !== "object" || !plain(value, 0, budget)) return careful(value);
    const text = JSON.stringify(value);
    return text === undefined ? careful(value) : wellFormed(text, value);
  } catch {
    return careful(value);
  }
}

/** Halves of characters, which JSON writes as escapes and the recorder refuses, are replaced. */
function wellFormed(text: string, value: unknown): string {
  return text.includes("\\ud") ? careful(value) : text;
}

/** Whether a value is nothing but plain objects, lists and scalars, and not too deep. */
function plain(value: object, depth: number, budget: { nodes: number }): boolean {
  if (depth >= DEPTH_MAX) return false;
  if (Array.isArray(value)) {
    for (const item of value) {
      if (--budget.nodes < 0) return false;
      if (!plainItem(item, depth, budget)) return false;
    }
    return true;
  }
  const kind = Object.getPrototypeOf(value);
  if (kind !== Object.prototype && kind !== null) return false;
  for (const key in value) {
    if (--budget.nodes < 0) return false;
    if (!plainItem((value as Record<string, unknown>)[key], depth, budget)) return false;
  }
  return true;
}

function plainItem(item: unknown, depth: number, budget: { nodes: number }): boolean {
  switch (typeof item) {
    case "object":
      return item === null || plain(item, depth + 1, budget);
    case "number":
      return Number.isFinite(item);
    case "bigint":
    case "symbol":
    case "function":
      return false;
    default:
      return true;
  }
}

function careful(value: unknown): string {
  try {
    return JSON.stringify(copy(value, 0, { nodes: NODES_MAX })) ?? "null";
  } catch {
    return '"<unrecordable>"';
  }
}

function copy(value: unknown, depth: number, budget: { nodes: number }): unknown {
  switch (typeof value) {
    case "string":
      return repaired(value);
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "bigint":
      return value.toString().slice(0, WORDS_MAX);
    case "boolean":
    case "undefined":
      return value;
    case "symbol":
      return value.toString();
    case "function":
      return `<function ${value.name}>`;
  }
  if (value === null) return null;
  if (--budget.nodes < 0) return "… cut by exhibit: too many values";
  if (depth >= DEPTH_MAX) return "… cut by exhibit: nested too deep";
  try {
    return copyObject(value as object, depth + 1, budget);
  } catch {
    return "<unrecordable>";
  }
}

function copyObject(value: object, depth: number, budget: { nodes: number }): unknown {
  if (Array.isArray(value)) return value.map((item) => copy(item, depth, budget));
  if (value instanceof Error) return `${value.name}: ${value.message}`.slice(0, WORDS_MAX);
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([k, v]) => [String(k), copy(v, depth, budget)]));
  }
  if (value instanceof Set) return [...value].map((item) => copy(item, depth, budget));
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return bytes(value);
  if (value instanceof Promise) return "<promise>";
  const toJson = (value as { toJSON?: unknown }).toJSON;
  if (typeof toJson === "function") return copy(toJson.call(value), depth, budget);
  const made: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    made[repaired(key)] = copy((value as Record<string, unknown>)[key], depth, budget);
    if (budget.nodes < 0) break;
  }
  return made;
}

function bytes(value: ArrayBufferView | ArrayBuffer): unknown {
  const view =
    value instanceof ArrayBuffer
      ? new Uint8Array(value)
      : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (view.length > BYTES_MAX) return `<${view.length} bytes>`;
  let binary = "";
  for (const byte of view) binary += String.fromCharCode(byte);
  return { $bytes: btoa(binary) };
}

function repaired(text: string): string {
  return text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
}
