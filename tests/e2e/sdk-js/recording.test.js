// What an application records is what the recorder stores; whatever the recorder does, the application
// never notices.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import * as exhibit from "@exhibit/sdk";

import { startExhibit } from "../js/exhibit.js";
import { reader, startFake } from "./helpers.js";

const { Exhibit } = exhibit;
let server, read;

before(async () => {
  server = await startExhibit();
  read = reader(server);
});
after(() => server.stop());

const make = (more = {}) => new Exhibit({ url: server.url, apiKey: server.key, intervalMs: 10, ...more });
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

test("a run is stored, mapped and priced", async () => {
  const client = make();
  const options = {
    agentName: "support-bot", modelId: "gpt-4o-mini", tags: ["production"], metadata: { tier: "premium" },
    version: "1.4", sessionId: "s-1", userId: "u-1", environment: "staging",
  };
  const id = await client.agentTrace(options, async (trace) => {
    trace.recordInput("Where is my order?");
    await trace.span("chain", "answer", (chain) =>
      chain.span("llm", "completion", async (call) => {
        call.recordInput([{ role: "user", content: "Where is my order?" }]);
        await wait(1);
        call.recordUsage({ inputTokens: 100, outputTokens: 50, cacheReadTokens: 60 });
        call.recordToolCall({ toolName: "orders", arguments: '{"id":7}', result: "sent", selectedFrom: ["orders", "refund"] });
        call.recordOutput("It was sent on Monday.");
      }),
    );
    trace.addTags(["urgent"]);
    trace.setSummary({ outcome: "success" });
    return trace.id;
  });
  assert.ok(await client.flush());
  const stored = await read(id, 3);
  assert.equal(stored.status, "ok");
  assert.equal(stored.agent_name, "support-bot");
  assert.deepEqual(new Set(stored.tags), new Set(["production", "urgent"]));
  assert.deepEqual(stored.metadata, { tier: "premium" });
  assert.deepEqual([stored.version, stored.session_id, stored.user_id, stored.environment], ["1.4", "s-1", "u-1", "staging"]);
  const call = stored.named("completion");
  assert.equal(call.parent_span_id, stored.named("answer").span_id);
  assert.equal(call.cost_nano_usd, String(40 * 150 + 60 * 75 + 50 * 600));
  assert.deepEqual(call.tool_calls[0].result, { output: "sent" });
  assert.deepEqual(stored.named("support-bot").output, { outcome: "success" });
});

test("context travels through promises and does not mix", async () => {
  exhibit.init({ url: server.url, apiKey: server.key, intervalMs: 10 });
  const step = (name) => exhibit.span("tool", name, async (outer) => {
    await wait(5);
    await exhibit.span("custom", `in ${name}`, async (inner) => {
      await wait(5);
      assert.equal(inner.parentId, outer.id);
    });
  });
  const run = () => exhibit.agentTrace({ agentName: "tasks" }, async (trace) => {
    await Promise.all(["a", "b", "c"].map(step));
    assert.equal(exhibit.currentTraceId(), trace.id);
    return trace;
  });
  const traces = await Promise.all([run(), run()]);
  assert.equal(exhibit.currentTraceId(), undefined);
  await exhibit.flush();
  for (const trace of traces) {
    const stored = await read(trace.id, 7);
    assert.equal(stored.spans.length, 7);
    for (const name of "abc") assert.equal(stored.named(name).parent_span_id, trace.root.id);
  }
});

test("a step can be watched while it runs", async () => {
  const client = make();
  const trace = client.startTrace({ agentName: "slow" });
  const span = trace.startSpan("tool", "wait");
  const running = await read(trace.id, 2);
  assert.equal(running.status, "running");
  assert.equal(running.named("wait").end_time, null);
  span.end();
  trace.end();
  await client.flush();
  await read(trace.id, 2, (t) => t.status === "ok");
});

