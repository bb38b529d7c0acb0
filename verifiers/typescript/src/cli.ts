#!/usr/bin/env node
// node dist/cli.js [--json] [--key VKEY] [--checkpoint FILE] [--require-witness] FILE.zip …

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
    for (const fault of report.faults) console.log(`  ${fault.verdict} (${fault.code}): ${fault.what}`);
  }
}
verdicts.delete("valid");
const undecided = verdicts.delete("unverifiable");
process.exitCode = verdicts.size ? 1 : undecided ? 3 : positionals.length ? 0 : 2;
