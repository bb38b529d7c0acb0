"""The real OpenAI client under real instrumentations, against a scripted provider."""

import json

import openai
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from openai_stand_in import ANSWER

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def instrumentor(name, monkeypatch):
    if name == "openinference":
        from openinference.instrumentation.openai import OpenAIInstrumentor
    else:
        monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental")
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
        from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
    return OpenAIInstrumentor()


@pytest.fixture(params=["openinference", "opentelemetry"])
def ask(request, server, key, openai_server, monkeypatch):
    """Asks the provider inside a root span; the trace id."""
    tracing = TracerProvider()
    exporter = OTLPSpanExporter(
        endpoint=f"{server.otlp_http}/v1/traces", headers={"Authorization": f"Bearer {key}"}
    )
    tracing.add_span_processor(SimpleSpanProcessor(exporter))
    active = instrumentor(request.param, monkeypatch)
    active.instrument(tracer_provider=tracing)
    client = openai.OpenAI(api_key="provider", base_url=openai_server.base_url, max_retries=0)

    def call(said, **options):
        with tracing.get_tracer("tests").start_as_current_span("root") as root:
            messages = [
                {"role": "system", "content": "Answer briefly."},
                {"role": "user", "content": said},
            ]
            answer = client.chat.completions.create(model="gpt-4o", messages=messages, **options)
            if options.get("stream"):
                list(answer)
            return f"{root.get_span_context().trace_id:032x}"

    yield call
    active.uninstrument()
    tracing.shutdown()


def model_call(trace):
    [call] = [span for span in trace["spans"] if span["span_type"] == "llm"]
    [root] = [span for span in trace["spans"] if span["name"] == "root"]
    assert call["parent_span_id"] == root["span_id"]
    return call


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_recorded_with_messages_tokens_and_cost(ask, read_trace, stream):
    options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    call = model_call(read_trace(ask("Explain transformers", **options), spans=2))
    assert call["model"] == "gpt-4o-2024-08-06" and call["provider"] == "openai"
    assert call["status"] == "ok"
    assert (call["tokens_in"], call["tokens_out"]) == (120, 40)
    usage = {name: count for name, count in call["usage"].items() if count}
    usage.pop("requests", None)
    assert usage == {
        "input_uncached": 20, "cache_read": 100, "output_text": 25, "output_reasoning": 15,
    }  # fmt: skip
    assert call["cost_source"] == "table"
    assert call["cost_nano_usd"] == str(20 * 2500 + 100 * 1250 + 40 * 10000)
    assert [m["role"] for m in call["input_messages"]] == ["system", "user"]
    assert "Explain transformers" in json.dumps(call["input_messages"])
    assert ANSWER in json.dumps(call["output_messages"])


def test_a_tool_call_is_recorded_with_its_arguments(ask, read_trace):
    call = model_call(read_trace(ask("use tools", tools=[WEATHER]), spans=2))
    [wanted] = call["tool_calls"]
    assert wanted["tool_name"] == "get_weather"
    assert wanted["arguments"] == {"city": "Köln"}


def test_a_failed_call_is_an_error_with_its_type(ask, read_trace, server, key):
    with pytest.raises(openai.RateLimitError):
        ask("fail")
    with server.client(key) as api:
        [newest] = api.get("/api/v1/traces", params={"filter": "status = error", "limit": 1}).json()["data"]
    call = model_call(read_trace(newest["trace_id"], spans=2))
    assert call["status"] == "error"
    assert "RateLimitError" in call["error_type"]
    assert call["cost"] is None and call["cost_source"] == "none"
