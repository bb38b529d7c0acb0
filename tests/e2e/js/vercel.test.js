// The Vercel AI SDK with its own telemetry, the generation of today and the one before the last, into an
// unmodified exporter.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { createOpenAI } from "@ai-sdk/openai";
import { context } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import * as today from "ai";
import * as old from "ai-4";
import { createOpenAI as createOldOpenAI } from "ai-sdk-openai-1";
import { z } from "zod";

import { eventually, startExhibit } from "./exhibit.js";

const MODEL = "gpt-4o-mini";
let exhibit, provider, url;

before(async () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  exhibit = await startExhibit();
  const script = fileURLToPath(new URL("../../../examples/scripted_provider.py", import.meta.url));
  provider = spawn("python3", [script, "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(provider.stdout, "data");
  url = /(http\S+)/.exec(String(line))[1];
});
after(() => {
  provider?.kill("SIGTERM");
  return exhibit?.stop();
});

const weather = { description: "The weather in a city", execute: async ({ city }) => `sunny in ${city}` };
const parameters = z.object({ city: z.string() });
const generations = {
  "6": {
    model: () => createOpenAI({ baseURL: url, apiKey: "scripted" }).chat(MODEL),
    ask: (options) => today.generateText({
      ...options, tools: { get_weather: today.tool({ ...weather, inputSchema: parameters }) }, stopWhen: today.stepCountIs(3),
    }),
  },
  "4": {
    model: () => createOldOpenAI({ baseURL: url, apiKey: "scripted" }).chat(MODEL),
    ask: (options) => old.generateText({
      ...options, tools: { get_weather: old.tool({ ...weather, parameters }) }, maxSteps: 3,
    }),
  },
};

for (const [version, { model, ask }] of Object.entries(generations)) {
  test(`AI SDK ${version}: calls and tools are mapped, and its wrapper's sum is not billed again`, async () => {
    const exporter = new OTLPTraceExporter({
      url: `${exhibit.otlp}/v1/traces`,
      headers: { authorization: `Bearer ${exhibit.key}` },
    });
    const tracing = new TracerProvider({
      resource: resourceFromAttributes({ "service.name": `ai-${version}` }),
      spanProcessors: [new BatchSpanProcessor({ exporter })],
    });
    const metadata = { userId: "u-1", sessionId: `s-${version}` };
    const tracer = tracing.getTracer("ai");
    const { text } = await ask({
      model: model(), prompt: "The weather?",
      experimental_telemetry: { isEnabled: true, functionId: "forecast", metadata, tracer },
    });
    assert.match(text, /Here is what I found/);
    await tracing.shutdown();
    const found = await eventually(async () => {
      const rows = await exhibit.read(`/api/v1/traces?filter=${encodeURIComponent(`service = "ai-${version}"`)}`);
      const data = rows?.[0] && (await exhibit.read(`/api/v1/traces/${rows[0].trace_id}`));
      return data?.spans.length >= 4 && data;
    });
    assert.deepEqual([found.session_id, found.user_id], [`s-${version}`, "u-1"]);
    const calls = found.spans.filter((span) => span.span_type === "llm");
    assert.equal(calls.length, 2, JSON.stringify(found.spans.map((span) => [span.name, span.span_type])));
    for (const call of calls) {
      assert.ok(call.model.startsWith(MODEL) && call.tokens_in > 0 && call.tokens_out > 0);
      assert.equal(call.cost_source, "table");
      assert.match(JSON.stringify(call.input_messages), /The weather\?/);
    }
    const [tool] = found.spans.filter((span) => span.span_type === "tool");
    assert.deepEqual(tool.input, { city: "Köln" });
    assert.equal(tool.output, "sunny in Köln");
    const sum = calls.reduce((whole, call) => whole + Number(call.cost_nano_usd), 0);
    assert.equal(Number(found.cost_nano_usd), sum, "the wrapper's usage is an aggregate");
    assert.match(JSON.stringify(calls[1].output_messages), /Here is what I found/);
  });
}
