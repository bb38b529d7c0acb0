// Checks evidence bundles of Exhibit, in browsers and Node 20 or later, on WebCrypto, without
// dependencies. It was written from docs/reference/evidence.md and the public specifications it names,
// apart from the verifiers in Rust and Python.
//
//     import { blobSource, verify } from "./verify.js";
//     const report = await verify(blobSource(file), { key: pinnedKey });

import { Fault, VERDICTS, malformed, refused, type Verdict, type Where } from "./fault.js";
import { Checkpoint, Key, ed25519 } from "./note.js";
import { Succession, epochOf, readChain } from "./succession.js";
import { Cover, consistencyRoots, inclusionRoot, leafHash, rootOf, sha256 } from "./tree.js";
import {
  base64, fromHex, fromUtf8, hasShape, hex, isObject, parseLine, parseObject, parseTexts, utf8,
  type Json, type Type,
} from "./text.js";
import { Zip, equal, isSafeName, type Source } from "./zip.js";

export { Checkpoint } from "./note.js";
export { blobSource, type Source } from "./zip.js";

/** What the auditor brings along. */
export interface Demands {
  /** Verifier key of the log or installation, pinned from outside. */
  key?: string;
  /** Verifier keys of witnesses that are trusted. */
  witnesses?: string[];
  /** How many of them must have cosigned; 1 unless given. */
  quorum?: number;
  /** A checkpoint of the log that was kept. */
  checkpoint?: Uint8Array;
  /** Whether a bundle without an independent checkpoint is not enough. */
  requireWitness?: boolean;
  /** Told how many records have been checked, of how many the manifest counts. */
  progress?: (done: number, total: number) => void;
}

export interface Report {
  verdict: Verdict;
  qualifiers: string[];
  log: string;
  key: string;
  tree_size: number;
  created: string;
  traces: number;
  records: number;
  leaves: number;
  complete: boolean;
  witnesses: string[];
  faults: ({ verdict: Verdict; code: string; what: string } & Where)[];
}

interface Leaf {
  hash: Uint8Array;
  facts: Json;
}

interface Trace {
  spans: [number, Uint8Array][];
  seals: [number, Json][];
}

const FAULTS_MAX = 1_000;
const SPAN_PARTS = ["header", "input", "output", "attributes", "events"];
const LEAF_TYPES = [
  "span", "trace-seal", "decision", "review", "rule-change", "key-change", "access", "hold",
  "retention", "erasure", "export", "admin", "repricing", "remapping", "gap", "head",
];
const MANIFEST = "manifest.json";
const SIGNATURE = "manifest.dsse.json";
const PAYLOAD_TYPE = "application/vnd.in-toto+json";

/** Whether every key from the pinned one to the log's signed for the next. */
function isHeir(pinned: Key, chain: Succession[], below: string): boolean {
  const from = chain.map((one) => one.handsOverFrom(pinned, below)).lastIndexOf(true);
  return from >= 0 && chain.slice(from).every((one) => one.reason !== "compromise");
}

/** Verifies one bundle. */
export async function verify(source: Source, demands: Demands = {}): Promise<Report> {
  const check = new Check(demands);
  try {
    await check.run(source);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    check.faults.push(error);
  }
  return check.report();
}

class Check {
  readonly faults: Fault[] = [];
  private readonly qualifiers: string[] = [];
  private readonly witnesses: string[] = [];
  private zip!: Zip;
  private manifest: Json | undefined;
  private manifestBytes = new Uint8Array();
  private files = new Map<string, { bytes: number; sha256: string }>();
  private key: Key | undefined;
  private checkpoint: Checkpoint | undefined;
  private counts = { traces: 0, records: 0, leaves: 0 };
  private complete = false;
  private withheld = false;

  constructor(private readonly demands: Demands) {}

  async run(source: Source) {
    this.zip = await Zip.open(source);
    await this.open();
    if (this.faults.length) return;
    await this.checkHead();
    const leaves = await this.checkLog();
    if (leaves) await this.checkRecords(leaves);
  }

