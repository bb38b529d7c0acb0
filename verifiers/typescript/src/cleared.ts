// Records whose contents a reviewer had redacted or erased: they are shown without parts, and a later
// revision of the same span says so.

import { FAULTS_MAX, Fault } from "./fault.js";
import type { Leaf } from "./leaf.js";
import { isObject, parseObject, type Json } from "./text.js";

const DECISION = "exhibit.review_decision";
const CHAIN_MAX = 1_000;

export class Cleared {
  private readonly bare: { index: number; id: string; trace_id: string; whose: string }[] = [];
  private readonly telling = new Map<string, string>();

  get any(): boolean {
    return this.bare.length > 0;
  }

  /** Takes a line without parts; false where it cannot be one of a cleared record. */
  take(line: Json, leaf: Leaf, index: number): boolean {
    const fits = line["superseded"] === true && line["span_id"] !== undefined;
    const trace_id = line["trace_id"] as string;
    if (fits) this.bare.push({ index, id: leaf.facts["id"] as string, trace_id, whose: name(line) });
    return fits;
  }

  /** Notes what a record that opens its leaf says of a review. */
  hear(line: Json, leaf: Leaf) {
    const text = (line["parts"] as Json[])[3]?.["text"];
    if (typeof text !== "string" || !text.includes(DECISION)) return;
    const attributes = parseObject(text)?.["attributes"];
    const decision = isObject(attributes) ? attributes[DECISION] : undefined;
    const handling = isObject(decision) ? decision["handling"] : undefined;
    if (handling === "redact" || handling === "erase") {
      this.telling.set(leaf.facts["id"] as string, name(line));
    }
  }

  /** Checks that for each record without parts a later one tells of the review. */
  confirm(leaves: Map<number, Leaf>, faults: Fault[]) {
    if (!this.any) return;
    const later = new Map<string, string>();
    for (const { facts } of leaves.values()) {
      if (facts["supersedes"] !== undefined) {
        later.set(facts["supersedes"] as string, facts["id"] as string);
      }
    }
    for (const { index, id, trace_id, whose } of this.bare) {
      let next = later.get(id);
      for (let step = 1; step < CHAIN_MAX && next !== undefined; step += 1) {
        if (this.telling.get(next) === whose) break;
        next = later.get(next);
      }
      if (next !== undefined && this.telling.get(next) === whose) continue;
      if (faults.length >= FAULTS_MAX) return;
      const what = "a record is shown without its parts, and no review says why";
      faults.push(new Fault("missing", "record-not-cleared", what, { index, trace_id }));
    }
  }
}

/** Trace and span as one text; JSON, so that no two spans have the same. */
function name(line: Json): string {
  return JSON.stringify([line["trace_id"], line["span_id"]]);
}
