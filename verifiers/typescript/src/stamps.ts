// Time stamps over the head: each token is over a checkpoint under which the head stands.

import type { Bundle } from "./bundle.js";
import { Untrusted, checkPath, readCertificates } from "./certificate.js";
import { Malformed } from "./der.js";
import { Fault, malformed } from "./fault.js";
import type { Checkpoint } from "./note.js";
import type { Demands, Report } from "./report.js";
import { fromUtf8, hasShape, hashes, parseObject, rfc3339, utf8 } from "./text.js";
import { Unsupported, openToken } from "./token.js";
import { inclusionRoot } from "./tree.js";
import { equal } from "./zip.js";

const STAMPS_MAX = 16;

/** Checks every time stamp. `dated` reads a checkpoint that the installation's key has signed. */
export async function checkStamps(
  bundle: Bundle,
  demands: Demands,
  report: Report,
  head: { index: number; hash: Uint8Array },
  dated: (name: string) => Promise<Checkpoint>,
) {
  const tokens = bundle.names().filter((name) => /^timestamps\/[0-9]+\.tst$/.test(name));
  if (tokens.length > STAMPS_MAX) {
    throw malformed("timestamps/", "more time stamps than a bundle has");
  }
  const roots = demands.roots === undefined ? [] : readCertificates(demands.roots);
  const trusted = roots.length > 0;
  const words = new Set<string>();
  for (const file of tokens) {
    const base = file.slice(0, -4);
    const token = await bundle.content(file);
    const checkpoint = await dated(`${base}.checkpoint`);
    const text = utf8(checkpoint.text);
    const invalid = (what: string) => new Fault("bad-proof", "stamp-invalid", what, { file });
    if (!equal(await bundle.content(`${base}.txt`), text)) {
      throw invalid("the text beside it is not the checkpoint's");
    }
    const proof = parseObject(fromUtf8(await bundle.content(`${base}.json`)));
    const path = hasShape(proof, { proof: "array" })
      ? hashes(proof["proof"] as unknown[])
      : undefined;
    if (!path) throw malformed(`${base}.json`, "not the proof of a head");
    const root = await inclusionRoot(head.index, checkpoint.size, head.hash, path);
    if (!root || !equal(root, checkpoint.root)) {
      const what = "the head does not stand under the stamped checkpoint";
      throw new Fault("bad-proof", "stamp-proof", what, { file: `${base}.json` });
    }
    try {
      const stamp = await openToken(token, text);
      if (trusted) await checkPath(stamp.signer, stamp.others, roots, stamp.time);
      else words.add("stamp-authority-unknown");
      report.stamps.push({ file, time: rfc3339(stamp.time), serial: stamp.serial, trusted });
    } catch (error) {
      if (error instanceof Unsupported) {
        words.add("stamp-not-checked");
      } else if (error instanceof Untrusted) {
        const what = `no trusted authority signed the time stamp: ${error.message}`;
        throw new Fault("wrong-key", "stamp-untrusted", what, { file });
      } else if (error instanceof Malformed) {
        throw invalid(`the time stamp does not hold: ${error.message}`);
      } else {
        throw error;
      }
    }
  }
  report.qualifiers.push(...words);
}
