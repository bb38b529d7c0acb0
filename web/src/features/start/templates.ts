/** The starter templates of `examples/`, and the versions of the SDKs that came with this build. */

import http from "../../../../examples/http/quickstart.py?raw";
import langgraph from "../../../../examples/langgraph-agent/agent.py?raw";
import agents from "../../../../examples/openai-agents/main.py?raw";
import collector from "../../../../examples/otel-collector/config.yaml?raw";
import openai from "../../../../examples/python-openai/main.py?raw";
import agentsTs from "../../../../examples/typescript-openai-agents/index.ts?raw";
import vercel from "../../../../examples/vercel-ai/index.ts?raw";
import python from "../../../../sdk/python/pyproject.toml?raw";
import { version as typescript } from "../../../../sdk/typescript/package.json";

export interface Template {
  id: string;
  label: string;
  what: string;
  /** Where it stands in the repository. */
  path: string;
  code: string;
}

export const TEMPLATES: Template[] = [
  { id: "openai", label: "Python, OpenAI", what: "OpenAI's own package, recorded without a change in the calls", path: "examples/python-openai/main.py", code: openai },
  { id: "agents", label: "Python, OpenAI Agents", what: "A run of agents with hand-overs and guardrails", path: "examples/openai-agents/main.py", code: agents },
  { id: "langgraph", label: "Python, LangGraph", what: "A graph with tools, its steps shown while they run", path: "examples/langgraph-agent/agent.py", code: langgraph },
  { id: "vercel", label: "TypeScript, AI SDK", what: "Vercel's AI SDK with a middleware", path: "examples/vercel-ai/index.ts", code: vercel },
  { id: "agents-ts", label: "TypeScript, OpenAI Agents", what: "A tracing processor for @openai/agents", path: "examples/typescript-openai-agents/index.ts", code: agentsTs },
  { id: "collector", label: "OpenTelemetry Collector", what: "One more exporter beside those you have", path: "examples/otel-collector/config.yaml", code: collector },
  { id: "http", label: "Plain HTTP", what: "No package at all", path: "examples/http/quickstart.py", code: http },
];

export interface Sdk {
  name: string;
  version: string;
  needs: string;
  install: string;
}

export const SDKS: Sdk[] = [
  { name: "Python", version: python.match(/^version = "([^"]+)"/m)?.[1] ?? "", needs: "Python 3.10 or later, no dependencies", install: "pip install ./sdk/python" },
  { name: "TypeScript", version: typescript, needs: "Node 20 or later, Bun, Deno, workers; no dependencies", install: "(cd sdk/typescript && npm ci && npm run build)\nnpm install ./sdk/typescript" },
];
