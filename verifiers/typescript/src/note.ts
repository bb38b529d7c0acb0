// Keys and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature), Ed25519 on WebCrypto.

import { sha256 } from "./tree.js";
import { base64, fromUtf8, hex, utf8 } from "./text.js";
import { equal } from "./zip.js";

export async function ed25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) {
  if (signature.length !== 64) return false;
  const bytes = (data: Uint8Array) => data as Uint8Array<ArrayBuffer>;
  try {
    const key = await crypto.subtle.importKey("raw", bytes(publicKey), "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, bytes(signature), bytes(message));
  } catch {
    return false;
  }
}

/** A verifier key: name+id+base64(type || public key). */
export class Key {
  private constructor(
    readonly text: string,
    readonly name: string,
    readonly id: string,
    readonly type: number,
    readonly publicKey: Uint8Array,
  ) {}

  static async parse(text: string): Promise<Key | undefined> {
    const match = /^([^+\s]+)\+([0-9a-f]{8})\+(.+)$/.exec(text);
    const packed = match?.[3] === undefined ? undefined : base64(match[3], 33);
    const [, name, id] = match ?? [];
    if (!packed || !name || !id) return undefined;
    const type = packed[0] ?? 0;
    const digest = await sha256(utf8(name), utf8("\n"), packed);
    if ((type !== 1 && type !== 4) || hex(digest.subarray(0, 4)) !== id) return undefined;
    return new Key(text, name, id, type, packed.subarray(1));
  }

  /** The same key under another name. */
  async named(name: string): Promise<Key> {
    const digest = await sha256(utf8(name), utf8("\n"), Uint8Array.of(this.type), this.publicKey);
    return new Key("", name, hex(digest.subarray(0, 4)), this.type, this.publicKey);
  }

  /** Whether this is the pinned key, or that of a log below it. */
  extends(pinned: Key): boolean {
    const below = this.name === pinned.name || this.name.startsWith(`${pinned.name}/`);
    return below && this.type === pinned.type && equal(this.publicKey, pinned.publicKey);
  }
}

interface Signature {
  name: string;
  id: string;
  bytes: Uint8Array;
}

/** Text under signatures. */
export class Note {
  protected constructor(
    readonly text: string,
    private readonly signatures: Signature[],
  ) {}

  static read(data: Uint8Array): [string, Signature[]] | undefined {
    const note = data.length > 1 << 20 ? undefined : fromUtf8(data);
    const at = note?.lastIndexOf("\n\n") ?? -1;
    // eslint-disable-next-line no-control-regex
    if (!note || at < 0 || !note.endsWith("\n") || /[\x00-\x09\x0b-\x1f]/.test(note)) {
      return undefined;
    }
    const text = note.slice(0, at + 1);
    const signatures: Signature[] = [];
    for (const line of note.slice(at + 2, -1).split("\n")) {
      const [, name, packed] = /^— ([^ ]+) ([^ ]+)$/.exec(line) ?? [];
      const bytes = packed === undefined ? undefined : base64(packed);
      if (!name || !bytes || bytes.length < 5) return undefined;
      signatures.push({ name, id: hex(bytes.subarray(0, 4)), bytes: bytes.subarray(4) });
    }
    return signatures.length > 100 ? undefined : [text, signatures];
  }

  /** Whether an Ed25519 key signed the text. */
  async isBy(key: Key): Promise<boolean> {
    const message = utf8(this.text);
    const holds = (bytes: Uint8Array) => ed25519(key.publicKey, message, bytes);
    return key.type === 1 && (await this.verified(key, holds));
  }

  protected claims(key: Key): Signature[] {
    return this.signatures.filter((one) => one.name === key.name && one.id === key.id);
  }

  protected async verified(key: Key, holds: (bytes: Uint8Array) => Promise<boolean>) {
    const claims = this.claims(key);
    for (const claim of claims) if (!(await holds(claim.bytes))) return false;
    return claims.length > 0;
  }
}

/** A signed checkpoint: origin, size, root, and its signatures. */
export class Checkpoint extends Note {
  private constructor(
    readonly origin: string,
    readonly size: number,
    readonly root: Uint8Array,
    text: string,
    signatures: Signature[],
  ) {
    super(text, signatures);
  }

  static parse(data: Uint8Array): Checkpoint | undefined {
    const [text, signatures] = Note.read(data) ?? [];
    if (text === undefined || !signatures) return undefined;
    const lines = text.slice(0, -1).split("\n");
    const [origin, sizeText, rootText] = lines;
    if (lines.some((line) => line === "")) return undefined;
    const root = rootText === undefined ? undefined : base64(rootText, 32);
    const size = Number(sizeText);
    if (!origin || !root || !/^(0|[1-9][0-9]*)$/.test(sizeText ?? "")) return undefined;
    return Number.isSafeInteger(size)
      ? new Checkpoint(origin, size, root, text, signatures)
      : undefined;
  }

  /** Whether the log's key signed this for its own log. */
  async signedBy(key: Key): Promise<boolean> {
    return this.origin === key.name && (await this.isBy(key));
  }

  /** Whether a witness's key cosigned this; undefined where a cosignature of that name is false. */
  async cosignedBy(key: Key): Promise<boolean | undefined> {
    if (key.type !== 4 || !this.claims(key).length) return false;
    const holds = async (bytes: Uint8Array) => {
      if (bytes.length !== 72) return false;
      const time = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
      const message = utf8(`cosignature/v1\ntime ${time}\n${this.text}`);
      return time < 2n ** 63n && (await ed25519(key.publicKey, message, bytes.subarray(8)));
    };
    return (await this.verified(key, holds)) ? true : undefined;
  }
}
