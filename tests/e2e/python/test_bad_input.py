"""Bad input: each case has its own answer, nothing of it is kept, and the server stays up."""

import gzip
import json
import socket
import time
import zlib
from uuid import uuid4

import httpx
import pytest

from test_otlp import otlp_json
from test_verification import span

NATIVE = "/api/v1/ingest/spans"
JSON = {"Content-Type": "application/json"}
PROTOBUF = {"Content-Type": "application/x-protobuf"}


@pytest.fixture
def send(server, key):
    """Posts bytes; the answer, after checking that the server lives."""

    def post(path, content, headers):
        base = server.otlp_http if path.startswith("/v1/") else server.url
        answer = httpx.post(
            base + path, content=content, timeout=60,
            headers={"Authorization": f"Bearer {key}"} | headers,
        )  # fmt: skip
        assert httpx.get(f"{server.url}/api/v1/health").json()["status"] == "ok"
        return answer

    return post


def check_problem(answer, statuses):
    """A refusal with a shape: OTLP's own status message, or a problem with a stable type."""
    assert answer.status_code in statuses, f"{answer.status_code}: {answer.text[:300]}"
    kind = answer.headers["content-type"]
    if kind.startswith("application/problem+json"):
        body = answer.json()
        assert body["type"] and body["title"] and body["status"] == answer.status_code
    elif kind.startswith("application/json"):
        assert answer.json()["message"]
    else:
        assert kind.startswith("application/x-protobuf"), kind


def nested(depth):
    return b'{"batch": ' + b"[" * depth + b"]" * depth + b"}"


