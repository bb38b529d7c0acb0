// Calls of the real libraries, recorded, stored, mapped and priced.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import { Exhibit } from "@exhibit/sdk";
import { observeOpenAI } from "@exhibit/sdk/openai";
import { exhibitMiddleware, observeTools } from "@exhibit/sdk/vercel";
import { createOpenAI } from "@ai-sdk/openai";
import { AITracer } from "@noirstack/aitracer-sdk";
import { Agent, OpenAIResponsesModel, Runner, tool as agentTool, withTrace } from "@openai/agents";
import { generateText, stepCountIs, streamText, tool, wrapLanguageModel } from "ai";
import { registerAitracerTracing } from "aitracer-openai-agents";
import OpenAI from "openai";
import { z } from "zod";

import { startExhibit } from "../js/exhibit.js";
import { reader, startProvider } from "./helpers.js";

const MODEL = "gpt-4o-mini";
const COST = String(20 * 150 + 100 * 75 + 40 * 600);
const ASK = [{ role: "user", content: "How are you?" }];
let server, provider, read, client, openai;

before(async () => {
  [server, provider] = await Promise.all([startExhibit(), startProvider()]);
  read = reader(server);
  client = new Exhibit({ url: server.url, apiKey: server.key, intervalMs: 10 });
  const plain = new OpenAI({ baseURL: provider.openaiUrl, apiKey: "scripted", maxRetries: 0 });
  openai = observeOpenAI(plain, client);
});
after(async () => {
  provider.stop();
  await server.stop();
});

function check(call, answer) {
  assert.equal(call.model, MODEL);
  assert.equal(call.status, "ok");
  assert.equal(call.cost_nano_usd, COST);
  assert.ok(call.response_id && call.finish_reasons.length);
  if (answer !== undefined) assert.equal(call.output_messages[0].parts[0].content, answer);
}

const chat = {
  plain: async () => (await openai.chat.completions.create({ model: MODEL, messages: ASK })).choices[0].message.content,
  streamed: async () => {
    const asked = { model: MODEL, messages: ASK, stream: true, stream_options: { include_usage: true } };
    let said = "";
    for await (const chunk of await openai.chat.completions.create(asked)) said += chunk.choices[0]?.delta.content ?? "";
    return said;
  },
  "with its response": async () => {
    const { data, response } = await openai.chat.completions.create({ model: MODEL, messages: ASK }).withResponse();
    assert.equal(response.status, 200);
    return data.choices[0].message.content;
  },
  "by the stream helper": async () => {
    const stream = openai.chat.completions.stream({ model: MODEL, messages: ASK, stream_options: { include_usage: true } });
    return (await stream.finalChatCompletion()).choices[0].message.content;
  },
};

for (const [how, ask] of Object.entries(chat)) {
  test(`a chat completion is recorded, ${how}`, async () => {
    const [id, answer] = await client.agentTrace({ agentName: "openai" }, async (trace) => [trace.id, await ask()]);
    await client.flush();
    const stored = await read(id, 2);
    const [call] = stored.kind("llm");
    check(call, answer);
    assert.equal(call.provider, "openai");
    assert.equal(call.parent_span_id, stored.root_span_id);
  });
}

test("responses are recorded, plain and streamed, and embeddings without their numbers", async () => {
  const id = await client.agentTrace({ agentName: "responses" }, async (trace) => {
    await openai.responses.create({ model: MODEL, instructions: "Be brief.", input: "How are you?" });
    for await (const _ of await openai.responses.create({ model: MODEL, input: "How are you?", stream: true }));
    await openai.embeddings.create({ model: "text-embedding-3-small", input: ["a", "b"] });
    return trace.id;
  });
  await client.flush();
  const stored = await read(id, 4);
  assert.equal(stored.kind("llm").length, 2);
  for (const call of stored.kind("llm")) check(call);
  assert.equal(stored.kind("embedding")[0].output.embeddings, 2);
});

test("tool calls, errors and streams that are left early are recorded", async () => {
  const tools = [{ type: "function", function: { name: "get_weather", parameters: { properties: { city: { type: "string" } } } } }];
  const id = await client.agentTrace({ agentName: "tools" }, async (trace) => {
    await openai.chat.completions.create({ model: MODEL, messages: [{ role: "user", content: "The weather?" }], tools });
    for await (const _ of await openai.chat.completions.create({ model: MODEL, messages: ASK, stream: true })) break;
    await assert.rejects(
      openai.chat.completions.create({ model: MODEL, messages: [{ role: "user", content: "please fail" }] }),
      OpenAI.RateLimitError,
    );
    return trace.id;
  });
  await client.flush();
  const stored = await read(id, 4);
  const [asked] = stored.spans.flatMap((span) => span.tool_calls ?? []);
  assert.deepEqual([asked.tool_name, asked.arguments], ["get_weather", { city: "Köln" }]);
  const failed = stored.spans.find((span) => span.error_type === "RateLimitError");
  assert.equal(failed.status, "error");
  assert.equal(stored.kind("llm").filter((span) => span.status === "ok").length, 2);
});

