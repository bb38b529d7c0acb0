// The Vercel AI SDK: a middleware records the model, a cover records the tools.
//
//   npm install && EXHIBIT_API_KEY=exk_… OPENAI_API_KEY=… npm start "What is the weather in Köln?"

import { createOpenAI } from "@ai-sdk/openai";
import { init } from "@exhibit/sdk";
import { exhibitMiddleware, observeTools } from "@exhibit/sdk/vercel";
import { generateText, stepCountIs, tool, wrapLanguageModel } from "ai";
import { z } from "zod";

const client = init({ environment: "development" });
const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL });
const model = wrapLanguageModel({ model: openai("gpt-4o-mini"), middleware: exhibitMiddleware() });
const tools = observeTools({
  get_weather: tool({
    description: "The weather in a city",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `sunny in ${city}`,
  }),
});

const prompt = process.argv.slice(2).join(" ") || "What is the weather in Köln?";
await client.agentTrace({ agentName: "forecaster", input: prompt }, async (trace) => {
  const { text } = await generateText({ model, tools, prompt, stopWhen: stepCountIs(5) });
  trace.recordOutput(text);
  console.log(text);
  console.log(`Trace: ${trace.id}`);
});
await client.flush();