CASES = {
    "truncated JSON": (NATIVE, b'{"batch": [{"span_id": "a', JSON, {400}),
    "truncated OTLP JSON": ("/v1/traces", b'{"resourceSpans": [{', JSON, {400}),
    "truncated protobuf": ("/v1/traces", b"\x0a\xff\x01\x0a", PROTOBUF, {400}),
    "JSON nested 100,000 deep": (NATIVE, nested(100_000), JSON, {400, 422}),
    "OTLP JSON nested 100,000 deep": ("/v1/traces", nested(100_000), JSON, {400}),
    "not gzip": ("/v1/traces", b"plain", PROTOBUF | {"Content-Encoding": "gzip"}, {400}),
    "truncated gzip": (
        "/v1/traces", gzip.compress(b"x" * 5000)[:-20], PROTOBUF | {"Content-Encoding": "gzip"}, {400},
    ),
    "a decompression bomb": (
        "/v1/traces", gzip.compress(bytes(300 << 20), 9), JSON | {"Content-Encoding": "gzip"}, {413},
    ),
    "a bomb for the native door": (
        NATIVE, zlib.compress(bytes(300 << 20), 9), JSON | {"Content-Encoding": "deflate"}, {413},
    ),
    "an unknown encoding": ("/v1/traces", b"{}", JSON | {"Content-Encoding": "snappy"}, {415}),
    "an unknown content type": ("/v1/traces", b"a,b", {"Content-Type": "text/csv"}, {415}),
    "no JSON object": (NATIVE, b"[1, 2, 3]", JSON, {400, 422}),
    "no batch": (NATIVE, b'{"spans": []}', JSON, {400, 422}),
    "invalid UTF-8": (NATIVE, b'{"batch": [{"name": "\xff\xfe"}]}', JSON, {400, 422}),
    "a duplicate key": (NATIVE, b'{"batch": [], "batch": []}', JSON, {400, 422}),
    "not JSON at all": (NATIVE, b"\x00\x01\x02", JSON, {400}),
    "an empty body": (NATIVE, b"", JSON, {400}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_broken_body_has_its_answer(send, name):
    path, content, headers, statuses = CASES[name]
    check_problem(send(path, content, headers), statuses)


def test_a_body_above_the_limit_is_413(send):
    check_problem(send(NATIVE, b" " * (65 << 20), JSON), {413})


BAD_SPANS = {
    "tokens are negative": {"tokens_in": -1},
    "tokens overflow": {"tokens_in": 10**30},
    "the cost is negative": {"cost": -0.5},
    "the cost is a text": {"cost": "cheap"},
    "the status is unknown": {"status": "sideways"},
    "the id is too long": {"span_id": "s" * 300},
    "the id holds a NUL": {"span_id": "a\x00b"},
    "tool_calls is a text": {"tool_calls": "web_search"},
    "a result is a list": {"tool_calls": [{"tool_name": "t", "arguments": {}, "result": []}]},
    "the span is its own parent": {"span_id": "self", "parent_span_id": "self"},
    "the start is no time": {"start_time": "yesterday"},
}


@pytest.mark.parametrize("name", BAD_SPANS)
def test_a_bad_span_is_named_and_its_neighbours_stay(send, server, key, trace_id, name):
    good = span(trace_id)
    bad = span(trace_id) | BAD_SPANS[name]
    answer = send(NATIVE, json.dumps({"batch": [good, bad]}), JSON)
    assert answer.status_code == 422, answer.text
    body = answer.json()
    assert body["accepted"] == 1
    [rejected] = body["rejected"]
    assert rejected["index"] == 1 and rejected["reason"]
    assert rejected["pointer"].startswith("/batch/1")
    spans = server.client(key).get(f"/api/v1/traces/{trace_id}").json()["data"]["spans"]
    assert [s["span_id"] for s in spans] == [good["span_id"]]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_json_does_not_know_are_refused(send, trace_id, number):
    body = json.dumps({"batch": [span(trace_id, cost=12345)]}).replace("12345", number)
    assert send(NATIVE, body, JSON).status_code in (400, 422)


def test_a_cycle_of_parents_is_refused_and_what_is_beside_it_stays(send, server, key, trace_id):
    a = span(trace_id, span_id="a", parent_span_id="b")
    b = span(trace_id, span_id="b", parent_span_id="a")
    good = span(trace_id, span_id="good")
    answer = send(NATIVE, json.dumps({"batch": [a, good, b]}), JSON)
    assert answer.status_code == 422 and "cycle" in answer.text
    assert [r["index"] for r in answer.json()["rejected"]] == [0, 2]
    spans = server.client(key).get(f"/api/v1/traces/{trace_id}").json()["data"]["spans"]
    assert [s["span_id"] for s in spans] == ["good"]


def test_an_empty_batch_is_accepted_as_nothing(send):
    answer = send(NATIVE, b'{"batch": []}', JSON)
    assert answer.is_success and answer.json()["accepted"] == 0


def test_a_batch_above_the_limit_is_refused_whole(send, trace_id):
    spans = [{"span_id": str(n), "trace_id": trace_id, "name": "n", "status": "ok"} for n in range(50_001)]
    assert send(NATIVE, json.dumps({"batch": spans}), JSON).status_code in (413, 422)


def test_a_lone_surrogate_and_a_nul_in_text_are_kept_out_of_harm(send, server, key, trace_id):
    body = json.dumps({"batch": [span(trace_id, input={"q": "a\ud800b\x00c"})]})
    answer = send(NATIVE, body, JSON)
    assert answer.is_success or answer.status_code in (400, 422)
    if answer.is_success:
        data = server.client(key).get(f"/api/v1/traces/{trace_id}").json()["data"]
        assert data["spans"][0]["input"]["q"].startswith("a")


TOLERATED_BY_DESIGN = {
    "end before start": ({"end_time": "2020-01-01T00:00:00Z"}, "end-before-start"),
    "far future": (
        {"start_time": "2100-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:01Z"}, "future-stamp",
    ),
    "far past": (
        {"start_time": "1999-01-01T00:00:00Z", "end_time": "1999-01-01T00:00:01Z"}, "past-stamp",
    ),
    "numbers as text": ({"tokens_in": "12", "tokens_out": "3", "model": "gpt-4o"}, "number-as-text"),
}  # fmt: skip


@pytest.mark.parametrize("name", TOLERATED_BY_DESIGN)
def test_what_real_clients_get_wrong_is_tolerated_and_flagged(send, server, key, trace_id, name):
    changes, flag = TOLERATED_BY_DESIGN[name]
    assert send(NATIVE, json.dumps({"batch": [span(trace_id, **changes)]}), JSON).is_success
    [read] = server.client(key).get(f"/api/v1/traces/{trace_id}").json()["data"]["spans"]
    assert flag in read["flags"]


def test_children_may_arrive_before_their_parent(send, server, key, trace_id):
    child = span(trace_id, span_id="child", parent_span_id="root")
    root = span(trace_id, span_id="root", name="root")
    assert send(NATIVE, json.dumps({"batch": [child]}), JSON).is_success
    assert send(NATIVE, json.dumps({"batch": [root]}), JSON).is_success
    data = server.client(key).get(f"/api/v1/traces/{trace_id}").json()["data"]
    assert {s["span_id"] for s in data["spans"]} == {"child", "root"} and data["name"] == "root"


def test_a_missing_id_is_derived_so_that_a_retry_is_the_same_span(send, server, key):
    marker = uuid4().hex
    body = {"batch": [{"name": marker, "span_type": "custom", "status": "ok",
                       "start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-01T00:00:01Z"}]}  # fmt: skip
    for _ in range(2):
        assert send(NATIVE, json.dumps(body), JSON).is_success
    rows = server.client(key).get("/api/v1/traces", params={"filter": f'name = "{marker}"'}).json()["data"]
    assert len(rows) == 1 and rows[0]["span_count"] == 1


KEYS = {
    "none": ({}, 401),
    "empty": ({"Authorization": ""}, 401),
    "not a key": ({"Authorization": "Bearer secret"}, 401),
    "well formed, unknown": ({"Authorization": "Bearer exk_" + "a" * 32}, 401),
    "very long": ({"Authorization": "Bearer " + "a" * 4000}, 401),
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("path", [NATIVE, "/v1/traces", "/api/traces"])
def test_without_a_good_key_nothing_gets_in(server, name, path):
    headers, status = KEYS[name]
    base = server.otlp_http if path.startswith("/v1/") else server.url
    answer = httpx.post(base + path, json={"batch": [], "model": "m"}, headers=headers)
    assert answer.status_code == status


def test_expired_revoked_and_narrow_keys_are_refused(server, key):
    from exhibit import run

    read_only = server.create_key("read")
    assert server.client(read_only).post(NATIVE, json={"batch": []}).status_code == 403
    assert server.client(read_only).get("/api/v1/traces").status_code == 200
    expired = server.create_key("ingest", expires="1s")
    time.sleep(1.5)
    assert server.client(expired).post(NATIVE, json={"batch": []}).status_code == 401
    revoked = server.create_key("ingest", name="to be revoked")
    assert server.client(revoked).post(NATIVE, json={"batch": []}).is_success
    listed = json.loads(
        run("keys", "list", "--data-dir", server.data_dir, "--json", check=True).stdout
    )
    [row] = [row for row in listed["data"] if row["name"] == "to be revoked"]
    run("keys", "revoke", row["id"], "--data-dir", server.data_dir, check=True)
    assert server.client(revoked).post(NATIVE, json={"batch": []}).status_code == 401


def test_unknown_ids_and_paths_are_404(api):
    for path in ("/api/v1/traces/nobody", "/api/v1/traces/nobody/spans", "/api/v1/nothing"):
        assert api.get(path).status_code == 404, path


def test_a_filter_that_does_not_read_says_where(api):
    answer = api.get("/api/v1/traces", params={"filter": "cost > > 3"})
    assert answer.status_code == 400
    body = answer.json()
    assert body["status"] == 400 and body["detail"]


def test_slow_and_half_open_connections_do_not_hold_the_server(server, key, trace_id):
    held = []
    for _ in range(50):
        slow = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        slow.sendall(b"POST /api/v1/ingest/spans HTTP/1.1\r\nHost: x\r\nContent-Le")
        held.append(slow)
    assert server.client(key).post(NATIVE, json={"batch": [span(trace_id)]}).is_success
    for slow in held:
        slow.close()


def test_otlp_answers_errors_in_the_shape_of_the_request(send):
    answer = send("/v1/traces", b"\x0a\xff\x01\x0a", PROTOBUF)
    assert answer.headers["content-type"].startswith("application/x-protobuf")
    answer = send("/v1/traces", b"{", JSON)
    assert answer.headers["content-type"].startswith("application/json")


def test_an_empty_otlp_request_is_fine(send):
    assert send("/v1/traces", b"", PROTOBUF).status_code == 200
    assert send("/v1/traces", json.dumps(otlp_json(str(uuid4()), count=0)), JSON).status_code == 200
