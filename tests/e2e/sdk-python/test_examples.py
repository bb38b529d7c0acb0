"""The demo scenarios and settings in `examples/` do what they print, against the real binary and no provider."""

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
def play(server, key):
    """Runs a demo as a reader would; what it printed."""

    def run(name):
        environment = os.environ | {
            "AUDITTRAIL_API_KEY": key,
            "AUDITTRAIL_API_URL": server.url,
            "AUDITTRAIL_DASHBOARD_URL": server.url,
            "DEMO_PACE": "0",
            "NO_PROXY": "127.0.0.1",
        }
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / name)],
            capture_output=True, text=True, env=environment, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"{name}:\n{done.stdout}{done.stderr}"
        assert "[OK] API key configured" in done.stdout
        assert "[LIVE] All spans sent incrementally. Trace complete." in done.stdout
        assert key not in done.stdout, "a demo never prints the whole key"
        return done.stdout, re.search(r"\[OK\] Trace registered: (\S+)", done.stdout)[1]

    return run


def test_the_happy_path_is_stored_with_its_parallel_tools_and_its_price(play, read):
    _, trace_id = play("demo_happy_path.py")
    trace = read(trace_id, 7, lambda t: t["status"] == "ok")
    spans = trace["by_name"]
    assert set(spans) == {
        "support-agent", "understand", "classify", "look up", "orders", "carrier", "answer",
    }  # fmt: skip
    assert spans["classify"]["parent_span_id"] == spans["understand"]["span_id"]
    for tool in ("orders", "carrier"):
        assert spans[tool]["parent_span_id"] == spans["look up"]["span_id"], "threads keep the parent"
    # gpt-4o-mini: 0.15 USD per 1 M tokens in, 0.60 out.
    assert spans["answer"]["cost_nano_usd"] == str(420 * 150 + 35 * 600)
    assert spans["support-agent"]["output"]["outcome"] == "success"


def test_the_constitutional_demo_shows_which_steps_broke_a_rule(play, read):
    printed, trace_id = play("demo_constitutional.py")
    spans = read(trace_id, 6)["by_name"]
    assert not spans["plan"]["findings"], "the step within the rules stays clean"
    assert spans["leak a card"]["findings"] and spans["leak a credential"]["findings"]
    for name in ("plan", "leak a card", "leak a credential"):
        assert f"[RULE] {name}: {spans[name]['verdict']}" in printed
    assert "4111 1111 1111 1111" not in printed and "ghp_" not in printed


def test_the_debugging_demo_keeps_the_failures_the_retry_and_the_cause(play, read):
    printed, trace_id = play("demo_debugging.py")
    trace = read(trace_id, 7, lambda t: t["status"] == "error")
    rates = [span for span in trace["spans"] if span["name"] == "exchange_rate"]
    assert sorted(span["status"] for span in rates) == ["error", "error", "ok"]
    assert [s["output"]["source"] for s in rates if s["status"] == "ok"] == ["cache"]
    failed = sum(span["status"] == "error" for span in trace["spans"])
    assert f"[FAILED] {failed} steps" in printed


def test_the_settings_of_coding_agents_parse_and_name_the_otlp_port():
    folder = EXAMPLES / "coding-agents"
    claude = json.loads((folder / "claude-code.settings.json").read_text())["env"]
    assert claude["CLAUDE_CODE_ENABLE_TELEMETRY"] == "1"
    assert claude["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4318"
    codex = tomllib.loads((folder / "codex.config.toml").read_text())["otel"]["exporter"]["otlp-http"]
    assert codex["endpoint"] == "http://127.0.0.1:4318/v1/logs" and codex["headers"]["authorization"]
    gemini = json.loads((folder / "gemini-cli.settings.json").read_text())["telemetry"]
    assert gemini["otlpEndpoint"] == "http://127.0.0.1:4318" and gemini["otlpProtocol"] == "http"