test("the Vercel AI SDK is recorded: models, steps and tools", async () => {
  const made = createOpenAI({ baseURL: provider.openaiUrl, apiKey: "scripted" });
  for (const kind of ["chat", "responses"]) {
    const model = wrapLanguageModel({ model: made[kind](MODEL), middleware: exhibitMiddleware(client) });
    const tools = observeTools({
      get_weather: tool({
        description: "The weather in a city",
        inputSchema: z.object({ city: z.string() }),
        execute: async ({ city }) => `sunny in ${city}`,
      }),
    }, client);
    const id = await client.agentTrace({ agentName: "vercel" }, async (trace) => {
      const { text } = await generateText({ model, tools, prompt: "The weather?", stopWhen: stepCountIs(3) });
      assert.match(text, /Here is what I found/);
      return trace.id;
    });
    await client.flush();
    const stored = await read(id, 4);
    assert.equal(stored.kind("llm").length, 2);
    for (const call of stored.kind("llm")) check(call);
    assert.deepEqual(stored.named("get_weather").input, { city: "Köln" });
    assert.equal(stored.named("get_weather").output, "sunny in Köln");
  }
});

test("a stream of the Vercel AI SDK is recorded", async () => {
  const made = createOpenAI({ baseURL: provider.openaiUrl, apiKey: "scripted" });
  const model = wrapLanguageModel({ model: made.chat(MODEL), middleware: exhibitMiddleware(client) });
  const [id, said] = await client.agentTrace({ agentName: "vercel stream" }, async (trace) => {
    const { textStream } = streamText({ model, prompt: "How are you?" });
    let said = "";
    for await (const word of textStream) said += word;
    return [trace.id, said];
  });
  await client.flush();
  const [call] = (await read(id, 2)).kind("llm");
  check(call, said);
  assert.ok(call.ttft_ms > 0);
});

test("registerAitracerTracing records the OpenAI Agents SDK", async () => {
  const recording = registerAitracerTracing({ baseUrl: server.url, apiKey: server.key, environment: "prod" });
  const api = new OpenAI({ baseURL: provider.openaiUrl, apiKey: "scripted" });
  const getWeather = agentTool({
    name: "get_weather",
    description: "The weather in a city",
    parameters: z.object({ city: z.string() }),
    execute: async ({ city }) => `sunny in ${city}`,
  });
  const model = new OpenAIResponsesModel(api, MODEL);
  const agent = new Agent({ name: "Forecaster", instructions: "Be brief.", model, tools: [getWeather] });
  let id;
  await withTrace("forecast", async (trace) => {
    id = trace.traceId;
    const result = await new Runner().run(agent, "The weather?");
    assert.match(result.finalOutput, /Here is what I found/);
  }, { groupId: "g-1", metadata: { tier: "gold" } });
  assert.ok(await recording.flush());
  const stored = await read(id, 4, (trace) => trace.status === "ok");
  assert.equal(stored.name, "forecast");
  assert.deepEqual([stored.environment, stored.session_id, stored.metadata.tier], ["prod", "g-1", "gold"]);
  assert.equal(stored.kind("llm").length, 2);
  for (const call of stored.kind("llm")) check(call);
  assert.deepEqual(stored.named("get_weather").input, { city: "Köln" });
});

test("the AITracer class of the walk-through records a call", async () => {
  const tracer = new AITracer({ baseUrl: server.url, apiKey: server.key });
  const trace = tracer.trace({
    model: "gpt-4o",
    input: "Summarize this quarterly report",
    metadata: { workflow: "finance-review" },
  });
  assert.ok(await tracer.flush());
  const stored = await read(trace.id, 2);
  assert.equal(stored.name, "finance-review");
  assert.equal(stored.kind("llm")[0].model, "gpt-4o");
});

test("the snippet of the API reference ends by itself", async () => {
  const program = `import { registerAitracerTracing } from "aitracer-openai-agents";
registerAitracerTracing({
  baseUrl: "http://127.0.0.1:9",
  apiKey: process.env.AITRACER_API_KEY,
  environment: "prod",
});`;
  await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], {
    cwd: import.meta.dirname,
    timeout: 20_000,
  });
});
