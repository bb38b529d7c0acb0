// Base64, hex, UTF-8 and JSON, each in its one form only.

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** The text; undefined where the bytes are not UTF-8. */
export function fromUtf8(data: Uint8Array): string | undefined {
  try {
    return decoder.decode(data);
  } catch {
    return undefined;
  }
}

/** Standard base64 with padding (RFC 4648 section 4); undefined for any other spelling. */
export function base64(text: string, length?: number): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return undefined;
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    return undefined;
  }
  if (btoa(binary) !== text || (length !== undefined && binary.length !== length)) return undefined;
  return Uint8Array.from(binary, (c) => c.charCodeAt(0));
}

export function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function fromHex(text: unknown, length: number): Uint8Array | undefined {
  if (typeof text !== "string" || text.length !== 2 * length || !/^[0-9a-f]*$/.test(text)) {
    return undefined;
  }
  return Uint8Array.from({ length }, (_, at) => parseInt(text.slice(2 * at, 2 * at + 2), 16));
}

export type Json = Record<string, unknown>;

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function parseObject(text: string | undefined): Json | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A list of strings. */
export function parseTexts(text: string | undefined): string[] | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    const texts = Array.isArray(value) && value.every((one) => typeof one === "string");
    return texts ? (value as string[]) : undefined;
  } catch {
    return undefined;
  }
}

/** An object in the one form that the writer gives it: no doubled keys, no spaces, one spelling. */
export function parseLine(line: string): Json | undefined {
  const value = parseObject(line);
  return value && JSON.stringify(value) === line ? value : undefined;
}

export type Type = "string" | "count" | "boolean" | "object" | "array";

function isOf(value: unknown, type: Type): boolean {
  if (type === "count") return Number.isSafeInteger(value) && (value as number) >= 0;
  if (type === "array") return Array.isArray(value);
  return type === "object" ? isObject(value) : typeof value === type;
}

/** Whether a value is an object with these members of these types, and no others. */
export function hasShape(
  value: unknown,
  required: Record<string, Type>,
  optional: Record<string, Type> = {},
): value is Json {
  if (!isObject(value)) return false;
  const types: Record<string, Type> = { ...required, ...optional };
  const known = (key: string) => Object.hasOwn(types, key) && isOf(value[key], types[key] as Type);
  return (
    Object.keys(required).every((key) => Object.hasOwn(value, key)) &&
    Object.keys(value).every(known)
  );
}

/** The hashes of a proof, base64; undefined where one does not read or there are more than a proof has. */
export function hashes(texts: unknown[]): Uint8Array[] | undefined {
  const found = texts.map((text) => (typeof text === "string" ? base64(text, 32) : undefined));
  const whole = found.every((hash) => hash !== undefined);
  return whole && found.length <= 64 ? (found as Uint8Array[]) : undefined;
}

/** Nanoseconds since 1970 as RFC 3339 in UTC, with as many digits as there are. */
export function rfc3339(nanos: bigint): string {
  const rest = ((nanos % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = Number((nanos - rest) / 1_000_000_000n);
  const fraction = rest ? `.${String(rest).padStart(9, "0").replace(/0+$/, "")}` : "";
  return new Date(seconds * 1_000).toISOString().replace(".000Z", `${fraction}Z`);
}