test("an exception marks the trace and goes on, and failure can be set by hand", async () => {
  const client = make();
  let id;
  class Lost extends Error {}
  await assert.rejects(
    client.agentTrace({ agentName: "failing" }, async (trace) => {
      id = trace.id;
      trace.span("tool", "partial", (span) => span.markFailed("half of it"));
      await trace.span("tool", "lookup", async () => { throw new Lost("lost"); });
    }),
    /lost/,
  );
  assert.throws(() => client.span("tool", "sync", () => { throw new Lost("at once"); }), /at once/);
  await client.flush();
  const stored = await read(id, 3);
  assert.equal(stored.status, "error");
  assert.equal(stored.named("lookup").error_type, "Lost");
  assert.equal(stored.named("partial").status_message, "half of it");
});

test("a lazy trace without a span is never told", async () => {
  const client = make();
  const nothing = client.agentTrace({ agentName: "lazy", lazyStart: true }, (trace) => trace.id);
  const something = client.agentTrace({ agentName: "lazy", lazyStart: true }, (trace) => {
    trace.span("llm", "first", () => undefined);
    return trace.id;
  });
  await client.flush();
  assert.equal((await read(something, 2)).spans.length, 2);
  assert.equal(await server.read(`/api/v1/traces/${nothing}`), undefined);
});

test("observed functions are spans", async () => {
  exhibit.init({ url: server.url, apiKey: server.key, intervalMs: 10 });
  const add = exhibit.observe("tool", function add(a, b) { return a + b; });
  const later = exhibit.observe("tool", async (x) => 2 * x, { name: "later" });
  const id = await exhibit.agentTrace({ agentName: "observed" }, async (trace) => {
    assert.equal(add(1, 2), 3);
    assert.equal(await later(4), 8);
    return trace.id;
  });
  await exhibit.flush();
  const stored = await read(id, 3);
  assert.deepEqual(stored.named("add").input, [1, 2]);
  assert.equal(stored.named("later").output, 8);
});

test("anything can be recorded, and does not change afterwards", async () => {
  const client = make();
  const loop = [];
  loop.push(loop);
  let deep = {};
  for (let n = 0; n < 500; n++) deep = { in: deep };
  const given = {
    nan: NaN, big: 2n ** 70n, bytes: new Uint8Array([0, 255]), set: new Set([1]), map: new Map([["k", 1]]),
    date: new Date(0), half: "\ud83d alone", pair: "😀", error: new TypeError("no"), loop, deep, fn: wait,
    symbol: Symbol("s"), get angry() { throw new Error("no"); },
  };
  const messages = [{ role: "user", content: "first" }];
  const id = client.agentTrace({ agentName: "odd", metadata: { fn: wait, loop } }, (trace) => {
    trace.span("tool", "odd", (span) => {
      span.recordInput(given);
      span.recordUsage({ inputTokens: -1, outputTokens: NaN, cost: "much" });
      span.recordToolCall(undefined);
      span.setAttribute(undefined, loop);
    });
    trace.span("llm", "kept", (span) => {
      span.recordInput(messages);
      messages[0].content = "changed";
    });
    trace.span("tool", "odd too", (span) => {
      const { angry: _angry, ...rest } = Object.getOwnPropertyDescriptors(given);
      span.recordInput(Object.defineProperties({}, rest));
    });
    return trace.id;
  });
  assert.ok(await client.flush());
  const stored = await read(id, 4);
  assert.deepEqual(stored.named("kept").input, [{ role: "user", content: "first" }]);
  const kept = stored.named("odd too").input;
  assert.equal(kept.nan, "NaN");
  assert.deepEqual(kept.bytes, { $bytes: "AP8=" });
  assert.deepEqual([kept.set, kept.map, kept.pair], [[1], { k: 1 }, "😀"]);
  assert.equal(kept.error, "TypeError: no");
});

