"""The three demos run as a newcomer runs them, without a key of any provider."""

import os
import subprocess
import sys
import time
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def play(name, server, key):
    environment = {
        **os.environ,
        "AUDITTRAIL_API_KEY": key,
        "AUDITTRAIL_API_URL": server.url,
        "DEMO_PACE": "0",
    }
    played = subprocess.run(
        [sys.executable, f"demo_{name}.py"],
        cwd=EXAMPLES,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert played.returncode == 0, played.stderr
    lines = played.stdout.splitlines()
    assert lines[0].startswith("[OK] API key configured (")
    registered = next(line for line in lines if line.startswith("[OK] Trace registered: "))
    assert "[LIVE] All spans sent incrementally. Trace complete." in lines
    return registered.removeprefix("[OK] Trace registered: "), lines


def stored(server, key, trace_id, spans):
    with server.client(key) as api:
        for _ in range(100):
            answer = api.get(f"/api/v1/traces/{trace_id}")
            if answer.status_code == 200 and len(answer.json()["data"]["spans"]) >= spans:
                return answer.json()["data"]
            time.sleep(0.05)
    raise AssertionError(f"{trace_id} has fewer than {spans} spans: {answer.text[:300]}")


def test_the_happy_path_is_a_finished_trace_with_parallel_tools(server, key):
    trace_id, _ = play("happy_path", server, key)
    trace = stored(server, key, trace_id, 6)
    assert trace["status"] == "ok"
    assert {"orders", "carrier"} <= {span["name"] for span in trace["spans"]}


def test_the_constitutional_demo_shows_pass_warning_and_fail(server, key):
    trace_id, lines = play("constitutional", server, key)
    told = {line.split(": ")[1].split(" ")[0] for line in lines if line.startswith("[RULE] ")}
    assert told == {"pass", "warning", "fail"}
    spans = stored(server, key, trace_id, 4)["spans"]
    assert {e["outcome"] for span in spans for e in span["evaluations"]} == {"warning", "fail"}


def test_the_debugging_demo_leads_to_the_step_that_failed(server, key):
    trace_id, lines = play("debugging", server, key)
    assert any(line.startswith("[FAILED] ") and "exchange_rate" in line for line in lines)
    spans = stored(server, key, trace_id, 4)["spans"]
    assert "exchange_rate" in {span["name"] for span in spans if span["status"] == "error"}
