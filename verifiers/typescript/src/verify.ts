// Checks evidence bundles of Exhibit, in browsers and Node 20 or later, on WebCrypto, without
// dependencies. It was written from docs/reference/evidence.md and the public specifications it names,
// apart from the verifiers in Rust and Python.
//
//     import { blobSource, verify } from "./verify.js";
//     const report = await verify(blobSource(file), { key: pinnedKey });
//
// The order: the file and its manifest (bundle), who signed (head, with the time stamps), the log's cover
// (log), certificates of erasure (erasures), records and seals (records).

import { Bundle } from "./bundle.js";
import { checkErasures } from "./erasures.js";
import { Fault } from "./fault.js";
import { checkHead } from "./head.js";
import { checkLog } from "./log.js";
import { checkRecords } from "./records.js";
import { conclude, emptyReport, type Demands, type Report } from "./report.js";
import type { Source } from "./zip.js";

export { Checkpoint } from "./note.js";
export type { DatedBy, Demands, Erasure, Report } from "./report.js";
export { blobSource, type Source } from "./zip.js";

/** Verifies one bundle. */
export async function verify(source: Source, demands: Demands = {}): Promise<Report> {
  const [report, faults] = [emptyReport(), [] as Fault[]];
  try {
    await check(source, demands, report, faults);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    faults.push(error);
  }
  return conclude(report, faults);
}

async function check(source: Source, demands: Demands, report: Report, faults: Fault[]) {
  const bundle = await Bundle.open(source);
  report.created = bundle.created;
  faults.push(...bundle.missing());
  if (faults.length) return;
  await checkHead(bundle, demands, report);
  const leaves = await checkLog(bundle, report, faults);
  if (!leaves) return;
  const gone = await checkErasures(bundle, leaves);
  faults.push(...(await checkRecords(bundle, demands, leaves, gone, report)));
}
