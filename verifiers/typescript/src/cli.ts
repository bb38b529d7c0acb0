#!/usr/bin/env node
// node dist/cli.js [--json] [--key VKEY] [--checkpoint FILE] [--timestamp-roots FILE] [--require-witness] FILE.zip …

import { open, readFile } from "node:fs/promises";
import { parseArgs } from "node:util";

import { verify, type Demands, type Report, type Source } from "./verify.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean" },
    key: { type: "string" },
    witness: { type: "string", multiple: true },
    quorum: { type: "string" },
    checkpoint: { type: "string" },
    "timestamp-roots": { type: "string" },
    "require-witness": { type: "boolean" },
  },
});

async function check(path: string, demands: Demands): Promise<Report> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const read: Source["read"] = async (offset, length) => {
      const data = new Uint8Array(length);
      const { bytesRead } = await file.read(data, 0, length, offset);
      return data.subarray(0, bytesRead);
    };
    return await verify({ size, read }, demands);
  } finally {
    await file.close();
  }
}

const demands: Demands = {
  ...(values.key === undefined ? {} : { key: values.key }),
  ...(values.quorum === undefined ? {} : { quorum: Number(values.quorum) }),
  ...(values.checkpoint === undefined ? {} : { checkpoint: await readFile(values.checkpoint) }),
  ...(values["timestamp-roots"] === undefined
    ? {}
    : { roots: await readFile(values["timestamp-roots"], "utf8") }),
  witnesses: values.witness ?? [],
  requireWitness: values["require-witness"] ?? false,
};
const verdicts = new Set<string>();
for (const path of positionals) {
  const report = await check(path, demands);
  verdicts.add(report.verdict);
  if (values.json) {
    console.log(JSON.stringify({ file: path, ...report }));
  } else {
    console.log(`${path}: ${[report.verdict, ...report.qualifiers].join(", ")}`);
    for (const one of report.erasures) {
      const by = one.by === undefined ? "" : ` by ${one.by}`;
      const said = `${one.records} records${by} at ${one.at}: ${one.cause}, ${one.why}`;
      // eslint-disable-next-line no-control-regex
      console.log(`  erased: ${said.replace(/[\x00-\x1f\x7f-\x9f]/g, " ")} [certificate: leaf ${one.index}]`);
    }
    for (const stamp of report.stamps) {
      console.log(`  stamped: ${stamp.time}${stamp.trusted ? "" : " (an authority that you did not name)"}`);
    }
    for (const fault of report.faults) console.log(`  ${fault.verdict} (${fault.code}): ${fault.what}`);
  }
}
verdicts.delete("valid");
verdicts.delete("erased-with-certificate");
const undecided = verdicts.delete("unverifiable");
process.exitCode = verdicts.size ? 1 : undecided ? 3 : positionals.length ? 0 : 2;
