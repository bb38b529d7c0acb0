/** Lines to copy that send a first trace, with the caller's own key and address. */

export interface Snippet {
  id: string;
  label: string;
  code: string;
}

export function snippets(origin: string, key: string): Snippet[] {
  return [
    {
      id: "curl",
      label: "curl",
      code: `curl ${origin}/api/v1/ingest/spans \\
  -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' \\
  -d '{"batch": [{"trace_id": "my-first-trace", "span_id": "s1", "name": "hello", "span_type": "llm",
       "status": "ok", "start_time": "'$(date -u +%FT%TZ)'", "end_time": "'$(date -u +%FT%TZ)'",
       "model": "gpt-4o-mini", "tokens_in": 12, "tokens_out": 34,
       "input": {"messages": [{"role": "user", "content": "Hello"}]},
       "output": {"messages": [{"role": "assistant", "content": "Hi!"}]}}]}'`,
    },
    {
      id: "otel",
      label: "OpenTelemetry",
      code: `export OTEL_EXPORTER_OTLP_ENDPOINT=${origin}
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20${key}
# then start your agent as ever`,
    },
    {
      id: "python",
      label: "Python",
      code: `# pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

exporter = OTLPSpanExporter("${origin}/v1/traces", headers={"authorization": "Bearer ${key}"})
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(exporter))
trace.set_tracer_provider(provider)

with trace.get_tracer("first").start_as_current_span("hello") as span:
    span.set_attribute("gen_ai.operation.name", "chat")
    span.set_attribute("gen_ai.request.model", "gpt-4o-mini")
provider.shutdown()`,
    },
  ];
}
