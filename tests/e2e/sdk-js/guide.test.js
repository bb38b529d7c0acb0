// The JavaScript and TypeScript programs of the guide and of the SDK's own page run as printed.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import { startExhibit } from "../js/exhibit.js";
import { reader } from "./helpers.js";

const root = join(import.meta.dirname, "..", "..", "..");
const guide = join(root, "docs", "guide");
const pages = readdirSync(guide).map((name) => join(guide, name)).concat(join(root, "sdk", "typescript", "README.md"));
const programs = pages.flatMap((page) => {
  const blocks = readFileSync(page, "utf8").matchAll(/^```(js|javascript|mjs|ts|typescript|tsx)\n(.*?)^```/gms);
  return [...blocks].map(([, language, text]) => ({ page: page.slice(root.length + 1), language, text }));
});
const place = mkdtempSync(join(tmpdir(), "exhibit-guide-"));
let server, read;

before(async () => {
  server = await startExhibit();
  read = reader(server);
  symlinkSync(join(import.meta.dirname, "node_modules"), join(place, "node_modules"));
});
after(async () => {
  await server.stop();
  rmSync(place, { recursive: true, force: true });
});

/** The path of a program that Node can run: TypeScript is compiled first, strictly. */
async function prepared(number, { language, text }) {
  const typed = /^ts|^typescript/.test(language);
  const file = join(place, `program${number}.${typed ? "mts" : "mjs"}`);
  writeFileSync(file, text);
  if (!typed) return file;
  const sdk = join(root, "sdk", "typescript", "node_modules");
  const options = ["--strict", "--module", "nodenext", "--target", "es2022", "--skipLibCheck"];
  const types = ["--typeRoots", join(sdk, "@types"), "--types", "node"];
  await promisify(execFile)(join(sdk, ".bin", "tsc"), [...options, ...types, file], { cwd: place }).catch((error) => {
    throw new Error(`it does not compile:\n${error.stdout}`);
  });
  return file.replace(/\.mts$/, ".mjs");
}

test("there are programs to run", () => {
  assert.deepEqual(programs.map(({ page }) => page), ["docs/guide/sdks.md", "sdk/typescript/README.md"]);
});

for (const [number, program] of programs.entries()) {
  test(`program ${number}, of ${program.page}, runs as printed and is recorded`, async () => {
    const service = `guide-${number}`;
    const env = { ...process.env, EXHIBIT_URL: server.url, EXHIBIT_API_KEY: server.key, EXHIBIT_SERVICE: service };
    const file = await prepared(number, program);
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], { env, cwd: place, timeout: 60_000 });
    assert.equal(stderr, "");
    const [row] = await server.read(`/api/v1/traces?filter=${encodeURIComponent(`service = "${service}"`)}`);
    const trace = await read(row.trace_id, 2, (found) => found.spans.every((span) => span.status === "ok"));
    const [agent, tool] = [trace.named("support-bot"), trace.named("lookup")];
    assert.equal(tool.parent_span_id, agent.span_id);
    assert.deepEqual([tool.span_type, tool.input, tool.output], ["tool", { customer: 7 }, { tier: "gold" }]);
    if (stdout) assert.deepEqual(stdout.trim().split("\n"), [trace.trace_id, "true"]);
  });
}
