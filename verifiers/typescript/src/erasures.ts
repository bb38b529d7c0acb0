// Certificates of erasure: acts in the log by which records were rightly taken away.

import type { Bundle } from "./bundle.js";
import { Fault, gather, malformed } from "./fault.js";
import { isOfRecord, type Leaf } from "./leaf.js";
import type { Erasure } from "./report.js";
import { fromHex, hasShape, hex, isObject, parseLine, parseObject, rfc3339, utf8, type Json } from "./text.js";
import { leafHash } from "./tree.js";

const LISTED_MAX = 1_000;

interface Certified {
  told: Erasure;
  ranges: [number, number][];
}

/** What certificates take out of what must be there. */
export class Gone {
  readonly faults: Fault[] = [];
  private readonly erasures: Erasure[] = [];
  private readonly byIndex = new Map<number, Erasure>();

  /** Marks the leaves that certificates cover; where several do, the one whose range begins first. */
  cover(certified: Certified[], order: number[]) {
    certified.sort((a, b) => a.told.index - b.told.index);
    this.erasures.push(...certified.map((one) => one.told));
    const ranges = certified.flatMap(({ ranges, told }, number) =>
      ranges.map(([from, to]) => ({ from, to, number, told })),
    );
    ranges.sort((a, b) => a.from - b.from || a.to - b.to || a.number - b.number);
    let done = 0;
    for (const { from, to, told } of ranges) {
      const last = before(order, to);
      for (let place = Math.max(before(order, from), done); place < last; place += 1) {
        this.byIndex.set(order[place] as number, told);
      }
      done = Math.max(done, last);
    }
  }

  covers(index: number): boolean {
    return this.byIndex.has(index);
  }

  /** Counts the record of a leaf as gone; false where no certificate covers it. */
  count(index: number): boolean {
    const erasure = this.byIndex.get(index);
    if (erasure) erasure.records += 1;
    return erasure !== undefined;
  }

  told(): [number, Erasure[]] {
    const records = this.erasures.reduce((sum, one) => sum + one.records, 0);
    return [records, this.erasures.slice(0, LISTED_MAX)];
  }
}

/** Reads and checks every certificate. */
export async function checkErasures(bundle: Bundle, leaves: Map<number, Leaf>): Promise<Gone> {
  const [gone, certified] = [new Gone(), new Map<number, Certified>()];
  const order = [...leaves.keys()];
  const tally = [0];
  for (const leaf of leaves.values()) tally.push((tally.at(-1) as number) + Number(isOfRecord(leaf)));
  const shape = {
    index: "count", record: "string", type: "string", salt: "string", text: "string",
  } as const;
  for (const name of bundle.segments("erasures")) {
    const each = async () => {
      for (const text of await bundle.lines(name)) {
        const line = parseLine(text);
        if (!hasShape(line, shape)) throw malformed(name, "not a line of a certificate");
        const index = line["index"] as number;
        const one = async () => {
          const where = { file: name, index };
          const found = await certificate(line, leaves, order, tally, where);
          if (certified.has(index)) throw unfit("it is there twice", where);
          certified.set(index, found);
        };
        await gather(gone.faults, one, (fault) => fault.verdict === "refused");
      }
    };
    await gather(gone.faults, each);
  }
  gone.cover([...certified.values()], order);
  return gone;
}

async function certificate(
  line: Json,
  leaves: Map<number, Leaf>,
  order: number[],
  tally: number[],
  where: { file: string; index: number },
): Promise<Certified> {
  const leaf = leaves.get(where.index)?.facts;
  const kind = leaf?.["type"] === "erasure" || leaf?.["type"] === "retention";
  if (!leaf || !kind || leaf["type"] !== line["type"] || leaf["id"] !== line["record"]) {
    const what = "the log does not show the act that this certificate is of";
    throw new Fault("bad-proof", "certificate-not-in-log", what, where);
  }
  const [salt, text] = [fromHex(line["salt"], 32), utf8(line["text"] as string)];
  const sealed = salt && hex(await leafHash(salt, text)) === leaf["body_root"];
  if (!sealed || JSON.stringify(leaf["lengths"]) !== JSON.stringify([text.length])) {
    const what = "the certificate is not the act that was sealed";
    throw new Fault("altered", "certificate-changed", what, where);
  }
  const act = parseObject(line["text"] as string);
  const erased = act?.["act"] === "erased" && isObject(act["erased"]) ? act["erased"] : undefined;
  const { cause, why, at, by, leaves: ranges } = erased ?? {};
  const isRange = (one: unknown): one is [number, number] =>
    Array.isArray(one) && one.length === 2 && one.every((n) => Number.isSafeInteger(n) && n >= 0);
  const texts = typeof cause === "string" && typeof why === "string" && typeof at === "string";
  if (!texts || !/^-?[0-9]{1,19}$/.test(at) || !Array.isArray(ranges) || !ranges.every(isRange)) {
    throw unfit("the act is no erasure", where);
  }
  const nameable = by === undefined || by === null || typeof by === "string";
  if (!nameable || BigInt.asIntN(64, BigInt(at)) !== BigInt(at)) throw unfit("the act is no erasure", where);
  let covered = 0;
  for (const [from, to] of ranges) {
    if (from >= to || to > where.index) {
      throw unfit("it covers leaves that were not there yet", where);
    }
    const [first, last] = [before(order, from), before(order, to)];
    if ((tally[last] as number) - (tally[first] as number) < last - first) {
      throw unfit("it covers leaves that are not of records", where);
    }
    covered += last - first;
  }
  if (covered === 0) throw unfit("it covers no record of this bundle", where);
  const named = typeof by === "string" ? { by } : {};
  const told = { index: where.index, cause, why, ...named, at: rfc3339(BigInt(at)), records: 0 };
  return { told, ranges };
}

function unfit(what: string, where: { file: string; index: number }): Fault {
  return new Fault("bad-proof", "certificate-unfit", what, where);
}

/** How many of the indexes stand before one. */
function before(order: number[], index: number): number {
  let [from, to] = [0, order.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((order[middle] as number) < index) from = middle + 1;
    else to = middle;
  }
  return from;
}
