"""`POST /api/traces` as the published AITracer SDK sends it."""

import json
import uuid

import aitracer
import pytest
from aitracer import AITracerClient


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
