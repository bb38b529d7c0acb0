"""The published packages of other observability products, unmodified."""

import json
import uuid

import pytest

import clients
from exhibit import eventually


@pytest.fixture
def run_id():
    return uuid.uuid4().hex[:8]


def named(trace):
    return {s["name"]: s for s in trace["spans"]}


def test_the_openai_agents_sdk_exports_its_traces(server, key, read_trace, run_id):
    sent = clients.run("observability", "openai_agents_run.py", server.url, key, run_id)
    trace = read_trace(sent["trace_id"], 6)
    spans = named(trace)
    assert (trace["name"], trace["session_id"]) == ("support flow", f"chat-{run_id}")
    assert trace["metadata"]["tier"] == "gold"
    call = spans["generation gpt-4o-mini"]
    assert (call["span_type"], call["model"], call["tokens_in"], call["tokens_out"]) == ("llm", "gpt-4o-mini", 120, 30)
    assert call["cost_source"] == "table" and "invoice" in json.dumps(call["input"])
    tool, agent = spans["lookup"], spans["triage"]
    assert tool["span_type"] == "tool" and tool["parent_span_id"] == agent["span_id"]
    assert "paid" in json.dumps(tool["output"]) and agent["span_type"] == "agent"
    assert spans["no secrets"]["span_type"] == "guardrail"
    failed = spans["input_validation"]
    assert failed["status"] == "error" and "too long" in json.dumps(failed)


def test_langsmiths_sdk_records_runs_in_batches_and_one_by_one(server, key, read_trace, run_id):
    sent = clients.run("observability", "langsmith_run.py", server.url, key, run_id)
    trace = read_trace(sent["trace_id"], 4)
    spans = named(trace)
    root, call = spans["answer"], spans["call_model"]
    assert trace["session_id"] == f"thread-{run_id}" and "beta" in trace["tags"]
    assert root["span_type"] == "chain" and root["status"] == "ok"
    assert call["parent_span_id"] == root["span_id"] and call["span_type"] == "llm"
    assert (call["model"], call["tokens_in"], call["tokens_out"]) == ("gpt-4o-mini", 100, 20)
    assert call["usage"]["cache_read"] == 40 and call["cost_source"] == "table"
    assert "refund" in json.dumps(call["input"]) and "Thirty" in json.dumps(call["output"])
    assert spans["look_up"]["status"] == "error" and "no such order" in json.dumps(spans["look_up"])
    assert spans["helpful"]["span_type"] == "evaluator"
    single = read_trace(sent["single"])["spans"][0]
    assert (single["name"], single["status"]) == ("single", "ok")
    assert "1" in json.dumps(single["input"]) and "2" in json.dumps(single["output"])


def test_langfuses_sdk_records_observations_and_scores(server, key, read_trace, run_id):
    sent = clients.run("observability", "langfuse_run.py", server.url, key, run_id)
    assert sent["authorised"] is True
    trace = read_trace(sent["trace_id"], 3)
    spans = named(trace)
    call = spans["think"]
    assert trace["session_id"] == f"chat-{run_id}" and trace["user_id"] == "customer-7"
    assert (call["span_type"], call["model"]) == ("llm", "gpt-4o-mini")
    # Its SDK counts cached tokens apart.
    assert call["usage"] == {"input_uncached": 60, "cache_read": 40, "output_text": 20}
    assert call["cost_source"] == "table" and call["parent_span_id"] == spans["answer"]["span_id"]
    assert spans["helpful"]["span_type"] == "evaluator"


def test_langfuses_batches_are_answered_event_by_event(api, read_trace, run_id):
    trace_id, at = f"lf-{run_id}", "2026-11-21T07:00:00.000Z"
    event = lambda n, kind, body: {"id": f"e{n}", "timestamp": at, "type": kind, "body": body}  # noqa: E731
    answer = api.post("/api/public/ingestion", json={"batch": [
        event(1, "trace-create", {"id": trace_id, "name": "chat", "sessionId": f"s-{run_id}", "userId": "u",
                                  "tags": ["beta"], "metadata": {"tier": "gold"}}),
        event(2, "generation-create", {"id": "g", "traceId": trace_id, "name": "think", "model": "gpt-4o-mini",
                                       "startTime": at, "input": [{"role": "user", "content": "refund?"}]}),
        event(3, "generation-update", {"id": "g", "traceId": trace_id, "endTime": "2026-11-21T07:00:01.000Z",
                                       "output": "Thirty days.", "usage": {"promptTokens": 100, "completionTokens": 20}}),
        event(4, "span-create", {"id": "s", "traceId": trace_id, "startTime": "nonsense"}),
        event(5, "score-create", {"traceId": trace_id, "observationId": "g", "name": "helpful", "value": 1}),
        event(6, "sdk-log", {"log": "hello"}),
    ]})  # fmt: skip
    assert answer.status_code == 207
    body = answer.json()
    assert {s["id"] for s in body["successes"]} == {"e1", "e2", "e3", "e5", "e6"}
    assert [(e["id"], e["status"]) for e in body["errors"]] == [("e4", 400)]
    trace = read_trace(trace_id, 2)
    call = named(trace)["think"]
    assert (trace["name"], trace["session_id"], trace["metadata"]["tier"]) == ("chat", f"s-{run_id}", "gold")
    assert (call["tokens_in"], call["tokens_out"], call["status"]) == (100, 20, "ok")
    assert call["cost_source"] == "table" and "Thirty" in json.dumps(call["output"])


def test_otlp_reaches_us_by_every_platforms_path_and_header(server, key, read_trace, run_id):
    sent = clients.run("observability", "otlp_platforms.py", server.url, key, run_id)
    for name, trace_id in sent.items():
        [call] = read_trace(trace_id)["spans"]
        assert (call["model"], call["tokens_in"], call["span_type"]) == ("gpt-4o-mini", 100, "llm"), name
        assert call["cost_source"] == "table", name
    labels = {name: read_trace(sent[name])["metadata"] for name in sent}
    assert labels["opik"]["workspace"] == "mine" and labels["opik"]["project"] == "support"
    assert labels["mlflow"]["experiment"] == "7" and labels["braintrust"]["parent"] == "project_name:support"
    assert {"mlflow", "phoenix", "weave", "weave agents"} <= set(sent)


def test_errors_have_each_products_own_shape(server, api):
    nobody = server.client()
    for path, body, inside in [
        ("/v1/traces/ingest", {"data": []}, "error"),
        ("/runs/batch", {"post": []}, "detail"),
        ("/api/public/ingestion", {"batch": []}, "message"),
    ]:
        refused = nobody.post(path, json=body)
        assert refused.status_code == 401 and inside in refused.json(), path
        broken = api.post(path, content=b"[", headers={"content-type": "application/json"})
        assert broken.status_code == 400 and inside in broken.json(), path
        assert refused.headers["x-request-id"]
    info = nobody.get("/info").json()
    assert info["batch_ingest_config"]["use_multipart_endpoint"] is True


def test_what_does_not_decode_leaves_a_letter_without_its_text(api):
    secret = f"unmistakable-{uuid.uuid4().hex}"
    api.post("/api/public/ingestion", content=f'{{"batch": "{secret}"'.encode(),
             headers={"content-type": "application/json"})  # fmt: skip
    letters = eventually(lambda: api.get("/api/v1/dead-letters").json()["data"])
    [letter] = [x for x in letters if x["door"] == "langfuse" and x["body"] is None][:1]
    assert letter["bytes"] > 0 and secret not in json.dumps(letters)
