import { generateKeyPairSync, sign } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { type Bytes, concat, hex, sha256, utf8 } from "./bytes";
import { openCheckpoint } from "./note";
import { type Verification, verifyTrace } from "./trace";
import { isIncluded, leafHash, nodeHash } from "./tree";

const b64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

/** RFC 6962 section 2.1, as it is written. */
async function root(leaves: Bytes[]): Promise<Bytes> {
  if (leaves.length === 0) return sha256(new Uint8Array());
  if (leaves.length === 1) return leafHash(leaves[0] as Bytes);
  const k = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return nodeHash(await root(leaves.slice(0, k)), await root(leaves.slice(k)));
}

async function path(m: number, leaves: Bytes[]): Promise<Bytes[]> {
  if (leaves.length <= 1) return [];
  const k = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return m < k
    ? [...(await path(m, leaves.slice(0, k))), await root(leaves.slice(k))]
    : [...(await path(m - k, leaves.slice(k))), await root(leaves.slice(0, k))];
}

const leaf = (i: number) => `{"id":"record-${i}","type":"span"}`;
const ORIGIN = "exhibit.test/log";
let key: string;
let evidence: Verification;

beforeAll(async () => {
  const pair = generateKeyPairSync("ed25519");
  const raw = new Uint8Array(pair.publicKey.export({ format: "der", type: "spki" }).subarray(-32));
  const packed = concat(Uint8Array.of(1), raw);
  const id = (await sha256(concat(utf8(`${ORIGIN}\n`), packed))).slice(0, 4);
  key = `${ORIGIN}+${hex(id)}+${b64(packed)}`;
  const leaves = Array.from({ length: 11 }, (_, i) => utf8(leaf(i)));
  const text = `${ORIGIN}\n11\n${b64(await root(leaves))}\n`;
  const signature = concat(id, new Uint8Array(sign(null, utf8(text), pair.privateKey)));
  evidence = {
    trace_id: "t", verdict: "valid", qualifiers: [], fingerprint: null, log: ORIGIN, key, tree_size: 11,
    checkpoint: `${text}\n— ${ORIGIN} ${b64(signature)}\n`,
    records: await Promise.all(
      [0, 4, 10].map(async (index) => ({
        span_id: `s${index}`, record: `record-${index}`, index, leaf: leaf(index), verdict: "valid",
        fingerprint: hex(await leafHash(utf8(leaf(index)))),
        proof: (await path(index, leaves)).map(b64),
      })),
    ),
    seals: [], times: [], faults: [],
  };
});

test("every proof of every tree up to twenty leaves holds, and none at another place", async () => {
  for (let size = 1; size <= 20; size++) {
    const leaves = Array.from({ length: size }, (_, i) => utf8(`leaf ${i}`));
    const top = await root(leaves);
    for (let index = 0; index < size; index++) {
      const hash = await leafHash(leaves[index] as Bytes);
      const proof = await path(index, leaves);
      expect(await isIncluded(index, size, hash, proof, top)).toBe(true);
      if (size > 1) expect(await isIncluded((index + 1) % size, size, hash, proof, top)).toBe(false);
      expect(await isIncluded(index, size, hash, [...proof, top], top)).toBe(false);
    }
  }
});

test("a trace that nobody touched is valid", async () => {
  const outcome = await verifyTrace(evidence);
  expect(outcome.outcome).toBe("valid");
  expect(outcome.records.map((r) => r.outcome)).toEqual(["valid", "valid", "valid"]);
});

const changed = (change: (copy: Verification) => void) => {
  const copy = structuredClone(evidence);
  change(copy);
  return verifyTrace(copy);
};
const first = (v: Verification) => v.records[0] as Verification["records"][number];

test("a changed leaf, fingerprint, proof, place, size or key is found", async () => {
  const changes: ((v: Verification) => void)[] = [
    (v) => { first(v).leaf = '{"id":"record-0","type":"spam"}'; },
    (v) => { first(v).record = "record-9"; },
    (v) => { first(v).fingerprint = "00".repeat(32); },
    (v) => { first(v).proof.reverse(); },
    (v) => { first(v).index = 1; },
    (v) => { v.checkpoint = (v.checkpoint as string).replace("\n11\n", "\n12\n"); },
    (v) => { v.key = v.key.replace(/^[^+]+/, "exhibit.other/log"); },
  ];
  for (const change of changes) expect((await changed(change)).outcome).toBe("failed");
});

test("what no checkpoint covers is pending, not valid", async () => {
  expect((await changed((v) => { v.checkpoint = null; first(v).leaf = null; })).outcome).not.toBe("valid");
  const outcome = await changed((v) => { first(v).index = null; first(v).leaf = null; });
  expect(outcome.outcome).toBe("pending");
});

test("a checkpoint says what was signed", async () => {
  const checkpoint = await openCheckpoint(evidence.checkpoint as string, key);
  expect(checkpoint).toMatchObject({ origin: ORIGIN, size: 11 });
});
