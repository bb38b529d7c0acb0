"""`POST /api/traces` as the published AITracer SDK sends it."""

import asyncio
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
import uuid

import aitracer
import pytest
from aitracer import AITracerClient
from aitracer.integrations import guardrails, openai_agents, otlp

import clients


@pytest.fixture(scope="module")
def aitracer_key(server):
    key = server.create_key("ingest,read", prefix="akt")
    assert key.startswith("akt_")
    return key


@pytest.fixture
def sdk(server, aitracer_key):
    return AITracerClient(api_key=aitracer_key, base_url=server.url)


def test_the_published_sdk_records_a_trace(sdk, server, aitracer_key):
    answer = aitracer.trace.record(
        client=sdk, workflow="finance-review", model="gpt-4o",
        input_data="Summarize this quarterly report", output_data="Revenue grew.",
        metrics={"promptTokens": 90, "completionTokens": 10, "totalTokens": 100},
        metadata={"workflow": "finance-review"},
    )  # fmt: skip
    trace_id = answer["trace"]["id"]
    assert trace_id
    with server.client(aitracer_key) as api:
        trace = api.get(f"/api/v1/traces/{trace_id}").json()["data"]
    [call] = trace["spans"]
    assert call["model"] == "gpt-4o"
    assert (call["tokens_in"], call["tokens_out"]) == (90, 10)
    assert "quarterly" in json.dumps(call["input"]) and "Revenue" in json.dumps(call["output"])
    assert trace["metadata"]["workflow"] == "finance-review"


@pytest.fixture
def post(server, aitracer_key):
    with server.client(aitracer_key) as api:
        yield lambda body: api.post("/api/traces", json=body)


def test_the_walkthrough_form_is_answered_with_an_id(post):
    answer = post({
        "model": "gpt-4o",
        "input": "Summarize this quarterly report",
        "metadata": {"workflow": "finance-review"},
    })  # fmt: skip
    assert answer.is_success, answer.text
    assert answer.json()["trace"]["id"]


def test_the_same_request_id_is_the_same_trace(post, server, aitracer_key):
    body = {"model": "gpt-4o", "input": "again", "output": "ok", "requestId": uuid.uuid4().hex}
    first, second = post(body), post(body)
    assert first.json()["trace"]["id"] == second.json()["trace"]["id"]
    with server.client(aitracer_key) as api:
        trace = api.get(f"/api/v1/traces/{first.json()['trace']['id']}").json()["data"]
    assert len(trace["spans"]) == 1


def test_the_hash_that_the_sdk_computes_itself_is_confirmed(post):
    body = {"actionName": "hash", "model": "gpt-4o", "prompt": "Köln", "requestId": uuid.uuid4().hex}
    mine = aitracer.verify.hash_canonical(body)
    assert aitracer.verify.verify_hash(mine, post(body).json())
    assert not aitracer.verify.verify_hash(mine, post(body | {"requestId": "other"}).json())


def test_the_list_serves_both_kinds_of_reader(post, server, aitracer_key):
    made = post({"model": "gpt-4o", "input": "listed"}).json()["trace"]["id"]
    with server.client(aitracer_key) as api:
        listed = api.get("/api/traces").json()
    assert made in {str(row["id"]) for row in listed["traces"]}
    assert listed["total"] >= 1 and listed["items"]


def test_the_sdk_finds_its_record_again(sdk, post):
    made = post({"model": "gpt-4o", "input": "found again"}).json()["trace"]["id"]
    assert aitracer.verify.record(made, client=sdk)["id"] == made


def test_answers_carry_the_request_id_that_errors_quote(server):
    answer = server.client("not-a-key").post("/api/traces", json={"model": "m"})
    assert answer.status_code == 401
    assert answer.headers["x-request-id"]


@pytest.fixture
def read(server, aitracer_key):
    def look(trace_id, spans=1):
        with server.client(aitracer_key) as api:
            data = api.get(f"/api/v1/traces/{trace_id}").json()["data"]
        assert len(data["spans"]) >= spans
        return data

    return look


