// The TypeScript templates compile as they stand and do what they print, against the real binary and a
// provider that follows a script.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import { startExhibit } from "../js/exhibit.js";
import { reader, startProvider } from "./helpers.js";

const root = join(import.meta.dirname, "..", "..", "..");
const place = mkdtempSync(join(tmpdir(), "exhibit-examples-"));
let server, provider, read;

before(async () => {
  [server, provider] = await Promise.all([startExhibit(), startProvider()]);
  read = reader(server);
});
after(() => {
  server.stop();
  provider.stop();
  rmSync(place, { recursive: true, force: true });
});

/** Compiles an example with its own settings beside the pinned packages, and runs it. */
async function start(name, ...args) {
  const folder = join(place, name);
  cpSync(join(root, "examples", name), folder, { recursive: true, filter: (from) => !/node_modules|dist/.test(from) });
  symlinkSync(join(import.meta.dirname, "node_modules"), join(folder, "node_modules"));
  const tsc = join(root, "sdk", "typescript", "node_modules", ".bin", "tsc");
  const types = join(root, "sdk", "typescript", "node_modules", "@types");
  await promisify(execFile)(tsc, ["--typeRoots", types, "--types", "node"], { cwd: folder }).catch((error) => {
    throw new Error(`${name} does not compile:\n${error.stdout}`);
  });
  const env = {
    ...process.env,
    EXHIBIT_URL: server.url, EXHIBIT_API_KEY: server.key, AITRACER_BASE_URL: server.url, AITRACER_API_KEY: server.key,
    OPENAI_API_KEY: "scripted", OPENAI_BASE_URL: provider.openaiUrl, NO_PROXY: "127.0.0.1",
  };
  const { stdout } = await promisify(execFile)(process.execPath, ["dist/index.js", ...args], { cwd: folder, env, timeout: 60_000 });
  assert.ok(!stdout.includes(server.key), "an example never prints the key");
  return { answer: stdout.split("\n")[0], id: /^Trace: (\S+)$/m.exec(stdout)[1] };
}

for (const [name, agent] of [["typescript-openai-agents", "Forecaster"], ["vercel-ai", "forecaster"]]) {
  test(`the template ${name} records its agent, two priced calls and the tool between`, async () => {
    const { answer, id } = await start(name, "The weather in Bonn?");
    const stored = await read(id, 4, (trace) => trace.status === "ok");
    assert.match(answer, /Here is what I found/);
    assert.ok(stored.spans.some((span) => span.name === agent && span.span_type === "agent"));
    const calls = stored.kind("llm");
    assert.equal(calls.length, 2);
    for (const call of calls) assert.ok(Number(call.cost_nano_usd) > 0 && call.model.startsWith("gpt-4o-mini"));
    assert.equal(stored.named("get_weather").span_type, "tool");
    assert.match(String(stored.named("get_weather").output), /^sunny in/);
  });
}
