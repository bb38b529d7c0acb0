"""The published Tracium client, unmodified."""

import datetime
import uuid

import pytest

import clients
from exhibit import eventually

NOW = datetime.datetime.now(datetime.timezone.utc)


@pytest.fixture(scope="module")
def recorded(server, key):
    run = uuid.uuid4().hex[:8]
    # The client asks the network for updates unless its URL says localhost.
    url = server.url.replace("127.0.0.1", "localhost")
    answers = clients.run("seeds", "tracium_run.py", url, key, run)
    return answers | {"run": run}


@pytest.fixture
def trace_of(api, recorded):
    def read(name, status):
        def look():
            answer = api.get(f"/api/v1/traces/{recorded['ids'][name]}")
            data = answer.json().get("data", {})
            return data if data.get("status") == status else None

        found = eventually(look)
        assert found, api.get(f"/api/v1/traces/{recorded['ids'][name]}").text
        return found

    return read


def test_a_trace_has_its_agent_version_tags_tokens_and_cost(trace_of):
    trace = trace_of("tree", "ok")
    assert (trace["agent_name"], trace["name"], trace["version"]) == ("support bot", "support bot", "1.2")
    assert {"beta", "seen"} <= set(trace["tags"])
    [call] = [s for s in trace["spans"] if s["name"] == "think"]
    # Its client counts cached tokens apart; 70 + 30 were read.
    assert (call["tokens_in"], call["tokens_out"], call["span_type"]) == (100, 10, "llm")
    assert call["usage"] == {"input_uncached": 70, "cache_read": 30, "output_text": 10}
    assert call["cost_source"] == "table" and trace["cost"] > 0
    assert "refund" in str(call["input"]) and "Thirty" in str(call["output"])


def test_the_tree_is_rebuilt_though_no_parent_is_ever_sent(trace_of):
    spans = trace_of("tree", "ok")["spans"]
    by_name = {s["name"]: s for s in spans}
    root, plan, fan_out = by_name["support bot"], by_name["plan"], by_name["fan-out"]
    assert root["parent_span_id"] is None and root["span_type"] == "agent"
    assert plan["parent_span_id"] == fan_out["parent_span_id"] == root["span_id"]
    assert by_name["think"]["parent_span_id"] == plan["span_id"]
    assert {by_name[f"tool {n}"]["parent_span_id"] for n in range(3)} == {fan_out["span_id"]}
    assert all(s["status"] == "ok" for s in spans)


def test_a_failure_is_recorded_with_its_reason(trace_of):
    trace = trace_of("failed", "error")
    broken = next(s for s in trace["spans"] if s["name"] == "broken")
    assert broken["status"] == "error" and "no such account" in str(broken)


def test_a_lazy_trace_without_spans_is_never_sent(api, recorded, trace_of):
    assert api.get(f"/api/v1/traces/lazy-{recorded['run']}").status_code == 404
    assert trace_of("worked", "ok")["span_count"] == 2


def test_a_tenant_is_a_label(trace_of):
    assert trace_of("tenant", "ok")["metadata"]["tenant"] == "acme"


def test_the_client_reads_its_gantt_chart_and_its_plan(recorded):
    chart = recorded["gantt"]
    bars = {bar["name"]: bar for bar in chart["spans"]}
    assert chart["agent_name"] == "support bot"
    assert bars["think"]["parent_span_id"] == bars["plan"]["id"]
    assert bars["think"]["depth_level"] == 1 and bars["plan"]["depth_level"] == 0
    assert bars["tool 1"]["duration_ms"] >= 50 and bars["think"]["start_offset_ms"] >= 0
    assert recorded["user"] == {"plan": "self-hosted"}


def test_drift_with_too_few_traces_says_so(recorded):
    latency = [r for r in recorded["drift"] if r["agent_name"] == "support bot" and r["metric"] == "latency"]
    assert latency[0]["status"] == "insufficient_data" and latency[0]["test"] == "mann-whitney-u"
    assert any(r["agent_name"] == "support bot" for r in recorded["prompts"])


def span(agent, days_ago, number, milliseconds, failed, prompt):
    start = NOW - datetime.timedelta(days=days_ago, seconds=number)
    end = start + datetime.timedelta(milliseconds=milliseconds)
    return {
        "span_id": "s", "trace_id": f"{agent}-{days_ago}-{number}", "name": "call", "span_type": "llm",
        "start_time": start.isoformat(), "end_time": end.isoformat(), "agent_name": agent,
        "status": "error" if failed else "ok", "input": {"prompt": prompt}, "model": "gpt-4o",
        "tokens_in": 100 + number, "tokens_out": 10,
    }  # fmt: skip