test("prompts and responses can be withheld and still be proved", async () => {
  const client = make({ storePrompts: false, storeResponses: false, hashSalt: "pepper" });
  const id = client.agentTrace({ agentName: "private" }, (trace) => {
    trace.span("llm", "call", (call) => {
      call.recordInput("my secret prompt");
      call.recordOutput({ b: "secret", a: 1 });
      call.recordToolCall({ toolName: "mail", arguments: { to: "secret" }, result: { said: "secret" } });
      call.markFailed(new Error("secret in a message"));
    });
    return trace.id;
  });
  await client.flush();
  const stored = await read(id, 2);
  assert.ok(!JSON.stringify(stored).includes("secret"));
  const hash = (text) => createHmac("sha256", "pepper").update(text).digest("hex");
  assert.deepEqual(stored.named("call").input, { withheld: true, hmac_sha256: hash("my secret prompt"), length: 16 });
  assert.equal(stored.named("call").output.hmac_sha256, hash('{"a":1,"b":"secret"}'));
});

test("the redaction hook sees everything before it leaves, and withholds when it fails", async () => {
  const client = make({
    redact: (field, value) => {
      if (field === "output") throw new Error("broken");
      return JSON.parse(JSON.stringify(value).replaceAll("4111", "****"));
    },
  });
  const id = client.agentTrace({ agentName: "masked", metadata: { card: "4111" } }, (trace) => {
    trace.span("llm", "call", (call) => {
      call.recordInput({ card: "4111" });
      call.recordOutput("4111");
      call.setAttribute("note", "4111");
      call.markFailed("4111 was refused");
    });
    return trace.id;
  });
  await client.flush();
  const stored = await read(id, 2);
  assert.ok(!JSON.stringify(stored).replaceAll(id, "").includes("4111"));
  assert.ok(stored.named("call").output.withheld);
});

test("the package works from CommonJS and shares its context with the ES module", async () => {
  const required = createRequire(import.meta.url)("@exhibit/sdk");
  const client = make();
  const id = client.agentTrace({ agentName: "both" }, (trace) => {
    assert.equal(required.currentTraceId(), trace.id);
    return trace.id;
  });
  await client.flush();
  assert.ok(await read(id));
});

test("a program that ends by itself has delivered", async () => {
  const program = `import { init, agentTrace } from "@exhibit/sdk"; init();
    agentTrace({ agentName: "short" }, (t) => { t.span("tool", "only", () => 1); console.log(t.id); });`;
  const env = { ...process.env, EXHIBIT_URL: server.url, EXHIBIT_API_KEY: server.key };
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program], { env, cwd: import.meta.dirname });
  assert.equal((await read(stdout.trim(), 2)).spans.length, 2);
});

// -- faults -----------------------------------------------------------------------------------------

const work = (client, spans = 10) => client.agentTrace({ agentName: "resilient" }, (trace) => {
  for (let n = 0; n < spans; n++) trace.span("tool", `step ${n}`, (span) => span.recordInput({ n }));
});

test("a recorder that is away costs nothing but the record, and flush comes back in time", async () => {
  const client = new Exhibit({ url: "http://127.0.0.1:9", intervalMs: 1 });
  work(client);
  const began = Date.now();
  assert.equal(await client.flush(300), false);
  assert.ok(Date.now() - began < 2_000);
  assert.equal(client.stats().waiting, 11);
  await client.shutdown(1);
});

test("a busy recorder is asked again, as late as it wishes", async () => {
  const fake = await startFake((_, n) => (n === 0 ? { status: 503, headers: { "retry-after": "1" } } : n === 1 ? 429 : 201));
  const client = new Exhibit({ url: fake.url, apiKey: "k", intervalMs: 1 });
  work(client);
  assert.ok(await client.flush());
  assert.equal(fake.ended().length, 11);
  assert.ok(fake.times[1] - fake.times[0] >= 1_000);
  fake.stop();
});

test("a recorder that hangs does not hold anything up", async () => {
  const fake = await startFake(() => ({ status: 201, delay: 3_000 }));
  const client = new Exhibit({ url: fake.url, intervalMs: 1, timeoutMs: 200 });
  work(client);
  const began = Date.now();
  assert.equal(await client.flush(400), false);
  assert.ok(Date.now() - began < 2_500);
  await client.shutdown(1);
  fake.stop();
});

test("a span that is refused does not take the others along", async () => {
  const fake = await startFake((body) => {
    const index = body.batch.findIndex((span) => span.name === "step 3");
    return { status: 422, body: JSON.stringify({ rejected: [{ index }] }) };
  });
  const client = new Exhibit({ url: fake.url, intervalMs: 1, live: false });
  work(client);
  assert.equal(await client.flush(), false);
  assert.deepEqual([client.stats().rejected, client.stats().delivered], [1, 10]);
  fake.stop();
});

