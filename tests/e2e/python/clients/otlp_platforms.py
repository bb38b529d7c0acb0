"""Spans sent by the published packages of Phoenix and Braintrust, and by plain OpenTelemetry with the
paths, headers and attributes that Opik, Weave and MLflow ask for."""

import json
import os
import sys

url, key, run = sys.argv[1:4]
seen = {}


def plain(name, endpoint, headers, **attributes):
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=endpoint, headers=headers)))
    one(name, provider.get_tracer("test"), **attributes)
    provider.shutdown()


def one(name, tracer, **attributes):
    wanted = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini",
              "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20}  # fmt: skip
    with tracer.start_as_current_span(f"chat {name}", attributes=wanted | attributes) as span:
        seen[name] = format(span.get_span_context().trace_id, "032x")


plain("opik", f"{url}/opik/api/v1/private/otel/v1/traces",
      {"Authorization": key, "Comet-Workspace": "mine", "projectName": "support"})  # fmt: skip
plain("weave", f"{url}/otel/v1/traces", {"wandb-api-key": key, "project_id": "me/support"})
plain("weave agents", f"{url}/agents/otel/v1/traces", {"wandb-api-key": key})
plain("mlflow", f"{url}/v1/traces", {"Authorization": f"Bearer {key}", "x-mlflow-experiment-id": "7"},
      **{"mlflow.spanType": '"CHAT_MODEL"', "mlflow.spanInputs": '{"q": "refund?"}',
         "mlflow.chat.tokenUsage": '{"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}'})  # fmt: skip

from phoenix.otel import register  # noqa: E402

phoenix = register(
    endpoint=f"{url}/v1/traces", api_key=key, project_name="support", set_global_tracer_provider=False,
    batch=False, verbose=False, protocol="http/protobuf",
)  # fmt: skip
one("phoenix", phoenix.get_tracer("test"), **{"openinference.span.kind": "LLM"})
phoenix.shutdown()

os.environ |= {"BRAINTRUST_API_KEY": key, "BRAINTRUST_API_URL": url, "BRAINTRUST_PARENT": "project_name:support"}
from braintrust.otel import BraintrustSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402

braintrust = TracerProvider()
braintrust.add_span_processor(BraintrustSpanProcessor(api_key=key, api_url=url, parent="project_name:support"))
one("braintrust", braintrust.get_tracer("test"))
braintrust.force_flush()
braintrust.shutdown()

print(json.dumps(seen))