def test_drift_is_computed_from_stored_traces(fresh):
    with fresh() as server:
        key = server.create_key()
        api = server.client(key)
        batch = []
        for n in range(40):
            topics = ["flights", "hotels", "trains", "visas"]
            usual = f"tell me about {topics[n % 4]} and {topics[(n + 1) % 4]}"
            batch += [
                span("steady", 5, n, 100 + n, n % 20 == 0, usual),
                span("steady", 0.2, n, 100 + n, n % 20 == 0, usual),
                span("changed", 5, n, 100 + n, n % 20 == 0, usual),
                span("changed", 0.2, n, 400 + n, n % 2 == 0, f"which dosage of drug {n % 5} is lethal"),
            ]
        assert api.post("/api/v1/ingest/spans", json={"batch": batch}).status_code == 201
        url = "/drift/check?metrics=latency&metrics=error_rate&metrics=moonphase"
        results = api.post(url, headers={"X-API-Key": key}).json()["results"]
        found = {(r.get("agent_name"), r["metric"]): r for r in results}
        assert found[("changed", "latency")]["drift_detected"]
        assert found[("changed", "latency")]["p_value"] < 0.01
        assert found[("changed", "error_rate")]["drift_detected"]
        assert found[("steady", "latency")]["status"] == "stable"
        assert found[("steady", "error_rate")]["status"] == "stable"
        assert found[(None, "moonphase")]["status"] == "unknown_metric"
        prompts = api.post("/drift/prompt-embeddings/check").json()["results"]
        by_agent = {r["agent_name"]: r for r in prompts}
        assert by_agent["changed"]["drift_detected"] and "dosage" in by_agent["changed"]["rising_words"]
        assert by_agent["steady"]["status"] == "stable"


def test_an_update_of_a_span_names_its_parent(api, read_trace):
    trace = f"parented-{uuid.uuid4().hex[:8]}"
    assert api.post("/agents/traces", json={"agent_name": "a", "trace_id": trace}).status_code == 201
    spans = [
        {"id": "p", "span_type": "chain", "status": "in_progress", "started_at": NOW.isoformat(), "depth_level": 0},
        {"id": "q", "span_type": "tool", "status": "in_progress", "started_at": NOW.isoformat(), "depth_level": 0},
        {"id": "q", "parent_span_id": "p"},
    ]  # fmt: skip
    for one in spans:
        assert api.post(f"/agents/traces/{trace}/spans", json={"spans": [one]}).is_success
    found = {s["span_id"]: s for s in read_trace(trace, 3)["spans"]}
    assert found["q"]["parent_span_id"] == "p"


def test_creating_again_is_the_same_trace_and_an_unheard_trace_is_never_404(api, read_trace):
    trace = f"again-{uuid.uuid4().hex[:8]}"
    for _ in range(2):
        answer = api.post("/agents/traces", json={"agent_name": "a", "trace_id": trace})
        assert answer.json()["id"] == trace
    # A client whose creation got lost goes on sending; nothing of it is lost.
    unheard = f"unheard-{uuid.uuid4().hex[:8]}"
    span = {"id": "s", "span_type": "tool", "status": "completed", "started_at": NOW.isoformat(),
            "completed_at": NOW.isoformat(), "depth_level": 0}  # fmt: skip
    assert api.post(f"/agents/traces/{unheard}/spans", json={"spans": [span]}).is_success
    assert api.post(f"/agents/traces/{unheard}/complete", json={}).is_success
    assert len(read_trace(unheard, 2)["spans"]) == 2
    assert read_trace(trace)["span_count"] == 1


def test_broken_spans_are_named_and_kept_as_dead_letters_and_the_good_ones_recorded(api, read_trace):
    trace = f"mixed-{uuid.uuid4().hex[:8]}"
    good = {"id": "good", "span_type": "tool", "status": "completed", "started_at": NOW.isoformat(),
            "completed_at": NOW.isoformat()}  # fmt: skip
    bad = good | {"id": "bad", "started_at": "yesterday"}
    answer = api.post(f"/agents/traces/{trace}/spans", json={"spans": [good, bad]})
    assert answer.is_success and answer.json()["recorded"] == 1
    assert answer.json()["rejected"][0]["pointer"] == "/spans/1/started_at"
    read_trace(trace, 1)
    letters = api.get("/api/v1/dead-letters").json()["data"]
    [letter] = [x for x in letters if x["body"] and x["body"].get("id") == "bad"]
    assert letter["door"] == "tracium" and "RFC 3339" in letter["reason"]


def test_errors_have_the_shape_of_its_service(server, api):
    refused = server.client().post("/agents/traces", json={"agent_name": "a"})
    assert refused.status_code == 401 and set(refused.json()) >= {"code", "message"}
    broken = api.post("/agents/traces", content=b"{", headers={"content-type": "application/json"})
    assert broken.status_code == 400 and broken.json()["code"] == "malformed-json"