def test_batches_and_the_asynchronous_client_record_every_trace(server, aitracer_key, read):
    items = [{"workflow": f"w{n}", "model": "gpt-4o-mini", "input_data": n, "output_data": n} for n in range(12)]
    sdk = AITracerClient(api_key=aitracer_key, base_url=server.url)
    answers = aitracer.trace.batch_record(items, client=sdk)
    assert len({a["trace"]["id"] for a in answers}) == 12

    async def all_at_once():
        async with aitracer.AsyncAITracerClient(api_key=aitracer_key, base_url=server.url) as client:
            return await aitracer.trace.batch_arecord(items, client=client)

    answers = asyncio.run(all_at_once())
    assert read(answers[3]["trace"]["id"])["name"] == "w3"


def test_costs_are_attributed_to_their_model(sdk):
    answer = aitracer.trace.record(
        client=sdk, workflow="w", model="gpt-4o", input_data="a", output_data="b",
        metrics={"promptTokens": 1000, "completionTokens": 100},
    )  # fmt: skip
    [execution] = answer["trace"]["executionRecords"]
    assert execution["metrics"]["model"] == "gpt-4o" and execution["metrics"]["estimatedCostUsd"] > 0
    assert execution["metrics"]["costSource"] == "table"
    assert aitracer.verify.records_from_response(answer)


def test_a_blocked_prompt_becomes_a_guardrail_of_its_trace(sdk, post, read):
    made = post({"model": "gpt-4o", "input": "guarded"}).json()["trace"]["id"]
    answer = guardrails.report_pii_blocked(
        trace_id=made, reason="card number", client=sdk, latencyMsAdded=12, severity="high",
    )  # fmt: skip
    assert answer["traceId"] == made
    [guard] = [s for s in read(made, 2)["spans"] if s["span_type"] == "guardrail"]
    assert guard["name"] == "pii" and "card number" in json.dumps(guard)
    assert read(made)["metadata"]["action_taken"] == "blocked"


def test_the_agents_bridge_and_otlp_json_are_taken(sdk, read):
    trace_id, otel_id = f"bridge-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    answer = openai_agents.export_spans(
        {
            "traceId": trace_id,
            "workflowName": "support",
            "spans": [
                {"spanId": "a", "startedAt": "2026-11-21T07:00:00Z", "endedAt": "2026-11-21T07:00:02Z",
                 "spanData": {"type": "agent", "name": "triage"}},
                {"spanId": "b", "parentId": "a", "startedAt": "2026-11-21T07:00:00Z",
                 "endedAt": "2026-11-21T07:00:01Z",
                 "spanData": {"type": "generation", "model": "gpt-4o-mini", "input": "hi", "output": "ho",
                              "usage": {"input_tokens": 9, "output_tokens": 3}}},
            ],
        },
        client=sdk,
    )  # fmt: skip
    assert answer["accepted"] == 3
    trace = read(trace_id, 2)
    call = next(s for s in trace["spans"] if s["span_id"] == "b")
    assert trace["name"] == "support" and (call["tokens_in"], call["parent_span_id"]) == (9, "a")
    otlp.export_resource_spans(
        {"resourceSpans": [{"scopeSpans": [{"spans": [{
            "traceId": otel_id, "spanId": "00f067aa0ba902b7", "name": "chat", "startTimeUnixNano": "1800000000000000000",
            "endTimeUnixNano": "1800000001000000000",
            "attributes": [{"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o-mini"}}],
        }]}]}]},
        client=sdk,
    )  # fmt: skip
    assert read(otel_id)["spans"][0]["model"] == "gpt-4o-mini"


