"""The examples do what they print, against the real binary and a provider that follows a script.

The three demos have `test_demos.py`.
"""

import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import time
import tomllib
import uuid
from pathlib import Path

from conftest import binary as exhibit_binary
import httpx
import pytest
import yaml

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.fixture
def start(server, key, provider, tmp_path):
    """Runs an example as a reader would, in a directory of its own; what it printed."""

    def run(name, *args, program=sys.executable):
        environment = os.environ | {
            "AUDITTRAIL_API_KEY": key,
            "AUDITTRAIL_API_URL": server.url,
            "AUDITTRAIL_DASHBOARD_URL": server.url,
            "EXHIBIT_API_KEY": key,
            "EXHIBIT_URL": server.url,
            "OPENAI_API_KEY": "scripted",
            "OPENAI_BASE_URL": provider.openai_url,
            "OPENAI_AGENTS_DISABLE_TRACING": "",
            "NO_PROXY": "127.0.0.1",
        }
        done = subprocess.run(
            [program, str(EXAMPLES / name), *args],
            capture_output=True, text=True, env=environment, timeout=120, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, f"{name}:\n{done.stdout}{done.stderr}"
        assert key not in done.stdout, "an example never prints the whole key"
        return done.stdout

    return run


@pytest.fixture
def play(start):
    """Runs a program that prints the lines of the quick start; what it printed, and its trace."""

    def run(name, *args):
        printed = start(name, *args)
        assert "[OK] API key configured" in printed
        assert "[LIVE] All spans sent incrementally. Trace complete." in printed
        trace_id = re.search(r"\[OK\] Trace registered: (\S+)", printed)[1]
        assert re.search(rf"\[LIVE\] Open http\S+/traces/{trace_id} to watch live", printed)
        return printed, trace_id

    return run


def test_the_http_quick_start_sends_a_span_and_reads_its_price(start, read):
    printed = start("http/quickstart.py")
    trace_id, _, told = printed.partition(": ")
    assert told.startswith("ok, ") and told.rstrip().endswith("USD (table)")
    [span] = read(trace_id)["spans"]
    # gpt-4o-mini: 0.15 USD per 1 M tokens in, 0.60 out.
    assert span["name"] == "my_llm_call" and span["cost_nano_usd"] == str(100 * 150 + 50 * 600)


def test_the_curl_quick_start_ends_the_step_it_began(start, read):
    start("http/quickstart.sh", "curl-in-a-test", program="bash")
    [span] = read("curl-in-a-test", 1, lambda t: t["status"] == "ok")["spans"]
    assert span["input"] == {"query": "curl"} and span["output"] == {"result": "done"}


def test_the_openai_example_records_a_streamed_call_below_its_agent(start, read):
    printed = start("python-openai/main.py", "Explain transformers")
    trace = read(printed.rsplit("/", 1)[1].strip(), 2, lambda t: t["status"] == "ok")
    [call] = [span for span in trace["spans"] if span["span_type"] == "llm"]
    assert call["model"].startswith("gpt-4o-mini") and int(call["cost_nano_usd"]) > 0
    assert call["parent_span_id"] == trace["by_name"]["explainer"]["span_id"]


def test_the_agents_example_mirrors_its_spans_and_hashes_its_decision(start, read, tmp_path):
    start("openai-agents/main.py", "What should an audit contain?")
    mirror = [json.loads(line) for line in (tmp_path / "agent_spans.jsonl").read_text().splitlines()]
    begun = [line["span_id"] for line in mirror if line["event"] == "span_start"]
    ended = [line["span_id"] for line in mirror if line["event"] == "span_end"]
    assert begun and sorted(begun) == sorted(ended)
    record = json.loads((tmp_path / "decision_records.jsonl").read_text())
    said = record.pop("record_hash")
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(canonical.encode()).hexdigest() == said
    assert hashlib.sha256(record["prompt"].encode()).hexdigest() == record["prompt_hash"]
    trace = read(record["trace_id"], len(begun), lambda t: t["status"] == "ok")
    assert "input_validation" in trace["by_name"]
    assert any(span["span_type"] == "llm" and span["cost_nano_usd"] for span in trace["spans"])


def test_the_minimal_langgraph_agent_traces_its_rounds_live(play, read):
    _, trace_id = play("langgraph-agent/template.py")
    trace = read(trace_id, 4, lambda t: t["status"] == "ok")
    root = trace["by_name"]["template-agent"]
    assert root["parent_span_id"] is None and root["output"]["response"]
    round_ = trace["by_name"]["tools"]
    assert round_["span_type"] == "chain" and round_["parent_span_id"] == root["span_id"]
    assert trace["by_name"]["web_search"]["parent_span_id"] == round_["span_id"]
    calls = [span for span in trace["spans"] if span["span_type"] == "llm"]
    assert calls and all(int(call["cost_nano_usd"]) > 0 for call in calls)


def test_the_full_langgraph_agent_calls_its_seven_tools_in_a_graph_of_phases(play, read):
    _, trace_id = play("langgraph-agent/agent.py")
    trace = read(trace_id, 12, lambda t: t["status"] == "ok")
    tools = [span for span in trace["spans"] if span["span_type"] == "tool"]
    assert len({tool["name"] for tool in tools}) == 7
    assert all(tool["status"] == "ok" for tool in tools)
    by_id = {span["span_id"]: span for span in trace["spans"]}
    assert {by_id[tool["parent_span_id"]]["span_type"] for tool in tools} == {"chain"}
    phases = {span["name"] for span in trace["spans"] if span["span_type"] == "chain"}
    assert len(phases) >= 4, phases


# -- coding agents and the collector: what their settings name is sent by the protocol they name ------

AGENTS = EXAMPLES / "coding-agents"
OTLP = "http://127.0.0.1:4318"


def log_records(service, name, more):
    """One log record as JSON of OTLP."""
    put = lambda pairs: [{"key": k, "value": {"stringValue": str(v)}} for k, v in pairs.items()]  # noqa: E731
    record = {
        "timeUnixNano": str(time.time_ns()), "body": {"stringValue": name}, "attributes": put({"event.name": name} | more),
    }  # fmt: skip
    return {"resourceLogs": [{
        "resource": {"attributes": put({"service.name": service})}, "scopeLogs": [{"logRecords": [record]}],
    }]}  # fmt: skip


def as_protobuf(request):
    from google.protobuf import json_format
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    return json_format.ParseDict(request, ExportLogsServiceRequest()).SerializeToString()


@pytest.fixture
def session(server, key):
    """A session's id, and its spans once they are there."""
    name = f"session-{uuid.uuid4()}"

    def spans(of=server, with_key=key):
        with of.client(with_key) as api:
            found = api.get("/api/v1/traces", params={"filter": f'session = "{name}"'}).json()["data"]
            return [s for t in found for s in api.get(f"/api/v1/traces/{t['trace_id']}").json()["data"]["spans"]]

    return name, spans


def test_claude_codes_settings_send_protobuf_with_the_key(server, key, session):
    name, spans = session
    settings = json.loads((AGENTS / "claude-code.settings.json").read_text())["env"]
    assert settings["CLAUDE_CODE_ENABLE_TELEMETRY"] == settings["OTEL_LOG_USER_PROMPTS"] == "1"
    assert settings["OTEL_LOGS_EXPORTER"] == "otlp"
    assert settings["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/protobuf"
    assert settings["OTEL_EXPORTER_OTLP_ENDPOINT"] == OTLP
    header, _, value = settings["OTEL_EXPORTER_OTLP_HEADERS"].partition("=")
    request = log_records("claude-code", "claude_code.user_prompt", {
        "session.id": name, "prompt.id": "p1", "event.sequence": "1", "prompt": "Fix the test"})  # fmt: skip
    answer = httpx.post(
        f"{server.otlp_http}/v1/logs", content=as_protobuf(request),
        headers={"content-type": "application/x-protobuf", header: value.replace("exk_your-key", key)},
    )  # fmt: skip
    assert answer.status_code == 200 and not answer.content
    assert any("Fix the test" in json.dumps(span) for span in spans())


@pytest.mark.parametrize("protocol", ["binary", "json"])
def test_codex_settings_send_to_the_endpoint_as_it_stands(server, key, session, protocol):
    name, spans = session
    otel = tomllib.loads((AGENTS / "codex.config.toml").read_text())["otel"]
    assert otel["log_user_prompt"] is True and set(otel["exporter"]) == {"otlp-http"}
    told = otel["exporter"]["otlp-http"]
    assert told["protocol"] == "binary", "protobuf over HTTP, which is what the endpoint takes"
    request = log_records("codex_cli_rs", "codex.user_prompt", {"conversation.id": name, "prompt": "Fix the test"})
    binary = protocol == "binary"
    media = "application/x-protobuf" if binary else "application/json"
    answer = httpx.post(
        told["endpoint"].replace(OTLP, server.otlp_http),
        content=as_protobuf(request) if binary else json.dumps(request),
        headers={"content-type": media, "authorization": told["headers"]["authorization"].replace("exk_your-key", key)},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert any("Fix the test" in json.dumps(span) for span in spans())


@pytest.mark.parametrize("path", ["/v1/logs", "/"])
def test_gemini_clis_settings_send_json_without_a_key(tmp_path, session, path):
    name, spans = session
    told = json.loads((AGENTS / "gemini-cli.settings.json").read_text())["telemetry"]
    assert told == {"enabled": True, "target": "local", "otlpEndpoint": OTLP, "otlpProtocol": "http", "logPrompts": True}
    with exhibit_binary.Exhibit(tmp_path / "data", "--keyless-ingest", "default") as own:
        request = log_records("gemini-cli", "gemini_cli.api_response", {
            "session.id": name, "prompt_id": "p1", "model": "gemini-2.5-pro", "input_token_count": 100,
            "output_token_count": 20, "total_token_count": 120})  # fmt: skip
        answer = httpx.post(own.otlp_http + path, json=request)
        assert answer.status_code == 200 and answer.json() == {}, answer.text
        [call] = [s for s in spans(own, own.create_key("read")) if s["span_type"] == "llm"]
        assert call["tokens_in"] == 100 and int(call["cost_nano_usd"]) > 0
        if path == "/":
            assert httpx.post(own.otlp_http, json={"resourceSpans": []}).json() == {}
            assert httpx.post(own.otlp_http, json={"resourceMetrics": []}).json() == {}
            assert httpx.post(own.otlp_http, content=b"{").status_code in (400, 415)
            wrong = httpx.post(own.otlp_http, content=b"", headers={"content-type": "application/x-protobuf"})
            assert wrong.status_code == 404 and "/v1/logs" in wrong.text


def test_the_collectors_configuration_is_whole_and_its_routes_are_taken(server, key):
    """Without a collector on this machine: its keys, and what its exporters would post."""
    config = yaml.safe_load((EXAMPLES / "otel-collector" / "config.yaml").read_text())
    assert set(config) == {"receivers", "processors", "exporters", "service"}
    assert set(config["receivers"]["otlp"]["protocols"]) == {"grpc", "http"}
    assert set(config["processors"]["batch"]) <= {"timeout", "send_batch_size", "send_batch_max_size"}
    for pipeline in config["service"]["pipelines"].values():
        assert set(pipeline) == {"receivers", "processors", "exporters"}
        for kind, names in pipeline.items():
            assert set(names) <= set(config[kind]), f"{kind} {names} are declared"
    known = {"endpoint", "headers", "compression", "encoding", "sending_queue", "retry_on_failure"}
    for name, exporter in config["exporters"].items():
        assert name.split("/")[0] == "otlphttp" and set(exporter) <= known
        assert exporter["headers"]["authorization"] == "Bearer ${env:EXHIBIT_API_KEY}"
        base = exporter["endpoint"].replace("http://localhost:4318", server.otlp_http)
        base = base.replace("http://localhost:3000", server.url)
        trace = uuid.uuid4().hex
        span = {
            "traceId": trace, "spanId": trace[:16], "name": "collected", "kind": 1,
            "startTimeUnixNano": str(time.time_ns()), "endTimeUnixNano": str(time.time_ns()),
        }  # fmt: skip
        body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        if exporter.get("compression") == "gzip":
            body, headers["content-encoding"] = gzip.compress(body), "gzip"
        for signal in ("logs", "metrics"):
            empty = httpx.post(f"{base}/v1/{signal}", json={}, headers={"authorization": f"Bearer {key}"})
            assert empty.status_code == 200, f"{name} {signal}"
        assert httpx.post(f"{base}/v1/traces", content=body, headers=headers).status_code == 200
        with server.client(key) as api:
            assert api.get(f"/api/v1/traces/{trace}").json()["data"]["spans"][0]["name"] == "collected"
