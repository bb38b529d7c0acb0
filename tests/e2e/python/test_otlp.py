"""Unmodified OpenTelemetry exporters, and OTLP by hand."""

import gzip
import json
import time
import zlib

import httpx
import pytest
import zstandard
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode


def provider(exporter):
    made = TracerProvider(resource=Resource.create({"service.name": "checkout"}))
    made.add_span_processor(BatchSpanProcessor(exporter))
    return made


def one_agent_run(tracing):
    """An agent with a model call and a failing tool. The trace id in hex."""
    tracer = tracing.get_tracer("tests")
    with tracer.start_as_current_span(
        "invoke_agent planner",
        attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"},
    ) as agent:
        with tracer.start_as_current_span("chat gpt-4o") as call:
            call.set_attributes({
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.response.model": "gpt-4o-2024-08-06",
                "gen_ai.usage.input_tokens": 1000,
                "gen_ai.usage.output_tokens": 200,
                "gen_ai.usage.cache_read.input_tokens": 400,
                "gen_ai.input.messages": json.dumps(
                    [{"role": "user", "parts": [{"type": "text", "content": "Wetter in Köln?"}]}]
                ),
                "gen_ai.output.messages": json.dumps(
                    [{"role": "assistant", "parts": [{"type": "text", "content": "Regen."}]}]
                ),
            })  # fmt: skip
        with tracer.start_as_current_span(
            "execute_tool get_weather",
            attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "get_weather"},
        ) as tool:
            tool.record_exception(TimeoutError("no answer"))
            tool.set_status(Status(StatusCode.ERROR, "no answer"))
        trace_id = f"{agent.get_span_context().trace_id:032x}"
    assert tracing.force_flush()
    return trace_id


def check_agent_run(trace):
    by_type = {span["span_type"]: span for span in trace["spans"]}
    assert set(by_type) == {"agent", "llm", "tool"}
    agent, call, tool = by_type["agent"], by_type["llm"], by_type["tool"]
    assert agent["parent_span_id"] is None
    assert call["parent_span_id"] == tool["parent_span_id"] == agent["span_id"]
    assert call["model"] == "gpt-4o-2024-08-06" and call["provider"] == "openai"
    assert (call["tokens_in"], call["tokens_out"]) == (1000, 200)
    assert call["usage"]["input_uncached"] == 600 and call["usage"]["cache_read"] == 400
    # 2.50, 1.25 and 10.00 USD per 1 M tokens.
    assert call["cost_source"] == "table"
    assert call["cost_nano_usd"] == str(600 * 2500 + 400 * 1250 + 200 * 10000)
    assert "Köln" in json.dumps(call["input"], ensure_ascii=False)
    assert "Regen" in json.dumps(call["output"], ensure_ascii=False)
    assert tool["status"] == "error" and tool["status_message"] == "no answer"
    assert trace["agent_name"] == "planner"


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_http_exporter_delivers_a_run(server, key, read_trace, compression):
    exporter = HttpExporter(
        endpoint=f"{server.otlp_http}/v1/traces",
        headers={"Authorization": f"Bearer {key}"},
        compression=compression,
    )
    check_agent_run(read_trace(one_agent_run(provider(exporter)), spans=3))


def test_the_http_exporter_may_use_the_main_port(server, key, read_trace):
    exporter = HttpExporter(endpoint=f"{server.url}/v1/traces", headers={"X-API-Key": key})
    check_agent_run(read_trace(one_agent_run(provider(exporter)), spans=3))


def test_the_grpc_exporter_delivers_a_run(server, key, read_trace):
    exporter = GrpcExporter(
        endpoint=server.otlp_grpc, insecure=True, headers={"authorization": f"Bearer {key}"}
    )
    check_agent_run(read_trace(one_agent_run(provider(exporter)), spans=3))


def test_the_grpc_exporter_may_send_more_than_four_mebibytes(server, key, read_trace):
    exporter = GrpcExporter(
        endpoint=server.otlp_grpc, insecure=True, headers={"authorization": f"Bearer {key}"}
    )
    tracing = provider(exporter)
    with tracing.get_tracer("tests").start_as_current_span("large") as span:
        span.set_attribute("input.value", "words and words " * 400_000)
        trace_id = f"{span.get_span_context().trace_id:032x}"
    assert tracing.force_flush()
    [read] = read_trace(trace_id)["spans"]
    assert len(json.dumps(read["input"])) > 6_000_000


