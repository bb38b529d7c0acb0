// The scripted provider as a process, a recorder that misbehaves, and reading of stored traces.

import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

import { eventually } from "../js/exhibit.js";

/** `{ url, openaiUrl, stop() }` */
export async function startProvider() {
  const script = fileURLToPath(new URL("../../../examples/scripted_provider.py", import.meta.url));
  const provider = spawn("python3", [script, "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(provider.stdout, "data");
  const openaiUrl = /(http\S+)/.exec(String(line))[1];
  return { openaiUrl, stop: () => provider.kill("SIGTERM") };
}

/** Reads a trace once `spans` of it are there and `until` holds. */
export function reader(server) {
  return async (id, spans = 1, until = () => true) => {
    const trace = await eventually(async () => {
      const found = await server.read(`/api/v1/traces/${id}`);
      return found && found.spans.length >= spans && until(found) ? found : undefined;
    });
    trace.named = (name) => trace.spans.find((span) => span.name === name);
    trace.kind = (kind) => trace.spans.filter((span) => span.span_type === kind);
    return trace;
  };
}

/** A recorder that answers as `answer(batch, n)` says: a status, or `{ status, headers, body, delay }`. */
export async function startFake(answer = () => 201) {
  const fake = { spans: [], requests: 0, headers: [], times: [] };
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    let body = Buffer.concat(parts);
    if (request.headers["content-encoding"] === "gzip") body = gunzipSync(body);
    const parsed = JSON.parse(body.toString());
    fake.headers.push(request.headers);
    fake.times.push(Date.now());
    const said = answer(parsed, fake.requests++, request.url);
    const { status, headers = {}, body: text = "{}", delay = 0 } = typeof said === "number" ? { status: said } : said;
    if (delay) await new Promise((resolve) => setTimeout(resolve, delay).unref());
    if (status < 300 && parsed.batch) fake.spans.push(...parsed.batch);
    response.writeHead(status, headers).end(text);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  fake.url = `http://127.0.0.1:${server.address().port}`;
  fake.ended = () => fake.spans.filter((span) => span.status !== "running");
  fake.stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return fake;
}
