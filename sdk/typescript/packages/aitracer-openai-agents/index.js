// The import name that the documents of AITracer print; what it does is in @exhibit/sdk.

import { Exhibit } from "@exhibit/sdk";
import { ExhibitTracingProcessor } from "@exhibit/sdk/agents";
import { addTraceProcessor } from "@openai/agents";

let registered;

export function registerAitracerTracing({ baseUrl, apiKey, environment, ...more } = {}) {
  const env = globalThis.process?.env ?? {};
  const client = new Exhibit({
    url: baseUrl ?? env.AITRACER_BASE_URL,
    apiKey: apiKey ?? env.AITRACER_API_KEY,
    environment,
    ...more,
  });
  if (registered) {
    // Registered again: the later settings hold.
    void registered.client.flush();
    registered.processor.exhibit = client;
  } else {
    registered = { processor: new ExhibitTracingProcessor(client) };
    addTraceProcessor(registered.processor);
  }
  registered.client = client;
  return { flush: (timeoutMs) => client.flush(timeoutMs), stats: () => client.stats() };
}
