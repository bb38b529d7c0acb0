// Starts the real binary on a data directory of its own.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const BINARY =
  process.env.EXHIBIT_BIN ??
  fileURLToPath(new URL("../../../target/debug/exhibit", import.meta.url));

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The first truthy result of `check`, tried for ten seconds. */
export async function eventually(check) {
  for (let tries = 0; tries < 200; tries++) {
    const value = await check().catch(() => undefined);
    if (value) return value;
    await wait(50);
  }
  throw new Error("it did not happen within ten seconds");
}

/** A running server: `{ url, otlp, key, read(path), stop() }`, with these variables besides. */
export async function startExhibit(variables = {}) {
  const home = mkdtempSync(join(tmpdir(), "exhibit-e2e-"));
  const data = join(home, "data");
  const [main, otlp] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${main}`;
  const kept = ([name]) => !/^(EXHIBIT_|AUDITTRAIL_|OTEL_)/.test(name);
  const env = { ...Object.fromEntries(Object.entries(process.env).filter(kept)), ...variables };
  const server = spawn(
    BINARY,
    ["serve", "--data-dir", data, "--listen", `127.0.0.1:${main}`]
      .concat(["--otlp-http", `127.0.0.1:${otlp}`, "--otlp-grpc", "off"]),
    { cwd: home, env, stdio: "ignore" },
  );
  await eventually(async () => (await fetch(`${url}/api/v1/health`)).ok);
  const made = execFileSync(
    BINARY,
    ["keys", "create", "--data-dir", data, "--name", "js", "--scopes", "ingest,read", "--json"],
    { cwd: home, env },
  );
  const { key } = JSON.parse(made);
  return {
    url,
    otlp: `http://127.0.0.1:${otlp}`,
    key,
    async read(path) {
      const answer = await fetch(url + path, { headers: { authorization: `Bearer ${key}` } });
      return answer.ok ? (await answer.json()).data : undefined;
    },
    async stop() {
      const ended = new Promise((resolve) => server.once("exit", resolve));
      server.kill("SIGTERM");
      await ended;
      rmSync(home, { recursive: true });
    },
  };
}
