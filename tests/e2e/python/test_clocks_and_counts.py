"""What the server does by itself: live shapes, stale spans, seals, counting once, doors and overload."""

import socket
import time
from uuid import uuid4

import httpx

from exhibit import eventually, free_port
from test_otlp import otlp_json
from test_verification import span


def send_otlp(server, key, body):
    answer = httpx.post(
        f"{server.otlp_http}/v1/traces", json=body, headers={"Authorization": f"Bearer {key}"}
    )
    assert answer.status_code == 200 and answer.json() == {}, answer.text


def attributes(**values):
    kinds = {str: "stringValue", int: "intValue", bool: "boolValue"}
    return [
        {"key": name.replace("__", "."), "value": {kinds[type(value)]: str(value) if type(value) is int else value}}
        for name, value in values.items()
    ]


def test_an_open_snapshot_runs_until_the_finished_span_comes(server, key, read_trace):
    trace = uuid4().hex
    body = otlp_json(trace)
    [one] = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
    ended = one.pop("endTimeUnixNano")
    send_otlp(server, key, body)
    assert read_trace(trace)["status"] == "running"
    one["endTimeUnixNano"] = ended
    send_otlp(server, key, body)
    done = read_trace(trace)
    assert done["status"] == "ok" and len(done["spans"]) == 1


def test_a_pending_span_stands_for_the_real_one(server, key, read_trace):
    trace, real = uuid4().hex, f"{1:016x}"
    pending = otlp_json(trace, parentSpanId=real, spanId=f"{99:016x}", attributes=attributes(
        logfire__span_type="pending_span", logfire__pending_parent_id="0" * 16))  # fmt: skip
    send_otlp(server, key, pending)
    seen = read_trace(trace)
    assert [(s["span_id"], s["status"]) for s in seen["spans"]] == [(real, "running")]
    send_otlp(server, key, otlp_json(trace))
    done = read_trace(trace)
    assert [(s["span_id"], s["status"]) for s in done["spans"]] == [(real, "ok")]


def test_a_response_that_two_instruments_report_counts_once(server, key, read_trace):
    trace = uuid4().hex
    call = attributes(
        gen_ai__operation__name="chat", gen_ai__system="openai", gen_ai__request__model="gpt-4o",
        gen_ai__response__id="resp-1", gen_ai__usage__input_tokens=1000,
        gen_ai__usage__output_tokens=100,
    )  # fmt: skip
    send_otlp(server, key, otlp_json(trace, count=2, attributes=call))
    found = read_trace(trace, spans=2)
    assert sorted(s["usage_counted"] for s in found["spans"]) == [False, True]
    assert found["cost_nano_usd"] == str(1000 * 2500 + 100 * 10000)
    assert (found["tokens_in"], found["tokens_out"]) == (1000, 100)


def test_a_containers_sum_is_not_added_to_its_calls(server, key, read_trace):
    trace = uuid4().hex
    usage = {"gen_ai__usage__input_tokens": 1000, "gen_ai__usage__output_tokens": 100}
    agent = otlp_json(trace, spanId=f"{1:016x}", attributes=attributes(
        gen_ai__operation__name="invoke_agent", gen_ai__request__model="gpt-4o", **usage))  # fmt: skip
    call = otlp_json(trace, spanId=f"{2:016x}", parentSpanId=f"{1:016x}", attributes=attributes(
        gen_ai__operation__name="chat", gen_ai__system="openai",
        gen_ai__request__model="gpt-4o", **usage))  # fmt: skip
    send_otlp(server, key, agent)
    send_otlp(server, key, call)
    found = read_trace(trace, spans=2)
    assert (found["tokens_in"], found["tokens_out"]) == (1000, 100)
    assert found["cost_nano_usd"] == str(1000 * 2500 + 100 * 10000)


def test_a_running_span_without_news_is_marked_incomplete_and_yields_to_news(fresh, trace_id):
    server = fresh("--stale-after", "1s").start()
    with server.client(server.create_key("ingest,read")) as api:
        one = span(trace_id, status="running", end_time=None)
        assert api.post("/api/v1/ingest/spans", json={"batch": [one]}).is_success
        read = lambda: api.get(f"/api/v1/traces/{trace_id}").json()["data"]["spans"][0]  # noqa: E731
        assert eventually(lambda: read()["status"] == "incomplete", seconds=15, every=0.2)
        assert "stale" in read()["flags"] and read()["status_message"]
        assert api.post("/api/v1/ingest/spans", json={"batch": [span(trace_id, span_id=one["span_id"])]}).is_success
        assert read()["status"] == "ok"
    server.stop()
    assert server.verify()[0] == 0


