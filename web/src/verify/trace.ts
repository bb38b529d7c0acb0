/**
 * Verifies the evidence of one trace without asking the server for a verdict: every leaf is hashed
 * anew, every inclusion proof is walked to the root, and the root must be the one that the
 * checkpoint's key has signed.
 *
 * It does not check that a span's content is what its leaf commits to (that needs salts, which
 * `exhibit verify` has), nor that the key is the right one: compare it with the one you pinned.
 */
import { base64, equal, fromHex, hex, utf8 } from "./bytes";
import { type Checkpoint, NoEd25519, openCheckpoint, readCheckpoint } from "./note";
import { isIncluded, leafHash } from "./tree";

export interface RecordEvidence {
  span_id: string;
  record: string;
  index: number | null;
  fingerprint: string | null;
  leaf: string | null;
  proof: string[];
  verdict: string;
}

export interface SealEvidence {
  record: string;
  index: number;
  fingerprint: string;
  covered: number;
  root: string;
  partial: boolean;
  late: boolean;
  verdict: string;
}

/** What `GET /api/v1/traces/{id}/verification` answers. */
export interface Verification {
  trace_id: string;
  verdict: string;
  qualifiers: string[];
  fingerprint: string | null;
  log: string;
  key: string;
  checkpoint: string | null;
  tree_size: number;
  records: RecordEvidence[];
  seals: SealEvidence[];
  times: { span_id: string; check: string; detail: string }[];
  faults: { verdict: string; span_id?: string; index?: number; what: string }[];
}

export type Outcome = "valid" | "failed" | "pending" | "unverifiable";

export interface RecordOutcome {
  span_id: string;
  outcome: Outcome;
  /** The leaf hash that was computed here. */
  computed: string | null;
  reason: string | null;
}

export interface TraceOutcome {
  outcome: Outcome;
  signature: { outcome: Outcome; reason: string | null };
  checkpoint: Checkpoint | null;
  records: RecordOutcome[];
}

/** Checks everything; `progress` hears how many records are done. */
export async function verifyTrace(
  evidence: Verification,
  progress: (done: number, all: number) => void = () => {},
): Promise<TraceOutcome> {
  const { checkpoint, signature } = await checkSignature(evidence);
  const records: RecordOutcome[] = [];
  for (const record of evidence.records) {
    records.push(await verifyRecord(record, checkpoint));
    if (records.length % 50 === 0) progress(records.length, evidence.records.length);
  }
  progress(records.length, evidence.records.length);
  return { outcome: worst([signature.outcome, ...records.map((r) => r.outcome)]), signature, checkpoint, records };
}

async function checkSignature(
  evidence: Verification,
): Promise<{ checkpoint: Checkpoint | null; signature: TraceOutcome["signature"] }> {
  if (!evidence.checkpoint) {
    return { checkpoint: null, signature: { outcome: "pending", reason: "There is no checkpoint yet." } };
  }
  try {
    const checkpoint = await openCheckpoint(evidence.checkpoint, evidence.key);
    return { checkpoint, signature: { outcome: "valid", reason: null } };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (error instanceof NoEd25519) {
      const checkpoint = readCheckpoint(evidence.checkpoint);
      return { checkpoint, signature: { outcome: "unverifiable", reason } };
    }
    return { checkpoint: null, signature: { outcome: "failed", reason } };
  }
}

/** Checks one record: its leaf names it, hashes to its fingerprint, and stands in the tree. */
export async function verifyRecord(record: RecordEvidence, checkpoint: Checkpoint | null): Promise<RecordOutcome> {
  const of = (outcome: Outcome, computed: string | null, reason: string | null): RecordOutcome => ({
    span_id: record.span_id,
    outcome,
    computed,
    reason,
  });
  if (record.index === null || record.leaf === null) return of("pending", null, "It has no leaf yet.");
  const hash = await leafHash(utf8(record.leaf));
  const computed = hex(hash);
  const named = (JSON.parse(record.leaf) as { id?: unknown }).id;
  if (named !== record.record) return of("failed", computed, "The leaf belongs to another record.");
  if (!record.fingerprint || !equal(hash, fromHex(record.fingerprint))) {
    return of("failed", computed, "The leaf does not hash to the fingerprint.");
  }
  if (!checkpoint) return of("unverifiable", computed, "There is no trusted checkpoint to lead to.");
  if (record.index >= checkpoint.size) return of("pending", computed, "The checkpoint does not cover it yet.");
  const path = record.proof.map(base64);
  if (!(await isIncluded(record.index, checkpoint.size, hash, path, checkpoint.root))) {
    return of("failed", computed, "The proof does not lead to the root of the checkpoint.");
  }
  return of("valid", computed, null);
}

const ORDER: Outcome[] = ["valid", "pending", "unverifiable", "failed"];

function worst(outcomes: Outcome[]): Outcome {
  return ORDER[Math.max(0, ...outcomes.map((outcome) => ORDER.indexOf(outcome)))] ?? "valid";
}