  report(): Report {
    const rank = (fault: Fault) => VERDICTS.indexOf(fault.verdict);
    const faults = [...this.faults].sort((a, b) => rank(b) - rank(a));
    return {
      verdict: faults[0]?.verdict ?? "valid",
      qualifiers: this.qualifiers,
      log: this.key?.name ?? "",
      key: this.key?.text ?? "",
      tree_size: this.checkpoint?.size ?? 0,
      created: String(this.manifest?.["created"] ?? ""),
      ...this.counts,
      complete: this.complete,
      witnesses: this.witnesses,
      faults: faults.map(({ verdict, code, what, where }) => ({ verdict, code, ...where, what })),
    };
  }

  private async open() {
    const unreadable = () => refused("malformed-manifest", "the manifest does not read");
    const bytes = await this.zip.read(MANIFEST);
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
    for (const one of manifest["files"] as unknown[]) {
      if (!hasShape(one, file)) throw unreadable();
      const [name, digest] = [one["name"] as string, one["sha256"] as string];
      const taken = this.files.has(name) || name === MANIFEST || name === SIGNATURE;
      if (taken || !isSafeName(name) || digest.length !== 64) throw unreadable();
      this.files.set(name, { bytes: one["bytes"] as number, sha256: digest });
    }
    [this.manifest, this.manifestBytes] = [manifest, bytes as Uint8Array<ArrayBuffer>];
    for (const name of this.zip.entries.keys()) {
      if (!this.files.has(name) && name !== MANIFEST && name !== SIGNATURE) {
        throw refused("unlisted-file", `${name} is not in the manifest`, { file: name });
      }
    }
    for (const name of this.files.keys()) {
      if (!this.zip.entries.has(name)) this.faults.push(missing(name));
    }
  }

