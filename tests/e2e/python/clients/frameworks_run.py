"""One call of a model, asked by a framework in its own way, recorded by that framework's own tracing."""

import json
import os
import sys

which, url, key, provider = sys.argv[1:5]
ENDPOINT, HEADERS = f"{url}/v1/traces", {"Authorization": f"Bearer {key}"}
MODEL, ASKED = "gpt-4o", "Explain transformers"


def tracing():
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=ENDPOINT, headers=HEADERS)))
    return made


def ask():
    from openai import OpenAI

    client = OpenAI(api_key="provider", base_url=provider, max_retries=0)
    messages = [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": ASKED}]
    client.chat.completions.create(model=MODEL, messages=messages)


def pydantic_ai():
    from pydantic_ai import Agent
    from pydantic_ai.models.instrumented import InstrumentationSettings
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    made = tracing()
    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=provider, api_key="provider"))
    Agent.instrument_all(InstrumentationSettings(tracer_provider=made))
    Agent(model, name="explainer", system_prompt="Answer briefly.").run_sync(ASKED)
    made.shutdown()


def logfire():
    import logfire as sdk
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    exporter = SimpleSpanProcessor(OTLPSpanExporter(endpoint=ENDPOINT, headers=HEADERS))
    sdk.configure(send_to_logfire=False, console=False, additional_span_processors=[exporter], metrics=False)
    sdk.instrument_openai()
    ask()
    sdk.force_flush()


def traceloop():
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    made = tracing()
    OpenAIInstrumentor().instrument(tracer_provider=made)
    ask()
    made.shutdown()


def mlflow():
    os.environ |= {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": f"Authorization=Bearer {key}", "MLFLOW_TRACKING_URI": url,
    }  # fmt: skip
    import mlflow as sdk

    sdk.openai.autolog()
    ask()
    sdk.flush_trace_async_logging()


globals()[which]()
print(json.dumps(which))
