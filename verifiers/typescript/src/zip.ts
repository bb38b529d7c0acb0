// The plain subset of ZIP (APPNOTE 6.3) that bundles use. What general readers resolve silently, each
// in its own way, is refused here by name.

import { Fault, refused } from "./fault.js";

/** Random access to a file: a Blob in browsers, a file handle in Node. */
export interface Source {
  size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

interface Entry {
  dataAt: number;
  packed: number;
  size: number;
  crc: number;
  method: number;
}

const FILE_MAX = 256 * 2 ** 20;
const TOTAL_MAX = 64 * 2 ** 30;
const FILES_MAX = 60_000;
const DEFLATE_MAX = 1_032;
const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;

export function isSafeName(name: string): boolean {
  return name.length <= 120 && NAME.test(name);
}

/** A source over a Blob or File. */
export function blobSource(blob: Blob): Source {
  const read = async (offset: number, length: number) =>
    new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
  return { size: blob.size, read };
}

/** A bundle's directory, checked against every local header. */
export class Zip {
  readonly entries = new Map<string, Entry>();

  private constructor(private readonly source: Source) {}

  static async open(source: Source): Promise<Zip> {
    const zip = new Zip(source);
    const size = source.size;
    if (size >= 0xffffffff) throw refused("too-large", "the file has 4 GiB or more");
    if (size < 22) throw refused("not-a-zip", "it is too short");
    const end = view(await zip.at(size - 22, 22));
    if (end.getUint32(0, true) !== 0x06054b50) {
      throw refused("not-a-zip", "it does not end with a directory");
    }
    const [files, filesToo] = [end.getUint16(8, true), end.getUint16(10, true)];
    const [length, start] = [end.getUint32(12, true), end.getUint32(16, true)];
    if (files === 0xffff || length === 0xffffffff || start === 0xffffffff) {
      throw refused("too-large", "it claims to be a ZIP64 file");
    }
    if (end.getUint32(4, true) !== 0 || files !== filesToo || end.getUint16(20, true) !== 0) {
      throw refused("not-a-zip", "the end record contradicts itself");
    }
    if (files > FILES_MAX) throw refused("too-large", "it has too many files");
    if (start + length !== size - 22) {
      throw refused("not-a-zip", "the directory is not where it is said to be");
    }
    await zip.readDirectory(await zip.at(start, length), files, start);
    return zip;
  }

  /** The content; undefined where it does not unpack to what it claims to be. */
  async read(name: string): Promise<Uint8Array | undefined> {
    const entry = this.entries.get(name);
    if (!entry) return undefined;
    let data: Uint8Array | undefined = await this.at(entry.dataAt, entry.packed);
    if (entry.method === 8) data = await inflate(data, entry.size);
    return data && data.length === entry.size && crc32(data) === entry.crc ? data : undefined;
  }

  private async at(offset: number, length: number): Promise<Uint8Array> {
    const data = await this.source.read(offset, length);
    if (data.length !== length) throw refused("unreadable", "it breaks off");
    return data;
  }

  private async readDirectory(directory: Uint8Array, files: number, dataEnd: number) {
    const breaks = () => refused("not-a-zip", "the directory breaks off");
    let [at, here, total] = [0, 0, 0];
    for (let n = 0; n < files; n++) {
      if (here + 46 > directory.length) throw breaks();
      const head = directory.subarray(here, here + 46);
      const field = view(head);
      if (field.getUint32(0, true) !== 0x02014b50) throw breaks();
      const [flags, method] = [field.getUint16(8, true), field.getUint16(10, true)];
      const crc = field.getUint32(16, true);
      const [packed, size] = [field.getUint32(20, true), field.getUint32(24, true)];
      const nameSize = field.getUint16(28, true);
      const localAt = field.getUint32(42, true);
      if (here + 46 + nameSize > directory.length) throw breaks();
      const name = directory.subarray(here + 46, here + 46 + nameSize);
      here += 46 + nameSize;
      if ((flags & ~0x0800) !== 0 || (method !== 0 && method !== 8)) {
        throw refused("unsupported", "encryption, streaming or another compression");
      }
      if (field.getUint32(30, true) !== 0 || field.getUint16(34, true) !== 0) {
        throw refused("unsupported", "extra fields or comments");
      }
      total += size;
      if (size > FILE_MAX || total > TOTAL_MAX) {
        throw refused("too-large", "a file claims more bytes than bundles have");
      }
      if (method === 0 ? size !== packed : size > packed * DEFLATE_MAX) {
        throw refused("too-large", "a file claims more bytes than it can unpack to");
      }
      const text = String.fromCharCode(...name.subarray(0, 200));
      if (!isSafeName(text) || name.length > 200) throw refused("unsafe-name", "a name is not safe");
      if (this.entries.has(text)) throw refused("duplicate-name", `two files are named ${text}`);
      const dataAt = localAt + 30 + nameSize;
      if (localAt !== at || dataAt + packed > dataEnd) {
        throw refused("not-a-zip", "files overlap, or leave room between them");
      }
      at = dataAt + packed;
      const local = await this.at(localAt, 30 + nameSize);
      const same =
        view(local).getUint32(0, true) === 0x04034b50 &&
        equal(local.subarray(4, 30), head.subarray(6, 32)) &&
        equal(local.subarray(30), name);
      if (!same) throw refused("not-a-zip", "a local header and the directory differ");
      this.entries.set(text, { dataAt, packed, size, crc, method });
    }
    if (here !== directory.length || at !== dataEnd) {
      throw refused("not-a-zip", "there is something beside the files");
    }
  }
}

/** Unpacks, but never much beyond the claim; undefined where it fails or claims falsely. */
async function inflate(data: Uint8Array, claim: number): Promise<Uint8Array | undefined> {
  const stream = new Blob([data as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new DecompressionStream("deflate-raw"));
  const reader = stream.getReader();
  const content = new Uint8Array(claim);
  let at = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return at === claim ? content : undefined;
      if (at + value.length > claim) {
        await reader.cancel().catch(() => undefined);
        return undefined;
      }
      content.set(value, at);
      at += value.length;
    }
  } catch {
    return undefined;
  }
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

function crc32(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}

function view(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

export { Fault };
