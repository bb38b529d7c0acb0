// The unmodified OpenTelemetry JavaScript exporters, JSON and protobuf.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { ROOT_CONTEXT, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";

import { eventually, startExhibit } from "./exhibit.js";

let exhibit;
before(async () => {
  exhibit = await startExhibit();
});
after(() => exhibit?.stop());

async function oneRun(exporter) {
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ "service.name": "checkout-js" }),
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  });
  const tracer = provider.getTracer("tests");
  const agent = tracer.startSpan(
    "invoke_agent planner",
    { attributes: { "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner" } },
    ROOT_CONTEXT,
  );
  const inside = trace.setSpan(ROOT_CONTEXT, agent);
  const call = tracer.startSpan("chat gpt-4o", {}, inside);
  call.setAttributes({
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 200,
    "gen_ai.input.messages": JSON.stringify([
      { role: "user", parts: [{ type: "text", content: "東京の天気は？" }] },
    ]),
  });
  call.end();
  const tool = tracer.startSpan(
    "execute_tool get_weather",
    { attributes: { "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "get_weather" } },
    inside,
  );
  tool.recordException(new Error("no answer"));
  tool.setStatus({ code: SpanStatusCode.ERROR, message: "no answer" });
  tool.end();
  agent.end();
  await provider.shutdown();
  return agent.spanContext().traceId;
}

for (const [name, Exporter] of [["JSON", JsonExporter], ["protobuf", ProtobufExporter]]) {
  for (const compression of ["none", "gzip"]) {
    test(`the ${name} exporter with compression ${compression} delivers a run`, async () => {
      const id = await oneRun(
        new Exporter({
          url: `${exhibit.otlp}/v1/traces`,
          headers: { authorization: `Bearer ${exhibit.key}` },
          compression,
        }),
      );
      const found = await eventually(async () => {
        const data = await exhibit.read(`/api/v1/traces/${id}`);
        return data?.spans.length === 3 && data;
      });
      const of = (kind) => found.spans.find((span) => span.span_type === kind);
      assert.equal(of("agent").parent_span_id, null);
      assert.equal(of("llm").parent_span_id, of("agent").span_id);
      assert.equal(of("llm").tokens_in, 1000);
      assert.equal(of("llm").cost_source, "table");
      assert.equal(of("llm").cost_nano_usd, String(1000 * 2500 + 200 * 10000));
      assert.match(JSON.stringify(of("llm").input), /東京/);
      assert.equal(of("tool").status, "error");
      assert.equal(of("tool").status_message, "no answer");
      assert.equal(found.agent_name, "planner");
    });
  }
}

test("an exporter with a wrong key is refused and the server stays up", async () => {
  const answer = await fetch(`${exhibit.otlp}/v1/traces`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer wrong" },
    body: JSON.stringify({ resourceSpans: [] }),
  });
  assert.equal(answer.status, 401);
  assert.equal((await fetch(`${exhibit.url}/api/v1/health`)).status, 200);
});