def test_a_span_that_comes_after_the_seal_seals_again_as_late(fresh, trace_id):
    server = fresh("--seal-after", "0s").start()
    with server.client(server.create_key("ingest,read")) as api:
        root = span(trace_id)
        said = lambda: api.get(f"/api/v1/traces/{trace_id}/verification").json()["data"]  # noqa: E731
        api.post("/api/v1/ingest/spans", json={"batch": [root]}).raise_for_status()
        assert eventually(lambda: len(said()["seals"]) == 1, seconds=15, every=0.2)
        late = span(trace_id, parent_span_id=root["span_id"])
        api.post("/api/v1/ingest/spans", json={"batch": [late]}).raise_for_status()
        assert eventually(lambda: len(said()["seals"]) == 2, seconds=15, every=0.2)
        assert eventually(lambda: said()["verdict"] == "valid", seconds=15, every=0.2)
        assert [s["late"] for s in said()["seals"]] == [False, True]
        assert "late" in said()["qualifiers"]


def test_an_equal_redelivery_adds_no_leaf_and_no_cost(server, key, trace_id):
    with server.client(key) as api:
        one = span(trace_id, span_type="llm", model="gpt-4o", tokens_in=10, tokens_out=1)
        for _ in range(3):
            api.post("/api/v1/ingest/spans", json={"batch": [one]}).raise_for_status()
        first = api.get(f"/api/v1/traces/{trace_id}").json()["data"]
        api.post("/api/v1/ingest/spans", json={"batch": [one]}).raise_for_status()
        again = api.get(f"/api/v1/traces/{trace_id}").json()["data"]
    assert again["cost_nano_usd"] == first["cost_nano_usd"] == str(10 * 2500 + 10000)
    assert again["spans"][0]["log_index"] == first["spans"][0]["log_index"]


def test_a_differing_finished_span_is_a_flagged_correction(server, key, trace_id):
    with server.client(key) as api:
        one = span(trace_id, output={"a": 1})
        later = one | {"output": {"a": 2}, "end_time": "2099-01-01T00:00:00Z"}
        for body in (one, later):
            api.post("/api/v1/ingest/spans", json={"batch": [body]}).raise_for_status()
        [read] = api.get(f"/api/v1/traces/{trace_id}").json()["data"]["spans"]
    assert read["output"] == {"a": 2} and "correction" in read["flags"]


def test_a_taken_main_port_is_an_error_and_a_taken_otlp_port_a_warning(fresh):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        server = fresh()
        server.otlp_grpc = f"127.0.0.1:{taken}"
        server.start()
        assert str(taken) in server.output()
        second = fresh()
        second.port = taken
        second.url = f"http://127.0.0.1:{taken}"
        try:
            second.start()
            raise RuntimeError("it started on a taken port")
        except AssertionError as error:
            assert str(taken) in str(error)


def test_keyless_ingest_is_for_programs_on_this_machine_only(fresh, trace_id):
    server = fresh("--keyless-ingest", "default").start()
    send = lambda **headers: httpx.post(  # noqa: E731
        f"{server.url}/api/v1/ingest/spans", json={"batch": [span(trace_id)]}, headers=headers
    ).status_code
    assert send() == 201
    assert send(Origin="https://evil.example") == 401
    assert httpx.get(f"{server.url}/api/v1/traces").status_code == 401
    assert send(Authorization="Bearer exk_" + "a" * 32) == 401, "a wrong key is not no key"


def test_overload_is_answered_with_retry_after_and_loses_nothing(fresh):
    server = fresh(env={"EXHIBIT_LIMITS_INFLIGHT_BYTES_MAX": str(1 << 20)}).start()
    key = server.create_key("ingest,read")
    slow = []
    # Bodies that are announced and come slowly hold the budget.
    for _ in range(4):
        line = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        head = (
            f"POST /api/v1/ingest/spans HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {600 << 10}\r\n\r\n"
        )
        line.sendall(head.encode() + b"x" * (500 << 10))
        slow.append(line)
    time.sleep(0.5)
    trace_id = str(uuid4())
    with server.client(key) as api:
        body = {"batch": [span(trace_id, input={"q": "w" * (700 << 10)})]}
        answer = api.post("/api/v1/ingest/spans", json=body)
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1, answer.text
        for line in slow:
            line.close()
        assert eventually(lambda: api.post("/api/v1/ingest/spans", json=body).is_success)
        assert api.get(f"/api/v1/traces/{trace_id}").status_code == 200


def test_a_port_may_be_listed_twice_for_the_same_application(fresh):
    port = free_port()
    server = fresh("--listen", f"127.0.0.1:{port}").start()
    assert httpx.get(f"http://127.0.0.1:{port}/api/v1/health").json()["status"] == "ok"
