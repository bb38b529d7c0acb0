// Genkit with its own telemetry: a flow that calls a tool, into an exporter as its documentation sets it up.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { openAICompatible } from "@genkit-ai/compat-oai";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { genkit, z } from "genkit";
import { enableTelemetry, flushTracing } from "genkit/tracing";

import { eventually, startExhibit } from "../js/exhibit.js";

const COST = 120 * 150 + 40 * 600; // Genkit tells of no cache
let exhibit, provider, ai;

before(async () => {
  exhibit = await startExhibit();
  const script = fileURLToPath(new URL("../../../examples/scripted_provider.py", import.meta.url));
  provider = spawn("python3", [script, "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(provider.stdout, "data");
  const exporter = new OTLPTraceExporter({
    url: `${exhibit.otlp}/v1/traces`, headers: { authorization: `Bearer ${exhibit.key}` },
  });
  await enableTelemetry({ serviceName: "genkit", spanProcessors: [new BatchSpanProcessor(exporter)] });
  const baseURL = /(http\S+)/.exec(String(line))[1];
  ai = genkit({ plugins: [openAICompatible({ name: "openai", apiKey: "scripted", baseURL })] });
});
after(async () => {
  provider?.kill("SIGTERM");
  await exhibit?.stop();
  setTimeout(() => process.exit(), 100).unref(); // Genkit leaves timers behind
});

/** The only trace whose root has this name. */
function recorded(name) {
  return eventually(async () => {
    const rows = await exhibit.read(`/api/v1/traces?filter=${encodeURIComponent('service = "genkit"')}`);
    const row = rows?.find((one) => one.name === name);
    const trace = row && (await exhibit.read(`/api/v1/traces/${row.trace_id}`));
    return trace?.root_span_id && trace;
  });
}

test("a flow is a tree of model calls and tools, mapped and priced once", async () => {
  const weather = ai.defineTool(
    { name: "get_weather", description: "The weather in a city", inputSchema: z.object({ city: z.string() }), outputSchema: z.string() },
    async ({ city }) => `sunny in ${city}`,
  );
  const forecast = ai.defineFlow({ name: "forecast", inputSchema: z.string(), outputSchema: z.string() }, async (prompt) => {
    const { text } = await ai.generate({ model: "openai/gpt-4o-mini", system: "Answer briefly.", prompt, tools: [weather] });
    return text;
  });
  const answer = await forecast("The weather?");
  await flushTracing();
  const trace = await recorded("forecast");
  const of = (kind) => trace.spans.filter((span) => span.span_type === kind);
  const shape = JSON.stringify(trace.spans.map((span) => [span.name, span.span_type, span.cost_nano_usd]));
  const calls = of("llm");
  assert.equal(calls.length, 2, shape);
  for (const call of calls) {
    assert.ok(call.dialects.includes("genkit"), JSON.stringify(call.dialects));
    assert.deepEqual([call.model, call.tokens_in, call.tokens_out, call.status], ["gpt-4o-mini", 120, 40, "ok"]);
    assert.deepEqual([call.cost_source, Number(call.cost_nano_usd)], ["table", COST]);
    assert.deepEqual(call.input_messages.slice(0, 2).map((one) => one.role), ["system", "user"]);
    assert.match(JSON.stringify(call.input_messages), /The weather\?/);
  }
  const [first, last] = calls;
  assert.match(JSON.stringify(first.output_messages), /get_weather/);
  assert.match(JSON.stringify(last.input_messages), /sunny in Köln/);
  assert.ok(JSON.stringify(last.output_messages).includes(answer));
  const [tool] = of("tool");
  assert.deepEqual([tool.name, tool.input, tool.output], ["get_weather", { city: "Köln" }, "sunny in Köln"]);
  assert.equal(Number(trace.cost_nano_usd), 2 * COST, `what wraps a call repeats its usage: ${shape}`);
  const [root] = trace.spans.filter((span) => span.span_id === trace.root_span_id);
  assert.deepEqual([root.name, root.input, root.output], ["forecast", "The weather?", answer]);
});

test("a call that fails is a failed span with its reason", async () => {
  const failing = ai.defineFlow("failing", async () => (await ai.generate({ model: "openai/gpt-4o-mini", prompt: "please fail" })).text);
  await assert.rejects(failing());
  await flushTracing();
  const trace = await recorded("failing");
  assert.equal(trace.status, "error");
  const [call] = trace.spans.filter((span) => span.span_type === "llm");
  assert.equal(call.status, "error");
  assert.match(JSON.stringify([call.status_message, call.error]), /429|slow|rate/i);
});
