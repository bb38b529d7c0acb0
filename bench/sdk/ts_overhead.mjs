// What recording costs the application: time of opening, filling and ending a span with 1 KB of input.
//
//   npm run build && EXHIBIT_URL=… EXHIBIT_API_KEY=… npm run bench

import { Exhibit } from "../../sdk/typescript/dist/esm/index.js";

const text = "The quarterly report says that revenue grew by eleven percent. ".repeat(14);
const input = { messages: [{ role: "user", content: text }], customer: 7, top: ["a", "b", "c"] };

function perSpan(client, spans) {
  const took = [];
  client.agentTrace({ agentName: "bench" }, (trace) => {
    for (let n = 0; n < spans; n++) {
      const began = performance.now();
      trace.span("llm", "completion", (span) => span.recordInput(input));
      took.push((performance.now() - began) * 1000);
    }
  });
  took.sort((a, b) => a - b);
  return `median ${took[spans >> 1].toFixed(2)} us, p99 ${took[Math.floor(spans * 0.99)].toFixed(2)} us`;
}

const off = new Exhibit({ enabled: false });
perSpan(off, 20_000);
console.log(`disabled: ${perSpan(off, 20_000)}`);
const warm = new Exhibit({ live: false });
perSpan(warm, 20_000);
await warm.flush(30_000);
const on = new Exhibit();
console.log(`enabled:  ${perSpan(on, 20_000)}`);
const began = performance.now();
const done = await on.flush(30_000);
console.log(`delivered in ${Math.round(performance.now() - began)} ms, complete: ${done}`, on.stats());
