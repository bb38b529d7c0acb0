// The import name that the documents of AITracer print; what it does is in @exhibit/sdk.

import { Exhibit } from "@exhibit/sdk";

export class AITracer {
  #client;

  constructor({ baseUrl, apiKey, ...more } = {}) {
    const env = globalThis.process?.env ?? {};
    this.#client = new Exhibit({
      url: baseUrl ?? env.AITRACER_BASE_URL,
      apiKey: apiKey ?? env.AITRACER_API_KEY,
      ...more,
    });
  }

  trace({ model, input, output, metadata, inputTokens, outputTokens, cost, toolCalls = [], traceId, userId }) {
    const name = model ? `chat ${model}` : "chat";
    const agentName = String(metadata?.workflow ?? name);
    return this.#client.agentTrace({ agentName, modelId: model, metadata, traceId, userId, input }, (trace) => {
      trace.span("llm", name, (call) => {
        call.recordInput(input);
        if (output !== undefined) call.recordOutput(output);
        call.recordUsage({ inputTokens, outputTokens, cost });
        for (const one of toolCalls) call.recordToolCall(one);
      });
      if (output !== undefined) trace.recordOutput(output);
      return { id: trace.id };
    });
  }

  flush(timeoutMs) {
    return this.#client.flush(timeoutMs);
  }
}
