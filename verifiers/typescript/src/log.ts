// The cover of the log: do the leaves that are shown stand under the checkpoint?

import type { Bundle } from "./bundle.js";
import { Fault, malformed } from "./fault.js";
import { readLeaf, type Leaf } from "./leaf.js";
import type { Report } from "./report.js";
import { fromHex, hasShape, hex, parseLine, utf8 } from "./text.js";
import { Cover, leafHash } from "./tree.js";

/** The leaves that are shown, by rising index; undefined where they do not lead to the checkpoint. */
export async function checkLog(
  bundle: Bundle,
  report: Report,
  faults: Fault[],
): Promise<Map<number, Leaf> | undefined> {
  const [cover, leaves] = [new Cover(), new Map<number, Leaf>()];
  let complete = true;
  for (const name of bundle.segments("log")) {
    let lines: string[];
    try {
      lines = await bundle.lines(name);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      faults.push(error);
      if (error.verdict === "refused") return undefined;
      continue;
    }
    if (faults.length) continue;
    for (const line of lines) complete = (await add(cover, line, leaves, name)) && complete;
  }
  if (faults.length) return undefined;
  [report.leaves, report.complete] = [leaves.size, complete];
  const log = bundle.head;
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