test("a batch that cannot be read is divided until the bad one stands alone", async () => {
  const fake = await startFake((body) => (body.batch.some((span) => span.name === "step 7") ? 413 : 201));
  const client = new Exhibit({ url: fake.url, intervalMs: 1, live: false });
  work(client);
  await client.flush();
  assert.deepEqual([client.stats().rejected, client.stats().delivered], [1, 10]);
  fake.stop();
});

test("a full queue drops and counts, and numbers show the gap", async () => {
  const fake = await startFake();
  const client = new Exhibit({ url: fake.url, queueSpans: 5, intervalMs: 5_000, live: false });
  work(client, 20);
  await client.flush();
  assert.equal(client.stats().dropped, 16);
  work(client, 1);
  await client.flush();
  const numbers = fake.ended().map((span) => span.sequence).sort((a, b) => a - b);
  assert.deepEqual(numbers, [1, 2, 3, 4, 5, 22, 23]);
  fake.stop();
});

test("a flush tells of what was dropped before it, once", async () => {
  const fake = await startFake();
  const client = new Exhibit({ url: fake.url, intervalMs: 10, live: false, queueChars: 50_000 });
  client.agentTrace({ agentName: "too much" }, (trace) => trace.span("llm", "large", (span) => span.recordInput("x".repeat(100_000))));
  assert.equal(await client.flush(5_000), false);
  assert.deepEqual([client.stats().dropped, client.stats().delivered], [1, 1]);
  client.agentTrace({ agentName: "fits" }, () => {});
  assert.equal(await client.flush(5_000), true);
  fake.stop();
});

test("settings that cannot be used switch recording off", async () => {
  for (const settings of [{ url: "ftp://x" }, { url: "http://" }, { queueSpans: 0 }]) {
    const client = new Exhibit(settings);
    work(client, 2);
    assert.equal(client.stats().ended, 0);
    assert.ok(await client.flush(10));
  }
});

test("the rules of the server are asked", async () => {
  const client = make({ service: "asking" });
  const card = ["4111", "1111", "1111", "1111"].join(" ");
  await client.agentTrace({ agentName: "payer", userId: "u-1", sessionId: "s-1", tags: ["a"] }, async () => {
    const question = { model: "gpt-4o", workflow: "pay", costSoFar: 0.2, fail: "closed" };
    const said = await client.decide({ input: `my card is ${card}`, ...question });
    assert.ok(said.asked, said.reason);
    assert.ok(said.findings.length > 0 && !JSON.stringify(said.findings).includes(card));
    const tool = await client.decide({ tool: "payments.refund", arguments: { amount: 40 }, input: "why", ...question });
    assert.deepEqual([tool.asked, tool.allowed, tool.input], [true, true, "why"]);
  });
});

test("decisions are read, and fail open or closed as told", async () => {
  let asked;
  const fake = await startFake((body, _n, path) => {
    asked = { body, path };
    const said = body.call.tool
      ? { decision: "block", allowed: false, messages: ["no approval"] }
      : { decision: "redact", redacted: true, input: "****" };
    return { status: 200, body: JSON.stringify({ data: said }) };
  });
  const client = new Exhibit({ url: fake.url, live: false });
  const kept = await client.decide({ input: "IBAN", model: "gpt-4o", costSoFar: 0.2 });
  assert.deepEqual([kept.allowed, kept.input, asked.path, asked.body.trace_cost_usd], [true, "****", "/api/v1/govern/decide", 0.2]);
  const refused = await client.decide({ tool: "refund" });
  assert.deepEqual([refused.allowed, refused.reason], [false, "no approval"]);
  fake.stop();
  const away = new Exhibit({ url: "http://127.0.0.1:9" });
  assert.equal((await away.decide({ input: 1 })).allowed, true);
  assert.equal((await away.decide({ input: 1, fail: "closed" })).allowed, false);
});
