"""The calls of the AuditTrail quick start, as its page prints them."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect



@pytest.fixture(scope="module")
def headers(server):
    key = server.create_key("ingest", name="My Agent", prefix="sk-at")
    assert key.startswith("sk-at-")
    return {"Authorization": f"Bearer {key}"}


def finished_span(trace_id, **changes):
    return {
        "span_id": str(uuid4()),
        "trace_id": trace_id,
        "parent_span_id": None,
        "name": "my_llm_call",
        "span_type": "llm",
        "start_time": datetime.now(UTC).isoformat(),
        "end_time": (datetime.now(UTC) + timedelta(milliseconds=500)).isoformat(),
        "status": "ok",
        "input": {"prompt": "..."},
        "output": {"response": "..."},
        "model": "gpt-4o-mini",
        "tokens_in": 100,
        "tokens_out": 50,
        "cost": 0.0001,
        "tool_calls": None,
        "attributes": {},
    } | changes


def test_the_quick_start_runs_as_printed_with_an_ingest_key(server, headers):
    api = server.url
    trace_id = str(uuid4())
    registered = httpx.post(
        f"{api}/api/v1/ingest/traces",
        json={
            "trace": {
                "trace_id": trace_id,
                "agent_name": "my-agent",
                "environment": "development",
                "metadata": {"user_prompt": "..."},
            }
        },
        headers=headers,
    )
    assert registered.is_success, registered.text
    span = finished_span(trace_id)
    sent = httpx.post(f"{api}/api/v1/ingest/spans", json={"batch": [span]}, headers=headers)
    assert sent.is_success, sent.text

    resp = httpx.get(f"{api}/api/v1/traces/{trace_id}", headers=headers)
    trace = resp.json()["data"]
    assert trace["trace_id"] == trace_id
    assert trace["agent_name"] == "my-agent"
    assert trace["environment"] == "development"
    assert trace["metadata"] == {"user_prompt": "..."}
    assert trace["status"] == "ok"
    [read] = trace["spans"]
    for name in ("span_id", "trace_id", "name", "span_type", "status", "input", "output",
                 "model", "tokens_in", "tokens_out", "cost"):  # fmt: skip
        assert read[name] == span[name], name
    assert read["parent_span_id"] is None
    assert read["cost_source"] == "agent"
    assert read["cost_nano_usd"] == "100000"


def test_a_registered_trace_is_running_until_its_root_ends(server, headers):
    trace_id, span_id, start = str(uuid4()), str(uuid4()), datetime.now(UTC)
    post = lambda span: httpx.post(  # noqa: E731
        f"{server.url}/api/v1/ingest/spans", json={"batch": [span]}, headers=headers
    )
    read = lambda: httpx.get(  # noqa: E731
        f"{server.url}/api/v1/traces/{trace_id}", headers=headers
    ).json()["data"]
    running = {
        "span_id": span_id,
        "trace_id": trace_id,
        "name": "my_tool",
        "span_type": "tool",
        "start_time": start.isoformat(),
        "end_time": None,
        "status": "running",
        "input": {"query": "now"},
    }
    assert post(running).is_success
    assert read()["status"] == "running"
    assert read()["spans"][0]["end_time"] is None
    done = running | {
        "end_time": datetime.now(UTC).isoformat(),
        "status": "ok",
        "output": {"result": "..."},
    }
    del done["input"]
    assert post(done).is_success
    trace = read()
    assert trace["status"] == "ok"
    assert len(trace["spans"]) == 1, "the same span id is the same span"
    assert trace["spans"][0]["input"] == {"query": "now"}, "an absent field keeps what was there"
    assert trace["spans"][0]["output"] == {"result": "..."}
    assert post(running).is_success
    assert read()["status"] == "ok", "a finished span does not run again"


def test_a_text_as_tool_result_is_a_422_that_names_it_and_the_good_spans_stay(server, headers):
    trace_id = str(uuid4())
    call = {
        "tool_name": "web_search",
        "arguments": {"query": "AI safety 2026"},
        "result": {"output": "Found 3 papers..."},
        "selected_from": ["web_search", "calculator"],
    }
    good = finished_span(trace_id, tool_calls=[call])
    absent = finished_span(trace_id, tool_calls=[call | {"result": None}])
    bad = finished_span(trace_id, tool_calls=[call, call | {"result": "Found 3 papers..."}])
    answer = httpx.post(
        f"{server.url}/api/v1/ingest/spans", json={"batch": [good, bad, absent]}, headers=headers
    )
    assert answer.status_code == 422
    body = answer.json()
    assert body["accepted"] == 2
    [rejected] = body["rejected"]
    assert rejected["index"] == 1
    assert rejected["pointer"].endswith("/tool_calls/1/result")
    assert rejected["reason"]
    trace = httpx.get(f"{server.url}/api/v1/traces/{trace_id}", headers=headers).json()["data"]
    assert {s["span_id"] for s in trace["spans"]} == {good["span_id"], absent["span_id"]}
    [read] = [s for s in trace["spans"] if s["span_id"] == good["span_id"]]
    assert read["tool_calls"] == [call]


@pytest.mark.parametrize(
    ("changes", "source", "known"),
    [
        ({"cost": 0.05}, "agent", True),
        ({"cost": None}, "table", True),
        ({"cost": None, "model": "a-model-nobody-prices"}, "default", True),
        ({"cost": None, "model": None, "tokens_in": None, "tokens_out": None}, "none", False),
    ],
)
def test_a_cost_says_where_it_comes_from(server, headers, trace_id, changes, source, known):
    span = finished_span(trace_id, **changes)
    assert httpx.post(
        f"{server.url}/api/v1/ingest/spans", json={"batch": [span]}, headers=headers
    ).is_success
    trace = httpx.get(f"{server.url}/api/v1/traces/{trace_id}", headers=headers).json()["data"]
    [read] = trace["spans"]
    assert read["cost_source"] == source
    assert (read["cost"] is not None) == known
    if source == "agent":
        assert read["cost"] == 0.05 and read["cost_nano_usd"] == "50000000"
    if source == "table":
        # gpt-4o-mini: 0.15 and 0.60 USD per 1 M tokens.
        assert read["cost_nano_usd"] == str(100 * 150 + 50 * 600)


def test_prices_can_be_read_per_million_tokens(server, headers):
    answer = httpx.get(f"{server.url}/api/v1/settings/pricing", headers=headers)
    assert answer.status_code == 200
    prices = answer.json()["data"]
    assert prices["unit"] == "USD per 1M tokens"
    assert float(prices["default"]["output"]) > 0


def test_health_answers_bare_with_exactly_the_fields_of_the_mission(server):
    health = httpx.get(f"{server.url}/api/v1/health")
    assert health.status_code == 200
    body = health.json()
    assert set(body) == {"status", "version", "db_connected", "rules_loaded", "uptime_seconds"}
    assert body["status"] == "ok" and body["db_connected"] is True
    assert isinstance(body["rules_loaded"], int) and body["rules_loaded"] > 0


def test_the_socket_tells_of_a_span_that_runs_and_ends(server, key, headers):
    trace_id, span_id = str(uuid4()), str(uuid4())
    url = server.url.replace("http://", "ws://") + "/ws"
    with connect(url, additional_headers={"Authorization": f"Bearer {key}"}) as socket:
        for status in ("running", "ok"):
            span = finished_span(trace_id, span_id=span_id, status=status)
            if status == "running":
                span["end_time"] = None
            httpx.post(
                f"{server.url}/api/v1/ingest/spans", json={"batch": [span]}, headers=headers
            ).raise_for_status()
        events = []
        while not events or events[-1]["type"] != "span.ended":
            event = json.loads(socket.recv(timeout=10))
            if event.get("trace_id") == trace_id:
                events.append(event)
        assert [(e["type"], e["span"]["status"]) for e in events] == [
            ("span.started", "running"), ("span.ended", "ok"),
        ]  # fmt: skip
        assert {e["span"]["span_id"] for e in events} == {span_id}


def test_the_socket_tells_strangers_nothing(server):
    url = server.url.replace("http://", "ws://") + "/ws"
    with pytest.raises(InvalidStatus, match="401"):
        connect(url, additional_headers={"Authorization": "Bearer exk_" + "a" * 32})
    with connect(url) as socket:
        socket.send(json.dumps({"type": "ping"}))
        assert json.loads(socket.recv(timeout=5))["type"] == "system.error"
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=5)


def test_a_reconnected_socket_resumes_from_its_cursor(server, key, headers):
    url = server.url.replace("http://", "ws://") + "/ws"
    auth = {"additional_headers": {"Authorization": f"Bearer {key}"}}
    first, missed = str(uuid4()), str(uuid4())
    post = lambda trace: httpx.post(  # noqa: E731
        f"{server.url}/api/v1/ingest/spans", json={"batch": [finished_span(trace)]}, headers=headers
    ).raise_for_status()
    with connect(url, **auth) as socket:
        socket.recv(timeout=5)
        post(first)
        while (event := json.loads(socket.recv(timeout=10))).get("trace_id") != first:
            pass
        cursor = event["cursor"]
    post(missed)
    with connect(url, **auth) as socket:
        socket.send(json.dumps({"type": "subscribe", "after": cursor}))
        seen = ""
        while missed not in seen:
            seen += socket.recv(timeout=10)
        assert first not in seen
