"""The examples do what they print, against the real binary and a provider that follows a script.

The three demos have `test_demos.py`.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

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


def test_the_settings_of_coding_agents_parse_and_name_the_otlp_port():
    folder = EXAMPLES / "coding-agents"
    claude = json.loads((folder / "claude-code.settings.json").read_text())["env"]
    assert claude["CLAUDE_CODE_ENABLE_TELEMETRY"] == "1"
    assert claude["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4318"
    codex = tomllib.loads((folder / "codex.config.toml").read_text())["otel"]["exporter"]["otlp-http"]
    assert codex["endpoint"] == "http://127.0.0.1:4318/v1/logs" and codex["headers"]["authorization"]
    gemini = json.loads((folder / "gemini-cli.settings.json").read_text())["telemetry"]
    assert gemini["otlpEndpoint"] == "http://127.0.0.1:4318" and gemini["otlpProtocol"] == "http"
