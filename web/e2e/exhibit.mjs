// Starts the real binary on a data directory of its own, and a browser that notes what goes wrong.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const BINARY = process.env.EXHIBIT_BIN ?? fileURLToPath(new URL("../../target/debug/exhibit", import.meta.url));
const BROWSER = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => path && existsSync(path));
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const freePort = () =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

/** The first truthy result of `check`, tried for so many seconds. */
export async function eventually(check, seconds = 15) {
  let last;
  for (const end = Date.now() + seconds * 1_000; Date.now() < end; ) {
    const value = await check().catch((error) => {
      last = error;
    });
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`it did not happen within ${seconds} s${last ? `: ${last.message}` : ""}`);
}

/** A running server: `{ url, setup, key, send(batch), end(), start(), stop() }`. More variables may come first. */
export async function startExhibit(...all) {
  const [variables, more] = typeof all[0] === "object" ? [all[0], all.slice(1)] : [{}, all];
  const home = mkdtempSync(join(tmpdir(), "exhibit-web-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(EXHIBIT_|OTEL_)/.test(name))), ...variables };
  const options = ["--listen", `127.0.0.1:${port}`, "--otlp-http", "off", "--otlp-grpc", "off", "--seal-after", "1s"];
  let out = "";
  let server;
  const start = async () => {
    server = spawn(BINARY, ["serve", "--data-dir", join(home, "data"), ...options, ...more], { cwd: home, env });
    for (const stream of [server.stdout, server.stderr]) stream.on("data", (piece) => { out += piece; });
    await eventually(async () => (await fetch(`${url}/api/v1/health`)).ok, 60);
  };
  const end = async () => {
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGTERM");
    await ended;
  };
  await start();
  const setup = await eventually(async () => out.match(/\/setup\?token=\w+/)?.[0]);
  const key = await eventually(async () => out.match(/exk_\w+/)?.[0]);
  return {
    url,
    setup,
    key,
    async send(batch, withKey = key) {
      const answer = await fetch(`${url}/api/v1/ingest/spans`, {
        method: "POST",
        headers: { authorization: `Bearer ${withKey}`, "content-type": "application/json" },
        body: JSON.stringify({ batch }),
      });
      assert.equal(answer.status, 201, await answer.text());
    },
    /** Away, and back on the same data and address. */
    end,
    start,
    async stop() {
      await end();
      rmSync(home, { recursive: true });
    },
  };
}

/** A browser that knows one server. Foreign requests, refused content and thrown errors are kept. */
export async function startBrowser(server, options = {}) {
  assert.ok(BROWSER, "no Chromium here: apt-get install chromium, or name one in CHROMIUM");
  const browser = await chromium.launch({ executablePath: BROWSER, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, baseURL: server.url, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(12_000);
  const faults = [];
  page.on("request", (request) => {
    if (!/^(data|blob):/.test(request.url()) && new URL(request.url()).origin !== server.url && !request.url().startsWith(server.url.replace("http", "ws"))) faults.push(`foreign request: ${request.url()}`);
  });
  page.on("pageerror", (error) => faults.push(`error on the page: ${error.message}`));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", (message) => {
    if (/Content.Security.Policy|React|hydrat|Warning:/i.test(message.text()) && message.type() === "error") faults.push(`console: ${message.text()}`);
  });
  return {
    page,
    context,
    faults,
    stop: () => browser.close(),
  };
}

/** Makes the owner's account by the set-up link; the page is then the dashboard of `default`. */
export async function setUp(page, server) {
  await page.goto(server.setup);
  await page.getByLabel("E-mail").fill("owner@example.com");
  await page.getByLabel("Password").fill("a long enough password");
  await page.getByRole("button", { name: "Create the owner's account" }).click();
  await page.waitForURL((url) => url.pathname === "/");
}

/** What axe objects to on this page, as sentences. */
export async function objections(page) {
  // Through the debugger's door, which the Content-Security-Policy does not guard.
  await page.evaluate(AXE);
  const found = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }),
  );
  return found.violations.flatMap((it) =>
    it.nodes.map((node) => `${it.id}: ${it.help} at ${node.target.join(" ")} ${node.any[0]?.message ?? ""}`),
  );
}

/** A trace of three steps, the last of them with personal data in it. */
export function smallTrace(id, startMs = Date.now() - 5_000) {
  const at = (ms) => new Date(startMs + ms).toISOString();
  return [
    { trace_id: id, span_id: `${id}-root`, name: "helper", span_type: "agent", status: "ok", start_time: at(0), end_time: at(3_000), agent_name: "helper" },
    { trace_id: id, span_id: `${id}-look`, parent_span_id: `${id}-root`, name: "look it up", span_type: "tool", status: "ok", start_time: at(100), end_time: at(700), input: { query: "opening hours" }, output: { hours: "9 to 5" } },
    {
      trace_id: id, span_id: `${id}-llm`, parent_span_id: `${id}-root`, name: "answer", span_type: "llm", status: "ok", start_time: at(800), end_time: at(2_900), model: "gpt-4o-mini", tokens_in: 120, tokens_out: 40,
      input: { messages: [{ role: "user", content: "When are you open? Write to jo.doe@example.com" }] },
      output: { messages: [{ role: "assistant", content: "From 9 to 5." }] },
    },
  ];
}
