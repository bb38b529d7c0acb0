// The bundle as a file: its manifest, and every file against what the manifest lists.

import { Fault, malformed, refused } from "./fault.js";
import { fromUtf8, hasShape, hex, parseObject, type Json, type Type } from "./text.js";
import { sha256 } from "./tree.js";
import { Zip, isSafeName, type Source } from "./zip.js";

export const MANIFEST = "manifest.json";
export const SIGNATURE = "manifest.dsse.json";

export class Bundle {
  private constructor(
    readonly zip: Zip,
    readonly manifest: Json,
    readonly manifestBytes: Uint8Array,
    private readonly files: Map<string, { bytes: number; sha256: string }>,
  ) {}

  static async open(source: Source): Promise<Bundle> {
    const zip = await Zip.open(source);
    const unreadable = () => refused("malformed-manifest", "the manifest does not read");
    const bytes = await zip.read(MANIFEST);
    const manifest = bytes && parseObject(fromUtf8(bytes));
    const shape: Record<string, Type> = {
      format: "string", created: "string", generator: "string", log: "object",
      selection: "object", counts: "object", files: "array",
    };
    const file = { name: "string", bytes: "count", sha256: "string" } as const;
    if (!bytes || !hasShape(manifest, shape) || manifest["format"] !== "exhibit-evidence/1") {
      throw unreadable();
    }
    const count = { traces: "count", records: "count", leaves: "count", pending: "count" } as const;
    const selection = { trace_id: "string", filter: "string", withheld: "array" } as const;
    const sound =
      hasShape(manifest["log"], { origin: "string", size: "count", root: "string" }) &&
      hasShape(manifest["selection"], { workspace: "string" }, selection) &&
      hasShape(manifest["counts"], count);
    if (!sound) throw unreadable();
    const files = new Map<string, { bytes: number; sha256: string }>();
    for (const one of manifest["files"] as unknown[]) {
      if (!hasShape(one, file)) throw unreadable();
      const [name, digest] = [one["name"] as string, one["sha256"] as string];
      const taken = files.has(name) || name === MANIFEST || name === SIGNATURE;
      if (taken || !isSafeName(name) || digest.length !== 64) throw unreadable();
      files.set(name, { bytes: one["bytes"] as number, sha256: digest });
    }
    for (const name of zip.entries.keys()) {
      if (!files.has(name) && name !== MANIFEST && name !== SIGNATURE) {
        throw refused("unlisted-file", `${name} is not in the manifest`, { file: name });
      }
    }
    return new Bundle(zip, manifest, bytes, files);
  }

  get created(): string {
    return this.manifest["created"] as string;
  }

  get head(): { origin: string; size: number; root: string } {
    return this.manifest["log"] as { origin: string; size: number; root: string };
  }

  get counts(): Record<"traces" | "records" | "leaves", number> {
    return this.manifest["counts"] as Record<"traces" | "records" | "leaves", number>;
  }

  /** Files that the manifest lists and that are not there. */
  missing(): Fault[] {
    return [...this.files.keys()].filter((name) => !this.has(name)).map(missing);
  }

  has(name: string): boolean {
    return this.zip.entries.has(name);
  }

  /** The names of all files, in the manifest's order. */
  names(): string[] {
    return [...this.files.keys()];
  }

  /** The content of a file, if it is what the manifest lists. */
  async content(name: string): Promise<Uint8Array> {
    if (!this.has(name)) throw missing(name);
    const data = await this.zip.read(name);
    if (!data) {
      const what = "it does not unpack to what it claims to be";
      throw new Fault("altered", "file-damaged", what, { file: name });
    }
    const listed = this.files.get(name);
    if (listed && (listed.bytes !== data.length || listed.sha256 !== hex(await sha256(data)))) {
      const what = "it is not the file that the manifest lists";
      throw new Fault("altered", "file-changed", what, { file: name });
    }
    return data;
  }

  /** The files of lines in a folder. */
  segments(folder: string): string[] {
    const pattern = new RegExp(`^${folder}/[0-9]*\\.jsonl$`);
    return this.names().filter((name) => pattern.test(name));
  }

  async lines(name: string): Promise<string[]> {
    const text = fromUtf8(await this.content(name));
    if (!text?.endsWith("\n")) throw malformed(name, "not lines of UTF-8");
    return text.slice(0, -1).split("\n");
  }
}

function missing(file: string): Fault {
  return new Fault("missing", "file-missing", "a file of the bundle is not there", { file });
}