  private async content(name: string): Promise<Uint8Array> {
    if (!this.zip.entries.has(name)) throw missing(name);
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

  private segments(folder: string): string[] {
    const pattern = new RegExp(`^${folder}/[0-9]*\\.jsonl$`);
    return [...this.files.keys()].filter((name) => pattern.test(name));
  }

  private async lines(name: string): Promise<string[]> {
    const text = fromUtf8(await this.content(name));
    if (!text?.endsWith("\n")) throw malformed(name, "not lines of UTF-8");
    return text.slice(0, -1).split("\n");
  }

  // Signatures.

  private async readKey(name: string): Promise<Key> {
    const text = fromUtf8(await this.content(name));
    const key = text?.endsWith("\n") ? await Key.parse(text.slice(0, -1)) : undefined;
    if (!key) throw malformed(name, "not a verifier key");
    return key;
  }

  private async readSuccessions(above: Key): Promise<Succession[]> {
    const name = "keys/successions.json";
    if (!this.zip.entries.has(name)) return [];
    const notes = parseTexts(fromUtf8(await this.content(name)));
    if (!notes) throw malformed(name, "not a list of notes");
    const chain = await readChain(notes, above);
    if (chain) return chain;
    const what = "the changes of the log's key do not hold";
    throw new Fault("wrong-key", "key-succession", what, { file: name });
  }

  private async readCheckpoint(name: string, key: Key, chain: Succession[] = []) {
    const checkpoint = Checkpoint.parse(await this.content(name));
    if (!checkpoint) throw malformed(name, "not a signed checkpoint");
    const before = chain.filter((one) => checkpoint.size <= one.ended.size).map((one) => one.old);
    let signed = false;
    for (const one of [key, ...before]) signed ||= await checkpoint.signedBy(one);
    if (!signed) {
      const what = "the checkpoint is not signed by this log's key";
      throw new Fault("wrong-key", "checkpoint-signature", what, { file: name });
    }
    return checkpoint;
  }

  private async checkHead() {
    this.key = await this.readKey("keys/log.vkey");
    const above = await this.readKey("keys/installation.vkey");
    if (!this.key.extends(above)) {
      const what = "the installation's key is not the one that signs the workspace's log";
      throw new Fault("wrong-key", "key-differs", what, { file: "keys/installation.vkey" });
    }
    const chain = await this.readSuccessions(above);
    const below = this.key.name.slice(above.name.length);
    if (this.demands.key === undefined) {
      this.qualifiers.push("key-self-asserted");
    } else {
      const pinned = await Key.parse(this.demands.key.trim());
      if (pinned && !this.key.extends(pinned) && isHeir(pinned, chain, below)) {
        this.qualifiers.push("key-succeeded");
      } else if (!pinned || !this.key.extends(pinned)) {
        const what = "the log is signed with another key than the pinned one";
        throw new Fault("wrong-key", "key-not-pinned", what, { file: "keys/log.vkey" });
      }
    }
    if (chain.some((one) => one.reason === "restore")) this.qualifiers.push("restored");
    this.checkpoint = await this.readCheckpoint("checkpoints/log", this.key);
    await this.checkManifest(this.key, this.checkpoint);
    const witnessed = await this.checkInstallation(above, chain, this.checkpoint);
    const independent = await this.checkIndependent(this.key, below, chain, this.checkpoint);
    if (witnessed || independent) return;
    this.qualifiers.push("unwitnessed");
    if (this.demands.requireWitness) {
      const what = "no trusted witness has cosigned, and no checkpoint was given";
      throw new Fault("unverifiable", "unwitnessed", what);
    }
  }

  private async checkManifest(key: Key, checkpoint: Checkpoint) {
    const envelope = parseObject(fromUtf8(await this.content(SIGNATURE)));
    const shape = { payload: "string", payloadType: "string", signatures: "array" } as const;
    const unreadable = () => malformed(SIGNATURE, "not a DSSE envelope of an in-toto statement");
    if (!hasShape(envelope, shape) || envelope["payloadType"] !== PAYLOAD_TYPE) throw unreadable();
    const payload = base64(envelope["payload"] as string);
    const given = envelope["signatures"] as unknown[];
    const signatures = given.map((one) =>
      hasShape(one, { keyid: "string", sig: "string" }) ? base64(one["sig"] as string) : undefined,
    );
    if (!payload || !signatures.length || signatures.length > 16 || signatures.includes(undefined)) {
      throw unreadable();
    }
    const head = utf8(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `);
    const message = Uint8Array.from([...head, ...payload]);
    let signed = false;
    for (const one of signatures) {
      signed ||= one !== undefined && (await ed25519(key.publicKey, message, one));
    }
    if (!signed) {
      const what = "the manifest is not signed by the log's key";
      throw new Fault("wrong-key", "manifest-signature", what, { file: SIGNATURE });
    }
    const statement = parseObject(fromUtf8(payload));
    const subjects = statement?.["subject"];
    const subject: unknown = Array.isArray(subjects) && subjects.length === 1 ? subjects[0] : null;
    const digest = isObject(subject) && isObject(subject["digest"]) && subject["digest"]["sha256"];
    const about =
      statement?.["_type"] === "https://in-toto.io/Statement/v1" &&
      statement["predicateType"] === "https://exhibit.dev/evidence/v1" &&
      isObject(subject) &&
      subject["name"] === MANIFEST;
    if (!about || typeof digest !== "string") throw unreadable();
    if (digest !== hex(await sha256(this.manifestBytes))) {
      throw new Fault("altered", "manifest-changed", "the manifest is not the one that was signed");
    }
    const log = this.manifest?.["log"] as Json;
    const { origin, size, root } = checkpoint;
    if (log["origin"] !== origin || log["size"] !== size || log["root"] !== hex(root)) {
      const what = "the manifest states another head than the checkpoint";
      throw new Fault("forked", "head-differs", what, { file: "checkpoints/log" });
    }
  }

  private async checkInstallation(above: Key, chain: Succession[], stated: Checkpoint) {
    const installation = await this.readCheckpoint("checkpoints/installation", above, chain);
    const name = "checkpoints/head.json";
    const head = parseObject(fromUtf8(await this.content(name)));
    const path = hasShape(head, { index: "count", leaf: "string", proof: "array" })
      ? hashes(head["proof"] as unknown[])
      : undefined;
    if (!head || !path) throw malformed(name, "not the proof of a head");
    const text = head["leaf"] as string;
    const hash = await leafHash(utf8(text));
    const root = await inclusionRoot(head["index"] as number, installation.size, hash, path);
    if (!root || !equal(root, installation.root)) {
      const what = "the head does not stand in the installation's log";
      throw new Fault("bad-proof", "head-proof", what, { file: name });
    }
    const leaf = readLeaf(text);
    if (!leaf) throw malformed(name, "not the proof of a head");
    const facts = isObject(leaf["facts"]) ? leaf["facts"] : {};
    const same =
      leaf["type"] === "head" &&
      facts["log"] === stated.origin &&
      facts["size"] === String(stated.size) &&
      facts["root"] === hex(stated.root);
    if (!same) {
      const what = "the installation's log states another head of this log";
      throw new Fault("forked", "head-differs", what, { file: name });
    }
    for (const text of this.demands.witnesses ?? []) {
      const witness = await Key.parse(text.trim());
      const holds = witness ? await installation.cosignedBy(witness) : false;
      if (holds === undefined) {
        const what = "a cosignature carries a trusted witness's name and is not its";
        throw new Fault("wrong-key", "cosignature", what, { file: "checkpoints/installation" });
      }
      if (witness && holds) this.witnesses.push(witness.name);
    }
    return this.witnesses.length > 0 && this.witnesses.length >= (this.demands.quorum ?? 1);
  }

  private async checkIndependent(key: Key, below: string, chain: Succession[], head: Checkpoint) {
    if (!this.demands.checkpoint) return false;
    const given = Checkpoint.parse(this.demands.checkpoint);
    const keys = [key];
    for (const one of chain) keys.push(await one.old.named(one.old.name + below));
    let signed = false;
    for (const one of keys) signed ||= (await given?.signedBy(one)) ?? false;
    if (!given || !signed) {
      const what = "the checkpoint that you gave is not signed by this log's key";
      throw new Fault("wrong-key", "given-checkpoint", what);
    }
    const epoch = epochOf(given.origin.slice(0, given.origin.length - below.length))[1];
    const restores = chain.filter((one) => one.reason === "restore");
    const takenBack = restores.some((one) => epochOf(one.old.name)[1] >= epoch);
    try {
      return await this.continues(given, head);
    } catch (error) {
      const fault = error instanceof Fault ? error : undefined;
      if (!takenBack || !(fault?.verdict === "forked" || given.size > head.size)) throw error;
      const what = "the log was restored from an older backup after your checkpoint was signed";
      const file = "keys/successions.json";
      throw new Fault("forked", "checkpoint-taken-back", what, { file });
    }
  }

  /** Whether the bundle's checkpoint continues one from elsewhere. */
  private async continues(given: Checkpoint, head: Checkpoint): Promise<boolean> {
    const contradicts = () =>
      new Fault("forked", "checkpoint-contradicts", "the log contradicts your checkpoint");
    if (given.size === head.size) {
      if (!equal(given.root, head.root)) throw contradicts();
      return true;
    }
    const name = "checkpoints/consistency.json";
    let [proof, path]: [Json | undefined, Uint8Array[] | undefined] = [undefined, undefined];
    if (this.zip.entries.has(name)) {
      proof = parseObject(fromUtf8(await this.content(name)));
      const shape = { old_size: "count", old_root: "string", proof: "array" } as const;
      path = hasShape(proof, shape) ? hashes(proof["proof"] as unknown[]) : undefined;
      if (!path) throw malformed(name, "not a consistency proof");
    }
    if (!path || proof?.["old_size"] !== given.size || given.size >= head.size) {
      const what = "the bundle holds no consistency proof for the checkpoint that you gave";
      throw new Fault("unverifiable", "no-consistency-proof", what);
    }
    const roots =
      given.size > 0 ? await consistencyRoots(given.size, head.size, given.root, path) : undefined;
    if (!roots || !equal(roots[0], given.root) || !equal(roots[1], head.root)) throw contradicts();
    return true;
  }

  // The log.

  private async checkLog(): Promise<Map<number, Leaf> | undefined> {
    const [cover, leaves] = [new Cover(), new Map<number, Leaf>()];
    let complete = true;
    for (const name of this.segments("log")) {
      let lines: string[];
      try {
        lines = await this.lines(name);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        this.faults.push(error);
        if (error.verdict === "refused") return undefined;
        continue;
      }
      if (this.faults.length) continue;
      for (const line of lines) complete = (await add(cover, line, leaves, name)) && complete;
    }
    if (this.faults.length) return undefined;
    [this.counts.leaves, this.complete] = [leaves.size, complete];
    const log = this.manifest?.["log"] as { size: number; root: string };
    if (cover.size < log.size) {
      const what = `${cover.size} leaves are shown, the checkpoint has ${log.size}`;
      throw new Fault("truncated", "leaves-truncated", what, { index: cover.size });
    }
    if (cover.size > log.size || hex(await cover.root()) !== log.root) {
      const what = "the leaves are not those under the checkpoint";
      throw new Fault("altered", "root-differs", what);
    }
    return leaves;
  }

  // The records.

  private async checkRecords(leaves: Map<number, Leaf>) {
    const [seen, traces] = [new Set<number>(), new Map<string, Trace>()];
    const faults: Fault[] = [];
    const total = (this.manifest?.["counts"] as { records: number }).records;
    const gather = async (work: () => Promise<void>, stop: (fault: Fault) => boolean) => {
      try {
        await work();
      } catch (error) {
        if (!(error instanceof Fault) || stop(error)) throw error;
        if (faults.length < FAULTS_MAX) faults.push(error);
      }
    };
    const segments = this.segments("records");
    for (const name of segments) {
      const each = async () => {
        for (const line of await this.lines(name)) {
          const one = () => this.checkRecord(line, leaves, seen, traces, name, faults);
          await gather(one, (fault) => fault.verdict === "refused");
          this.demands.progress?.(seen.size, total);
        }
      };
      await gather(each, () => false);
    }
    for (const name of this.zip.entries.keys()) {
      if (segments.includes(name) || name.startsWith("log/")) continue;
      await gather(async () => void (await this.content(name)), () => false);
    }
    const named = new Set(faults.map((fault) => fault.where.index));
    if (!faults.some((fault) => fault.code === "record-elsewhere")) {
      for (const [index, { facts }] of leaves) {
        const wanted = facts["type"] === "span" || facts["type"] === "trace-seal";
        if (!wanted || seen.has(index) || named.has(index) || faults.length >= FAULTS_MAX) continue;
        const what = `the record of leaf ${index} is not there`;
        faults.push(new Fault("missing", "record-missing", what, { index }));
      }
    }
    let late = false;
    if (!faults.length) {
      for (const [trace_id, { spans, seals }] of traces) {
        spans.sort((a, b) => a[0] - b[0]);
        for (const [index, seal] of seals) {
          late ||= seal["late"] === true;
          await gather(() => checkSeal(seal, spans, { index, trace_id }), () => false);
        }
      }
    }
    this.counts = { ...this.counts, traces: traces.size, records: seen.size };
    const stated = this.manifest?.["counts"] as Record<string, number>;
    const differs = Object.entries(this.counts).some(([name, count]) => stated[name] !== count);
    if (!faults.length && differs) {
      const what = "the manifest counts other traces, records or leaves than there are";
      faults.push(new Fault("altered", "counts-differ", what));
    }
    if (this.withheld) this.qualifiers.push("redacted");
    if (late) this.qualifiers.push("late");
    const refusals = faults.filter((fault) => fault.verdict === "refused");
    const broken = faults.filter((f) => f.code === "file-changed" || f.code === "file-damaged");
    this.faults.push(...(refusals.length ? refusals : broken.length ? broken : faults));
  }

  private async checkRecord(
    text: string,
    leaves: Map<number, Leaf>,
    seen: Set<number>,
    traces: Map<string, Trace>,
    name: string,
    faults: Fault[],
  ) {
    const line = parseLine(text);
    const shape: Record<string, Type> = {
      trace_id: "string", type: "string", superseded: "boolean", index: "count",
      record: "string", parts: "array",
    };
    const part = { name: "string", bytes: "count" } as const;
    const more = { salt: "string", text: "string", withheld: "string" } as const;
    const parts = hasShape(line, shape, { span_id: "string" }) && (line["parts"] as Json[]);
    if (!line || !parts || !parts.every((one) => hasShape(one, part, more))) {
      throw malformed(name, "not a line of a record");
    }
    const [index, trace_id] = [line["index"] as number, line["trace_id"] as string];
    const where = { file: name, index, trace_id };
    const leaf = leaves.get(index);
    if (!leaf) {
      const what = "no leaf is shown at the record's place";
      throw new Fault("reordered", "record-elsewhere", what, where);
    }
    if (line["record"] !== leaf.facts["id"] || line["type"] !== leaf.facts["type"]) {
      const what = "the leaf at this place is another record's";
      throw new Fault("reordered", "record-elsewhere", what, where);
    }
    const isSpan = leaf.facts["type"] === "span";
    const found = await Promise.all(parts.map(partHash));
    const lengths = (leaf.facts["lengths"] ?? []) as number[];
    const names = isSpan ? SPAN_PARTS : ["seal"];
    const fits =
      JSON.stringify(parts.map((one) => one["name"])) === JSON.stringify(names) &&
      JSON.stringify(parts.map((one) => one["bytes"])) === JSON.stringify(lengths) &&
      found.every((hash) => hash !== undefined);
    if (!fits || hex(await rootOf(found as Uint8Array[])) !== leaf.facts["body_root"]) {
      const what = "the record's parts are not those that were sealed";
      throw new Fault("altered", "record-changed", what, where);
    }
    this.withheld ||= parts.some((one) => one["withheld"] !== undefined);
    const what = "the line names another trace or span than the record itself";
    const mislabelled = new Fault("altered", "record-mislabelled", what, where);
    const first = parts[0]?.["text"] as string | undefined;
    const trace = traces.get(trace_id) ?? { spans: [], seals: [] };
    if (isSpan) {
      const header = first === undefined ? line : parseObject(first);
      const same = header?.["trace_id"] === trace_id && header["span_id"] === line["span_id"];
      if (!same || line["span_id"] === undefined) throw mislabelled;
      trace.spans.push([index, leaf.hash]);
    } else {
      const seal = parseObject(first);
      const sealed = { trace_id: "string", covered: "count", root: "string", late: "boolean" } as const;
      if (!hasShape(seal, sealed, { partial: "boolean" })) throw mislabelled;
      if (seal["trace_id"] !== trace_id || line["span_id"] !== undefined) throw mislabelled;
      trace.seals.push([index, seal]);
    }
    traces.set(trace_id, trace);
    if (seen.has(index)) {
      faults.push(new Fault("altered", "record-twice", "a record is there twice", where));
    }
    seen.add(index);
  }
}

/** Adds one line of the cover; gives whether it shows a leaf. */
async function add(cover: Cover, text: string, leaves: Map<number, Leaf>, file: string) {
  const line = parseLine(text);
  const optional = { leaf: "string", leaves: "count", hash: "string" } as const;
  if (!hasShape(line, { index: "count" }, optional)) throw malformed(file, "not a line of a cover");
  const index = line["index"] as number;
  const where = { file, index };
  if (index > cover.size) {
    const what = `leaves ${cover.size} to ${index - 1} are not there`;
    throw new Fault("missing", "leaves-missing", what, { file, index: cover.size });
  }
  if (index < cover.size) {
    const what = `leaf ${index} stands where leaf ${cover.size} should`;
    throw new Fault("reordered", "leaves-out-of-order", what, where);
  }
  const members = Object.keys(line).length;
  if (line["leaf"] !== undefined && members === 2) {
    const hash = await leafHash(utf8(line["leaf"] as string));
    await cover.push(1, hash);
    const facts = readLeaf(line["leaf"] as string);
    if (!facts) throw new Fault("altered", "leaf-malformed", `leaf ${index} does not read`, where);
    leaves.set(index, { hash, facts });
    return true;
  }
  const [width, root] = [(line["leaves"] ?? 0) as number, fromHex(line["hash"], 32)];
  const power = width > 0 && 2 ** Math.round(Math.log2(width)) === width;
  if (members !== 3 || !root || !power || index % width !== 0 || index + width > 2 ** 53) {
    const what = "no complete subtree of this width can stand here";
    throw new Fault("bad-proof", "bad-subtree", what, where);
  }
  await cover.push(width, root);
  return false;
}

/** A leaf: canonical JSON with the members of docs/reference/wire.md. */
function readLeaf(text: string): Json | undefined {
  const leaf = parseLine(text);
  const sorted = (value: Json) => {
    const keys = Object.keys(value);
    return keys.every((key, at) => at === 0 || (keys[at - 1] as string) < key);
  };
  const required = { id: "string", received: "string", source: "string", type: "string", v: "count" } as const;
  const optional = {
    body_root: "string", epoch: "count", facts: "object", lengths: "array", rules: "string",
    seq: "string", supersedes: "string",
  } as const;
  if (!hasShape(leaf, required, optional) || leaf["v"] !== 1 || !sorted(leaf)) return undefined;
  const is = (name: string, bytes: number) =>
    leaf[name] === undefined || fromHex(leaf[name], bytes) !== undefined;
  const facts = (leaf["facts"] ?? {}) as Json;
  const sound =
    is("body_root", 32) && is("rules", 32) && is("id", 16) && is("supersedes", 16) &&
    sorted(facts) &&
    Object.values(facts).every((value) => typeof value === "string") &&
    ((leaf["lengths"] ?? []) as unknown[]).every((n) => Number.isSafeInteger(n) && Number(n) >= 0);
  const short = utf8(text).length <= 65_535;
  return sound && short && LEAF_TYPES.includes(leaf["type"] as string) ? leaf : undefined;
}

async function partHash(part: Json): Promise<Uint8Array | undefined> {
  const members = Object.keys(part).length;
  if (part["salt"] !== undefined && part["text"] !== undefined && members === 4) {
    const [salt, text] = [fromHex(part["salt"], 32), utf8(part["text"] as string)];
    return salt && text.length === part["bytes"] ? leafHash(salt, text) : undefined;
  }
  return members === 3 ? fromHex(part["withheld"], 32) : undefined;
}

async function checkSeal(seal: Json, spans: [number, Uint8Array][], where: Where) {
  const covered = seal["covered"] as number;
  if (spans.length < covered) {
    const what = "the trace has fewer records than its seal covers";
    throw new Fault("missing", "seal-span-missing", what, where);
  }
  const root = await rootOf(spans.slice(0, covered).map(([, hash]) => hash));
  if (hex(root) !== seal["root"]) {
    const what = "the trace's records are not those that its seal covers";
    throw new Fault("altered", "seal-differs", what, where);
  }
}

function hashes(texts: unknown[]): Uint8Array[] | undefined {
  const found = texts.map((text) => (typeof text === "string" ? base64(text, 32) : undefined));
  const whole = found.every((hash) => hash !== undefined);
  return whole && found.length <= 64 ? (found as Uint8Array[]) : undefined;
}

function missing(file: string): Fault {
  return new Fault("missing", "file-missing", "a file of the bundle is not there", { file });
}