def test_tool_calls_and_feedback_join_their_trace(server, aitracer_key, post, read):
    made = post({"model": "gpt-4o", "input": "tools"}).json()["trace"]["id"]
    with server.client(aitracer_key) as api:
        called = api.post("/api/ingest/tool-calls", json={
            "traceId": made, "toolName": "search", "arguments": {"q": "x"}, "result": {"hits": 3}, "latencyMs": 40,
        })  # fmt: skip
        failed = api.post("/api/ingest/tool-calls", json={"traceId": made, "toolName": "mail", "error": "refused"})
        judged = api.post("/api/ingest/feedback", json={"traceId": made, "rating": "up", "comment": "good"})
        lost = api.post("/api/ingest/feedback", json={"rating": "up"})
    assert called.is_success and failed.is_success and judged.is_success and lost.status_code == 422
    spans = {s["name"]: s for s in read(made, 4)["spans"]}
    assert spans["search"]["span_type"] == "tool" and spans["search"]["tool_calls"][0]["result"] == {"hits": 3}
    assert spans["mail"]["status"] == "error" and "refused" in json.dumps(spans["mail"])
    assert spans["feedback"]["span_type"] == "evaluator" and "good" in json.dumps(spans["feedback"])


def test_deliveries_are_signed_in_time_and_taken_once(fresh):
    with fresh() as server:
        api = server.client(server.create_key("ingest,read,admin"))
        alert = json.dumps({"title": "CVE-2026-0001", "severity": "high", "package": "left-pad"}).encode()

        def deliver(body, at, secret):
            signature = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
            return api.post("/api/ingest/webhooks", content=body, headers={
                "content-type": "application/json", "X-AITracer-Delivery-Timestamp": str(at),
                "X-AITracer-Signature": f"v1={signature}",
            })  # fmt: skip

        unsigned = api.post("/api/ingest/webhooks", json={"title": "no secret yet"})
        assert unsigned.status_code == 201
        secret = api.post("/api/v1/settings/webhook-secret").json()["data"]["secret"]
        now = int(time.time())
        first = deliver(alert, now, secret)
        assert first.status_code == 201, first.text
        assert deliver(alert, now, secret).status_code == 409
        assert deliver(alert, now, "another").status_code == 401
        assert deliver(alert, now - 3600, secret).status_code == 401
        assert api.post("/api/ingest/webhooks", json={"title": "unsigned"}).status_code == 401
        trace = api.get(f"/api/v1/traces/{first.json()['traceId']}").json()["data"]
        assert trace["spans"][0]["name"] == "CVE-2026-0001"
        assert api.delete("/api/v1/settings/webhook-secret").status_code == 204
        assert api.post("/api/ingest/webhooks", json={"title": "unsigned"}).status_code == 201


def test_its_command_line_works(server, aitracer_key):
    env = {"AITRACER_API_KEY": aitracer_key, "AITRACER_BASE_URL": server.url}
    tool = [sys.executable, "-m", "aitracer.cli"]
    done = subprocess.run([*tool, "test-ingest"], env=os.environ | env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)["trace"]["id"]
    found = subprocess.run([*tool, "verify", made], env=os.environ | env, capture_output=True, text=True)
    assert json.loads(found.stdout)["id"] == made
    absent = subprocess.run([*tool, "verify", "nothing"], env=os.environ | env, capture_output=True, text=True)
    assert (absent.returncode, absent.stdout.strip()) == (0, "null")


def test_the_first_sdk_reads_a_record_and_verifies_it(fresh):
    with fresh("--seal-after", "0s") as server:
        key = server.create_key("ingest,read", prefix="akt")
        with AITracerClient(api_key=key, base_url=server.url) as sdk:
            made = aitracer.trace.record(client=sdk, workflow="w", model="gpt-4o", input_data="a", output_data="b")
        told = clients.run("seeds", "aitracer_first_run.py", server.url, key, made["trace"]["id"])
    assert told["service"]["api"]["ok"] and told["raw"]["interactionId"] == made["trace"]["id"]
    assert told["told"]["valid"] and told["same"]["hash_matches"] and told["same"]["valid"]
    assert told["other"]["hash_matches"] is False and not told["other"]["valid"]
    assert told["absent"] == told["nobody"] == "AITracerSDKError"