def otlp_json(trace_id, count=1, **changes):
    now = time.time_ns()
    spans = [
        {
            "traceId": trace_id.replace("-", ""),
            "spanId": f"{n + 1:016x}",
            "name": f"step {n}",
            "startTimeUnixNano": str(now),
            "endTimeUnixNano": str(now + 5_000_000),
            "attributes": [{"key": "n", "value": {"intValue": str(n)}}],
        }
        | changes
        for n in range(count)
    ]
    return {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate", "zstd"])
def test_json_is_taken_in_every_encoding(server, key, read_trace, trace_id, encoding):
    body = json.dumps(otlp_json(trace_id)).encode()
    packed = {
        "identity": lambda b: b,
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "zstd": zstandard.ZstdCompressor().compress,
    }[encoding](body)
    answer = httpx.post(
        f"{server.otlp_http}/v1/traces",
        content=packed,
        headers={
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Content-Encoding": encoding,
        },
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json().get("partialSuccess", {}).get("rejectedSpans", 0) in (0, "0")
    assert read_trace(trace_id.replace("-", ""))["spans"][0]["name"] == "step 0"


@pytest.mark.parametrize(
    "header",
    [
        lambda key: {"Authorization": f"Bearer {key}"},
        lambda key: {"Authorization": key},
        lambda key: {"Authorization": httpx.BasicAuth("public", key)._auth_header},
        lambda key: {"X-API-Key": key},
        lambda key: {"api-key": key},
        lambda key: {"api_key": key},
    ],
    ids=["bearer", "bare", "basic", "x-api-key", "api-key", "api_key"],
)
def test_a_key_may_come_the_way_each_client_sends_it(server, key, trace_id, header):
    answer = httpx.post(
        f"{server.otlp_http}/v1/traces", json=otlp_json(trace_id), headers=header(key)
    )
    assert answer.status_code == 200, answer.text


def test_one_bad_span_does_not_fail_its_batch(server, key, read_trace, trace_id):
    body = otlp_json(trace_id, count=3)
    body["resourceSpans"][0]["scopeSpans"][0]["spans"][1]["startTimeUnixNano"] = "never"
    answer = httpx.post(
        f"{server.otlp_http}/v1/traces", json=body, headers={"Authorization": f"Bearer {key}"}
    )
    assert answer.status_code == 200
    partial = answer.json()["partialSuccess"]
    assert int(partial["rejectedSpans"]) == 1
    assert "/spans/1/startTimeUnixNano" in partial["errorMessage"]
    assert len(read_trace(trace_id.replace("-", ""), spans=2)["spans"]) == 2


def test_metrics_are_accepted(server, key):
    point = {"asInt": "12", "timeUnixNano": str(time.time_ns())}
    metric = {"name": "gen_ai.client.token.usage", "sum": {"dataPoints": [point]}}
    answer = httpx.post(
        f"{server.otlp_http}/v1/metrics",
        json={"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 200


def test_content_that_comes_as_logs_is_joined_to_its_span(server, key, read_trace, trace_id):
    hex_id = trace_id.replace("-", "")
    headers = {"Authorization": f"Bearer {key}"}
    span = otlp_json(trace_id)
    span["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"] = [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.system", "value": {"stringValue": "openai"}},
    ]
    text = lambda value: {"stringValue": value}  # noqa: E731
    pairs = lambda **kv: {"kvlistValue": {"values": [{"key": k, "value": v} for k, v in kv.items()]}}  # noqa: E731
    records = [
        {
            "traceId": hex_id, "spanId": f"{1:016x}", "timeUnixNano": str(time.time_ns()),
            "eventName": "gen_ai.user.message",
            "attributes": [{"key": "event.name", "value": text("gen_ai.user.message")}],
            "body": pairs(content=text("What is a flight recorder?")),
        },
        {
            "traceId": hex_id, "spanId": f"{1:016x}", "timeUnixNano": str(time.time_ns()),
            "eventName": "gen_ai.choice",
            "attributes": [{"key": "event.name", "value": text("gen_ai.choice")}],
            "body": pairs(
                index={"intValue": "0"}, finish_reason=text("stop"),
                message=pairs(role=text("assistant"), content=text("An orange box.")),
            ),
        },
    ]  # fmt: skip
    assert httpx.post(f"{server.otlp_http}/v1/traces", json=span, headers=headers).is_success
    answer = httpx.post(
        f"{server.otlp_http}/v1/logs",
        json={"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]},
        headers=headers,
    )
    assert answer.status_code == 200, answer.text
    trace = read_trace(hex_id)
    assert len(trace["spans"]) == 1, "logs of a span make no span of their own"
    whole = json.dumps(trace["spans"][0])
    assert "flight recorder" in json.dumps(trace["spans"][0]["input"])
    assert "orange box" in json.dumps(trace["spans"][0]["output"]), whole
