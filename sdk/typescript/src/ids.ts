// Ids of traces and spans.

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const pool = new Uint8Array(4096);
let used = pool.length;

function take(bytes: number): number {
  if (used + bytes > pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  used += bytes;
  return used - bytes;
}

/** 64 random bits in hexadecimal. */
export function newSpanId(): string {
  const at = take(8);
  let text = "";
  for (let i = at; i < at + 8; i++) text += HEX[pool[i]!]!;
  return text;
}

/** `tr_` and 26 characters that sort by time: 48 bits of milliseconds, 80 random bits. */
export function newTraceId(): string {
  let ms = Date.now();
  let time = "";
  for (let i = 0; i < 10; i++) {
    time = CROCKFORD[ms % 32]! + time;
    ms = Math.floor(ms / 32);
  }
  const at = take(16);
  let random = "";
  for (let i = at; i < at + 16; i++) random += CROCKFORD[pool[i]! & 31]!;
  return `tr_${time}${random}`;
}

/** Names one process's series of sequence numbers. */
export function newSourceId(): string {
  return `js-${newSpanId()}`;
}

/** The id a caller chose, if the recorder can take it. */
export function usableId(id: unknown): string | undefined {
  const text = typeof id === "string" ? id.trim() : "";
  return /^[A-Za-z0-9._:-]{1,256}$/.test(text) ? text : undefined;
}
