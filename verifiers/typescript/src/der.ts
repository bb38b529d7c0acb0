// DER (X.690): elements, object identifiers, integers, times.

/** Bytes that do not read. */
export class Malformed extends Error {}

export class Der {
  private constructor(
    readonly tag: number,
    readonly body: Uint8Array,
    /** The element with its header. */
    readonly raw: Uint8Array,
  ) {}

  /** The elements that follow one another. */
  static read(data: Uint8Array): Der[] {
    const found: Der[] = [];
    let at = 0;
    while (at < data.length) {
      const start = at;
      const [tag, first] = [data[at], data[at + 1]];
      if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) throw new Malformed("not DER");
      at += 2;
      let length = first;
      if (first & 0x80) {
        const count = first & 0x7f;
        const bytes = data.subarray(at, at + count);
        length = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
        const shortest = length >= 0x80 && length >= 256 ** (count - 1);
        if (count < 1 || count > 4 || bytes.length !== count || !shortest) throw new Malformed("not DER");
        at += count;
      }
      if (at + length > data.length) throw new Malformed("not DER");
      found.push(new Der(tag, data.subarray(at, at + length), data.subarray(start, at + length)));
      at += length;
    }
    return found;
  }

  /** The first element of all. */
  static one(data: Uint8Array): Der {
    return at(Der.read(data), 0);
  }

  of(tag: number): this {
    if (this.tag !== tag) throw new Malformed("another element was expected");
    return this;
  }

  parts(tag = 0x30): Der[] {
    return Der.read(this.of(tag).body);
  }

  oid(): string {
    const numbers: number[] = [];
    let value = 0;
    for (const byte of this.of(6).body) {
      value = value * 128 + (byte & 0x7f);
      if (!(byte & 0x80)) {
        numbers.push(value);
        value = 0;
      }
    }
    const [first, ...rest] = numbers;
    if (first === undefined) throw new Malformed("no object identifier");
    const arc = Math.min(Math.floor(first / 40), 2);
    return [arc, first - 40 * arc, ...rest].join(".");
  }

  /** The bytes of a positive integer, without the zero that keeps it positive. */
  positive(): Uint8Array {
    const { body } = this.of(2);
    if (body.length === 0 || (body[0] as number) & 0x80) throw new Malformed("not a positive number");
    return body[0] === 0 ? body.subarray(1) : body;
  }

  /** The bytes of a bit string that is whole bytes. */
  bits(): Uint8Array {
    if (this.of(3).body[0] !== 0) throw new Malformed("not whole bytes");
    return this.body.subarray(1);
  }

  /** Nanoseconds since 1970, of UTCTime or GeneralizedTime. */
  time(): bigint {
    let text = String.fromCharCode(...this.body.subarray(0, 40));
    if (this.tag === 0x17 && text.length === 13) text = (text >= "50" ? "19" : "20") + text;
    else if (this.tag !== 0x18) throw new Malformed("not a time");
    const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,9}))?Z$/.exec(text);
    const numbers = match?.slice(1, 7).map(Number) ?? [];
    const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = numbers;
    const date = year >= 1950 && month >= 1 && month <= 12 && day >= 1 && day <= 31;
    if (!match || !date || hour > 23 || minute > 59 || second > 60) throw new Malformed("not a time");
    const seconds = Date.UTC(year, month - 1, day, hour, minute, second) / 1_000;
    return BigInt(seconds) * 1_000_000_000n + BigInt((match[7] ?? "").padEnd(9, "0"));
  }
}

/** The element at a place. */
export function at(parts: Der[], place: number): Der {
  const found = parts[place];
  if (!found) throw new Malformed("an element is missing");
  return found;
}
