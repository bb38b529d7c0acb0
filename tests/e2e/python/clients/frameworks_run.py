"""One call of a model, asked by a framework in its own way, recorded by that framework's own tracing."""

import json
import os
import sys
import time

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


def openlit():
    import openlit as sdk

    sdk.init(otlp_endpoint=url, otlp_headers=HEADERS, application_name="explainer", environment="staging",
             disable_batch=True, disable_metrics=True)  # fmt: skip
    ask()


def agentops():
    os.environ["AGENTOPS_LOGGING_TO_FILE"] = "False"  # else into the working directory
    import agentops as sdk
    from agentops.sdk.decorators import agent, operation, tool

    sdk.init(api_key=key, endpoint=url, exporter_endpoint=ENDPOINT, default_tags=["nightly"], trace_name="explainer",
             log_session_replay_url=False)  # fmt: skip
    wait_for(lambda: sdk.get_client().get_current_jwt())

    @tool(name="look_up")
    def look_up(customer):
        return {"tier": "gold"}

    @agent(name="explainer")
    class Explainer:
        @operation
        def explain(self):
            look_up(7)
            ask()

    Explainer().explain()
    sdk.end_trace(end_state="Success")


def litellm():
    os.environ |= {
        "OTEL_EXPORTER": "otlp_http", "OTEL_ENDPOINT": ENDPOINT, "OTEL_HEADERS": f"Authorization=Bearer {key}",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }  # fmt: skip
    import litellm as sdk
    from opentelemetry import trace

    sdk.callbacks = ["otel"]
    messages = [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": ASKED}]
    sdk.completion(model=f"openai/{MODEL}", api_base=provider, api_key="provider", messages=messages)
    # Callbacks run on a thread of its own.
    wait_for(lambda: trace.get_tracer_provider().force_flush() and False, seconds=3)


def wait_for(check, seconds=20):
    deadline = time.monotonic() + seconds
    while not check() and time.monotonic() < deadline:
        time.sleep(0.1)


globals()[which]()
print(json.dumps(which))
