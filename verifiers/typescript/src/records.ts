// Every record against its leaf, every seal against the leaves of its trace.

import type { Bundle } from "./bundle.js";
import { Cleared } from "./cleared.js";
import type { Gone } from "./erasures.js";
import { FAULTS_MAX, Fault, gather, malformed, type Where } from "./fault.js";
import { isOfRecord, type Leaf } from "./leaf.js";
import type { Demands, Report } from "./report.js";
import { fromHex, hasShape, hex, parseLine, parseObject, utf8, type Json, type Type } from "./text.js";
import { leafHash, rootOf } from "./tree.js";

interface Trace {
  spans: [number, Uint8Array][];
  seals: [number, Json][];
}

const SPAN_PARTS = ["header", "input", "output", "attributes", "events"];

/** What the records of a bundle add up to. */
class Records {
  readonly faults: Fault[] = [];
  readonly seen = new Set<number>();
  readonly traces = new Map<string, Trace>();
  readonly cleared = new Cleared();
  withheld = false;

  constructor(private readonly leaves: Map<number, Leaf>) {}

  async add(text: string, name: string) {
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
    const leaf = this.leaves.get(index);
    if (!leaf) {
      const what = "no leaf is shown at the record's place";
      throw new Fault("reordered", "record-elsewhere", what, where);
    }
    if (line["record"] !== leaf.facts["id"] || line["type"] !== leaf.facts["type"]) {
      const what = "the leaf at this place is another record's";
      throw new Fault("reordered", "record-elsewhere", what, where);
    }
    const isSpan = leaf.facts["type"] === "span";
    const trace = this.traces.get(trace_id) ?? { spans: [], seals: [] };
    if (!parts.length && isSpan && this.cleared.take(line, leaf, index)) {
      trace.spans.push([index, leaf.hash]);
      return this.note(trace_id, trace, where);
    }
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
    if (isSpan) {
      const header = first === undefined ? line : parseObject(first);
      const same = header?.["trace_id"] === trace_id && header["span_id"] === line["span_id"];
      if (!same || line["span_id"] === undefined) throw mislabelled;
      this.cleared.hear(line, leaf);
      trace.spans.push([index, leaf.hash]);
    } else {
      const seal = parseObject(first);
      const sealed = { trace_id: "string", covered: "count", root: "string", late: "boolean" } as const;
      if (!hasShape(seal, sealed, { partial: "boolean" })) throw mislabelled;
      if (seal["trace_id"] !== trace_id || line["span_id"] !== undefined) throw mislabelled;
      trace.seals.push([index, seal]);
    }
    this.note(trace_id, trace, where);
  }

  private note(trace_id: string, trace: Trace, where: { index: number }) {
    const { index } = where;
    this.traces.set(trace_id, trace);
    if (this.seen.has(index)) {
      this.faults.push(new Fault("altered", "record-twice", "a record is there twice", where));
    }
    this.seen.add(index);
  }
}

/** Checks all records, and counts what was erased. */
export async function checkRecords(
  bundle: Bundle,
  demands: Demands,
  leaves: Map<number, Leaf>,
  gone: Gone,
  report: Report,
): Promise<Fault[]> {
  const records = new Records(leaves);
  const { faults, seen, traces } = records;
  const segments = bundle.segments("records");
  for (const name of segments) {
    const each = async () => {
      for (const line of await bundle.lines(name)) {
        await gather(faults, () => records.add(line, name), (fault) => fault.verdict === "refused");
        demands.progress?.(seen.size, bundle.counts.records);
      }
    };
    await gather(faults, each);
  }
  for (const name of bundle.zip.entries.keys()) {
    const read = segments.includes(name) || name.startsWith("log/") || name.startsWith("erasures/");
    if (!read) await gather(faults, async () => void (await bundle.content(name)));
  }
  for (const index of seen) {
    if (!gone.covers(index) || faults.length >= FAULTS_MAX) continue;
    const what = "a record is shown that a certificate says was erased";
    faults.push(new Fault("altered", "record-erased", what, { index }));
  }
  const named = new Set(faults.map((fault) => fault.where.index));
  if (!faults.some((fault) => fault.code === "record-elsewhere")) {
    for (const [index, leaf] of leaves) {
      if (!isOfRecord(leaf) || seen.has(index) || named.has(index)) continue;
      if (gone.count(index)) continue;
      if (faults.length >= FAULTS_MAX) break;
      const what = `the record of leaf ${index} is not there`;
      faults.push(new Fault("missing", "record-missing", what, { index }));
    }
  }
  records.cleared.confirm(leaves, faults);
  faults.push(...gone.faults);
  let late = false;
  if (!faults.length) {
    for (const [trace_id, { spans, seals }] of traces) {
      spans.sort((a, b) => a[0] - b[0]);
      for (const [index, seal] of seals) {
        late ||= seal["late"] === true;
        await gather(faults, () => checkSeal(seal, spans, { index, trace_id }));
      }
    }
  }
  [report.traces, report.records] = [traces.size, seen.size];
  const names = ["traces", "records", "leaves"] as const;
  if (!faults.length && names.some((name) => bundle.counts[name] !== report[name])) {
    const what = "the manifest counts other traces, records or leaves than there are";
    faults.push(new Fault("altered", "counts-differ", what));
  }
  if (records.withheld) report.qualifiers.push("redacted");
  if (late) report.qualifiers.push("late");
  if (records.cleared.any) report.qualifiers.push("cleared-by-review");
  [report.erased, report.erasures] = gone.told();
  if (report.erased > 0) report.qualifiers.push("erased-with-certificate");
  // A file that cannot be read, or is not the one that was signed, explains all the rest.
  const refusals = faults.filter((fault) => fault.verdict === "refused");
  const broken = faults.filter((f) => f.code === "file-changed" || f.code === "file-damaged");
  return refusals.length ? refusals : broken.length ? broken : faults;
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
