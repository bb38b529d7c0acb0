// Who signed: the log's key, its checkpoint, the manifest, the installation's log above it.

import { MANIFEST, SIGNATURE, type Bundle } from "./bundle.js";
import { Fault, malformed } from "./fault.js";
import { readLeaf } from "./leaf.js";
import { Checkpoint, Key, ed25519 } from "./note.js";
import type { Demands, Report } from "./report.js";
import { checkStamps } from "./stamps.js";
import { Succession, epochOf, readChain } from "./succession.js";
import { base64, fromUtf8, hasShape, hashes, hex, isObject, parseObject, parseTexts, utf8, type Json } from "./text.js";
import { consistencyRoots, inclusionRoot, leafHash, sha256 } from "./tree.js";
import { equal } from "./zip.js";

const PAYLOAD_TYPE = "application/vnd.in-toto+json";

/** Whether every key from the pinned one to the log's signed for the next. */
function isHeir(pinned: Key, chain: Succession[], below: string): boolean {
  const from = chain.map((one) => one.handsOverFrom(pinned, below)).lastIndexOf(true);
  return from >= 0 && chain.slice(from).every((one) => one.reason !== "compromise");
}

/** Checks every signature. Only the first fault counts: what is not signed by the right key says nothing
 *  about what else is wrong. */
export function checkHead(bundle: Bundle, demands: Demands, report: Report): Promise<void> {
  return new Head(bundle, demands, report).check();
}

class Head {
  constructor(
    private readonly bundle: Bundle,
    private readonly demands: Demands,
    private readonly report: Report,
  ) {}

  private async readKey(name: string): Promise<Key> {
    const text = fromUtf8(await this.bundle.content(name));
    const key = text?.endsWith("\n") ? await Key.parse(text.slice(0, -1)) : undefined;
    if (!key) throw malformed(name, "not a verifier key");
    return key;
  }

  private async readSuccessions(above: Key): Promise<Succession[]> {
    const name = "keys/successions.json";
    if (!this.bundle.has(name)) return [];
    const notes = parseTexts(fromUtf8(await this.bundle.content(name)));
    if (!notes) throw malformed(name, "not a list of notes");
    const chain = await readChain(notes, above);
    if (chain) return chain;
    const what = "the changes of the log's key do not hold";
    throw new Fault("wrong-key", "key-succession", what, { file: name });
  }

  private async readCheckpoint(name: string, key: Key, chain: Succession[] = []) {
    const checkpoint = Checkpoint.parse(await this.bundle.content(name));
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

  async check() {
    const key = await this.readKey("keys/log.vkey");
    [this.report.log, this.report.key] = [key.name, key.text];
    const above = await this.readKey("keys/installation.vkey");
    if (!key.extends(above)) {
      const what = "the installation's key is not the one that signs the workspace's log";
      throw new Fault("wrong-key", "key-differs", what, { file: "keys/installation.vkey" });
    }
    const chain = await this.readSuccessions(above);
    const below = key.name.slice(above.name.length);
    if (this.demands.key === undefined) {
      this.report.qualifiers.push("key-self-asserted");
    } else {
      const pinned = await Key.parse(this.demands.key.trim());
      if (pinned && !key.extends(pinned) && isHeir(pinned, chain, below)) {
        this.report.qualifiers.push("key-succeeded");
      } else if (!pinned || !key.extends(pinned)) {
        const what = "the log is signed with another key than the pinned one";
        throw new Fault("wrong-key", "key-not-pinned", what, { file: "keys/log.vkey" });
      }
    }
    if (chain.some((one) => one.reason === "restore")) this.report.qualifiers.push("restored");
    const checkpoint = await this.readCheckpoint("checkpoints/log", key);
    await this.checkManifest(key, checkpoint);
    this.report.tree_size = checkpoint.size;
    const { witnessed, place } = await this.checkInstallation(above, chain, checkpoint);
    const dated = (name: string) => this.readCheckpoint(name, above, chain);
    await checkStamps(this.bundle, this.demands, this.report, place, dated);
    const independent = await this.checkIndependent(key, below, chain, checkpoint);
    if (witnessed || independent) return;
    this.report.qualifiers.push("unwitnessed");
    if (this.demands.requireWitness) {
      const what = "no trusted witness has cosigned, and no checkpoint was given";
      throw new Fault("unverifiable", "unwitnessed", what);
    }
  }

  private async checkManifest(key: Key, checkpoint: Checkpoint) {
    const envelope = parseObject(fromUtf8(await this.bundle.content(SIGNATURE)));
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
    if (digest !== hex(await sha256(this.bundle.manifestBytes))) {
      throw new Fault("altered", "manifest-changed", "the manifest is not the one that was signed");
    }
    const log = this.bundle.head;
    const { origin, size, root } = checkpoint;
    if (log.origin !== origin || log.size !== size || log.root !== hex(root)) {
      const what = "the manifest states another head than the checkpoint";
      throw new Fault("forked", "head-differs", what, { file: "checkpoints/log" });
    }
  }

  private async checkInstallation(above: Key, chain: Succession[], stated: Checkpoint) {
    const installation = await this.readCheckpoint("checkpoints/installation", above, chain);
    const name = "checkpoints/head.json";
    const head = parseObject(fromUtf8(await this.bundle.content(name)));
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
      if (witness && holds) this.report.witnesses.push(witness.name);
    }
    const found = this.report.witnesses.length;
    const witnessed = found > 0 && found >= (this.demands.quorum ?? 1);
    return { witnessed, place: { index: head["index"] as number, hash } };
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
    if (this.bundle.has(name)) {
      proof = parseObject(fromUtf8(await this.bundle.content(name)));
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
}
