// The official JavaScript clients, unmodified, through the provider proxy against scripted providers.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

import { eventually, startExhibit } from "./exhibit.js";

const PROVIDER_KEY = ["sk", "of", "the", "caller"].join("-");
// Pieces that cut words, lines and a character of three bytes in two.
const OPENAI = [
  'data: {"id":"c1","model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"delta":{"role":"assistant","content":"Sal"}}]}\n\nda',
  'ta: {"choices":[{"index":0,"delta":{"content":"ve, 世',
  '界."},"finish_reason":"stop"}]}\n\n',
  'data: {"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":4}}\n\ndata: [DONE]\n\n',
];
const event = (it) => `event: ${it.type}\ndata: ${JSON.stringify(it)}\n\n`;
const message = { id: "msg_1", type: "message", role: "assistant", model: "claude-sonnet-4-5", content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 9, output_tokens: 1 } };
const ANTHROPIC = [
  event({ type: "message_start", message }),
  event({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }),
  event({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Salve, " } }),
  event({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "munde." } }),
  event({ type: "content_block_stop", index: 0 }),
  event({ type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 4 } }),
  event({ type: "message_stop" }),
];

let provider;
let exhibit;
before(async () => {
  const seen = [];
  const http = createServer((request, response) => {
    let body = "";
    request.on("data", (piece) => { body += piece; });
    request.on("end", async () => {
      seen.push({ url: request.url, headers: request.headers, body });
      const wanted = JSON.parse(body);
      const isChat = request.url.includes("/chat/completions");
      if (!wanted.stream) {
        response.writeHead(200, { "content-type": "application/json" });
        return response.end(JSON.stringify(isChat
          ? { id: "c1", object: "chat.completion", model: wanted.model, choices: [{ index: 0, message: { role: "assistant", content: "Salve, 世界." }, finish_reason: "stop" }], usage: { prompt_tokens: 12, completion_tokens: 4, total_tokens: 16 } }
          : { ...message, content: [{ type: "text", text: "Salve, munde." }], stop_reason: "end_turn", usage: { input_tokens: 9, output_tokens: 4 } }));
      }
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const piece of isChat ? OPENAI : ANTHROPIC) {
        response.write(piece);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      response.end();
    });
  });
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${http.address().port}`;
  provider = { seen, http, base };
  exhibit = await startExhibit({ EXHIBIT_PROXY_OPENAI: `${base}/v1`, EXHIBIT_PROXY_ANTHROPIC: base });
});
after(async () => {
  await exhibit?.stop();
  provider?.http.closeAllConnections();
  provider?.http.close();
});

/** The span of a call, by the session that the call was labelled with, when it has ended. */
const recorded = (session) => eventually(async () => {
  const [row] = await exhibit.read(`/api/v1/traces?session=${session}`);
  const span = row && (await exhibit.read(`/api/v1/traces/${row.trace_id}`)).spans[0];
  return span?.status !== "running" && span;
});
const headers = (session) => ({ "X-Exhibit-Key": exhibit.key, "X-Exhibit-Session": session });

for (const stream of [false, true]) {
  const kind = stream ? "streaming" : "whole";

  test(`the OpenAI client is recorded by its base URL alone (${kind})`, async () => {
    const client = new OpenAI({ apiKey: PROVIDER_KEY, baseURL: `${exhibit.url}/proxy/openai/v1`, defaultHeaders: headers(`openai-${kind}`) });
    const asked = { model: "gpt-4o-mini", messages: [{ role: "user", content: "greet" }] };
    let said = "";
    if (stream) {
      const chunks = await client.chat.completions.create({ ...asked, stream: true, stream_options: { include_usage: true } });
      for await (const chunk of chunks) said += chunk.choices[0]?.delta.content ?? "";
    } else {
      said = (await client.chat.completions.create(asked)).choices[0].message.content;
    }
    assert.equal(said, "Salve, 世界.");
    assert.equal(provider.seen.at(-1).headers.authorization, `Bearer ${PROVIDER_KEY}`);
    assert.equal(provider.seen.at(-1).headers["x-exhibit-key"], undefined);
    const span = await recorded(`openai-${kind}`);
    assert.deepEqual([span.status, span.provider, span.tokens_in, span.tokens_out], ["ok", "openai", 12, 4]);
    assert.match(JSON.stringify(span.output), /Salve, 世界\./);
    assert.ok(!JSON.stringify(span).includes(PROVIDER_KEY));
  });

  test(`the Anthropic client is recorded by its base URL alone (${kind})`, async () => {
    const client = new Anthropic({ apiKey: PROVIDER_KEY, baseURL: `${exhibit.url}/proxy/anthropic`, defaultHeaders: headers(`anthropic-${kind}`) });
    const asked = { model: "claude-sonnet-4-5", max_tokens: 64, messages: [{ role: "user", content: "Greet the world" }] };
    const answer = stream ? await client.messages.stream(asked).finalMessage() : await client.messages.create(asked);
    assert.equal(answer.content[0].text, "Salve, munde.");
    const sent = provider.seen.at(-1).headers;
    assert.equal(sent["x-api-key"] ?? sent.authorization?.replace("Bearer ", ""), PROVIDER_KEY);
    const span = await recorded(`anthropic-${kind}`);
    assert.deepEqual([span.status, span.provider, span.tokens_in, span.tokens_out], ["ok", "anthropic", 9, 4]);
  });
}

test("a stream passes byte for byte", async () => {
  for (const [path, pieces] of [["openai/v1/chat/completions", OPENAI], ["anthropic/v1/messages", ANTHROPIC]]) {
    const answer = await fetch(`${exhibit.url}/proxy/${path}`, {
      method: "POST",
      headers: { ...headers("bytes"), authorization: `Bearer ${PROVIDER_KEY}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "m", max_tokens: 9, stream: true, messages: [{ role: "user", content: "greet" }] }),
    });
    assert.equal(answer.headers.get("content-type"), "text/event-stream");
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), Buffer.from(pieces.join("")));
  }
});

test("without Exhibit's key the client is told so, and nothing leaves", async () => {
  const before = provider.seen.length;
  const client = new OpenAI({ apiKey: PROVIDER_KEY, baseURL: `${exhibit.url}/proxy/openai/v1`, maxRetries: 0 });
  await assert.rejects(client.chat.completions.create({ model: "gpt-4o", messages: [] }), OpenAI.AuthenticationError);
  assert.equal(provider.seen.length, before);
});
