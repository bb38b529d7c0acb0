// The OpenAI Agents SDK in TypeScript: register the bridge once, everything else is yours.
//
//   npm install && AITRACER_API_KEY=akt_… OPENAI_API_KEY=… npm start "What is the weather in Köln?"

import { Agent, run, setOpenAIAPI, tool, withTrace } from "@openai/agents";
import { registerAitracerTracing } from "aitracer-openai-agents";
import { z } from "zod";

const recording = registerAitracerTracing({
  baseUrl: process.env.AITRACER_BASE_URL ?? "http://localhost:3000",
  apiKey: process.env.AITRACER_API_KEY!, // akt_…
  environment: "prod",
});

const getWeather = tool({
  name: "get_weather",
  description: "The weather in a city",
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => `sunny in ${city}`,
});

setOpenAIAPI("responses");
const agent = new Agent({
  name: "Forecaster",
  instructions: "Answer in one sentence.",
  model: "gpt-4o-mini",
  tools: [getWeather],
});

const prompt = process.argv.slice(2).join(" ") || "What is the weather in Köln?";
await withTrace("forecast", async (trace) => {
  const result = await run(agent, prompt);
  console.log(result.finalOutput);
  console.log(`Trace: ${trace.traceId}`);
});
await recording.flush();
