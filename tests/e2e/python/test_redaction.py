"""What a rule takes out stands nowhere: every action at every door, looked for in every way out.

The planted account number is in pieces in this file, and a rule finds it wherever a client can put it: in what
is said, and in what it is called. After each action the test looks for it in answers, live events, notifications, exports, dead letters, the server's
log and every byte of the data directory, blocks of the database unpacked.
"""

import json
import sqlite3
import struct
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import httpx
import pytest
import zstandard
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from websockets.sync.client import connect

from exhibit import eventually, free_port, run
from openai_stand_in import OpenAiStandIn

WORD = "".join(["DE89", "3704", "0044", "0532", "0130", "00"])
AT, LATER = "2026-11-21T07:00:00Z", "2026-11-21T07:00:02Z"
ACTIONS = [
    "redact",
    "{redact: {with: hmac}}",
    "{redact: {with: token}}",
    "{redact: {with: drop}}",
    "quarantine",
    "block",
]
POLICY = """version: 1
policy: desk
rules:
  - id: no-iban
    title: An account number
    severity: high
    when: {finding: {entity: IBAN_CODE}}
    then: [%s, notify, {review: {queue: desk}}]
"""
CHANNELS = """version: 1
channels:
  - {name: desk, kind: webhook, url: "http://127.0.0.1:%d/hook", secret_env: HOOK_SECRET, allow_private: true}
"""
SECRET = "whsec_" + "AQEB" * 8


class _Receiver(BaseHTTPRequestHandler):
    """Takes notifications and keeps them."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.server.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()


@pytest.fixture
def receiver():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    server.taken = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def bson(document):
    """A document of texts, numbers and documents as MongoDB's driver writes it."""
    out = b""
    for name, value in document.items():
        key = name.encode() + b"\0"
        if isinstance(value, str):
            text = value.encode() + b"\0"
            out += b"\x02" + key + struct.pack("<i", len(text)) + text
        elif isinstance(value, int):
            out += b"\x10" + key + struct.pack("<i", value)
        elif isinstance(value, list):
            out += b"\x04" + key + bson({str(n): one for n, one in enumerate(value)})
        else:
            out += b"\x03" + key + bson(value)
    return struct.pack("<i", len(out) + 5) + out + b"\0"


def mongo(port, command):
    """One command over MongoDB's wire protocol; the answer's bytes."""
    import socket

    body = struct.pack("<I", 0) + b"\0" + bson(command)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        link.sendall(struct.pack("<iiii", len(body) + 16, 1, 0, 2013) + body)
        length = struct.unpack("<i", link.recv(4, socket.MSG_WAITALL))[0]
        return link.recv(length - 4, socket.MSG_WAITALL)


def native(place):
    span = {
        "span_id": "native", "trace_id": "native", "parent_span_id": None, "name": f"pay {WORD}", "span_type": "llm",
        "status": "ok", "start_time": AT, "end_time": LATER, "duration_ms": 2000, "input": {"prompt": f"pay {WORD}", WORD: {WORD: 1}},
        "output": {"response": [{"deep": WORD}]}, "model": "gpt-4o", "tokens_in": 1, "tokens_out": 1, "tokens_total": 2,
        "cost": 0.001, "error": None, "tool_calls": [], "attributes": {"args": json.dumps({WORD: WORD}), f"of {WORD}": True},
        "tags": [f"to {WORD}"], "metadata": {"account": WORD, f"of {WORD}": "1"}, "session_id": f"s-{WORD}",
    }  # fmt: skip
    bad = span | {"span_id": "bad", "tool_calls": [{"tool_name": "pay", "arguments": {"to": WORD}, "result": WORD}]}
    odd = span | {"span_id": "odd", f"of {WORD}": {f"of {WORD}": 1}}
    answer = place.api.post("/api/v1/ingest/spans", json={"batch": [span, bad, odd]})
    assert answer.status_code == 422, answer.text
    yield answer
    registered = {"trace_id": "named", "agent_name": f"agent {WORD}", "metadata": {"account": WORD}}
    yield place.api.post("/api/v1/ingest/traces", json=registered)


def otlp():
    text = lambda value: {"stringValue": value}  # noqa: E731
    return {"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": text(f"shop {WORD}")}, {"key": f"of.{WORD}", "value": text("1")}]},
        "scopeSpans": [{"spans": [{
            "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": f"chat {WORD}", "kind": 1,
            "startTimeUnixNano": "1772359200000000000", "endTimeUnixNano": "1772359201000000000",
            "attributes": [
                {"key": "gen_ai.prompt", "value": text(f"pay {WORD}")},
                {"key": "session.id", "value": text(f"s-{WORD}")},
                {"key": "many", "value": {"arrayValue": {"values": [text(WORD)]}}},
                {"key": f"of.{WORD}", "value": text("1")},
                {"key": "map", "value": {"kvlistValue": {"values": [{"key": WORD, "value": text("1")}]}}},
            ],
            "events": [{"timeUnixNano": "1772359200500000000", "name": f"saw {WORD}",
                        "attributes": [{"key": "exception.message", "value": text(f"no {WORD}")}, {"key": f"of.{WORD}", "value": text("1")}]}],
            "links": [{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b175",
                       "attributes": [{"key": f"of.{WORD}", "value": text(WORD)}]}],
            "status": {"code": 2, "message": f"refused {WORD}"},
        }]}],
    }]}  # fmt: skip


def otlp_http(place):
    yield place.api.post("/v1/traces", json=otlp())
    broken = {"content-type": "application/json"}
    yield place.api.post("/v1/traces", content=f'{{"resourceSpans": "{WORD}'.encode(), headers=broken)


def otlp_grpc(place):
    from google.protobuf.json_format import ParseDict

    spans = otlp()
    span = spans["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    request = ParseDict(spans, trace_service_pb2.ExportTraceServiceRequest())
    # JSON has ids in hexadecimal digits, where protobuf's own JSON has base64.
    wire = request.resource_spans[0].scope_spans[0].spans[0]
    wire.trace_id, wire.span_id = bytes.fromhex(span["traceId"])[::-1], bytes.fromhex(span["spanId"])
    with grpc.insecure_channel(place.server.otlp_grpc) as channel:
        stub = trace_service_pb2_grpc.TraceServiceStub(channel)
        yield stub.Export(request, metadata=[("authorization", f"Bearer {place.key}")], timeout=30)


def aitracer(place):
    made = place.api.post("/api/traces", json={
        "model": "gpt-4o", "input": f"pay {WORD}", "output": f"paid {WORD}", "requestId": "aitracer",
        "workflow": f"to {WORD}", "metadata": {"account": WORD},
    })  # fmt: skip
    yield made
    trace = made.json()["trace"]["id"]
    yield place.api.post("/api/ingest/tool-calls", json={"traceId": trace, "toolName": "pay", "arguments": {"to": WORD}, "error": f"no {WORD}"})
    yield place.api.post("/api/ingest/feedback", json={"traceId": trace, "rating": "up", "comment": f"to {WORD}"})
    yield place.api.post("/api/ingest/webhooks", json={"title": f"alert {WORD}", "description": WORD})


def langsmith(place):
    yield place.api.post("/runs", json={
        "id": "00000000-0000-4000-8000-000000000001", "name": f"pay {WORD}", "run_type": "llm", "start_time": AT,
        "end_time": LATER, "inputs": {"messages": [f"pay {WORD}"]}, "outputs": {"text": f"paid {WORD}"},
        "error": f"no {WORD}", "extra": {"metadata": {"account": WORD}}, "tags": [f"to {WORD}"],
    })  # fmt: skip


def langfuse(place):
    event = lambda n, kind, body: {"id": f"e{n}", "timestamp": AT, "type": kind, "body": body}  # noqa: E731
    yield place.api.post("/api/public/ingestion", json={"batch": [
        event(1, "trace-create", {"id": "lf", "name": f"pay {WORD}", "sessionId": f"s-{WORD}", "metadata": {"a": WORD}}),
        event(2, "generation-create", {"id": "g", "traceId": "lf", "name": "think", "model": "gpt-4o", "startTime": AT,
                                       "endTime": LATER, "input": f"pay {WORD}", "output": {"text": WORD}}),
        event(3, "span-create", {"id": "s", "traceId": "lf", "startTime": f"nonsense {WORD}"}),
        event(4, "score-create", {"traceId": "lf", "name": "helpful", "value": 1, "comment": f"to {WORD}"}),
    ]})  # fmt: skip


def agents_sdk(place):
    yield place.api.post("/v1/traces/ingest", json={"data": [
        {"object": "trace", "id": "trace_" + "a" * 32, "workflow_name": f"pay {WORD}", "metadata": {"account": WORD}},
        {"object": "trace.span", "id": "span_" + "b" * 24, "trace_id": "trace_" + "a" * 32, "started_at": AT,
         "ended_at": LATER, "error": {"message": f"no {WORD}", "data": {"to": WORD}},
         "span_data": {"type": "generation", "model": "gpt-4o", "input": [{"role": "user", "content": f"pay {WORD}"}],
                       "output": [{"role": "assistant", "content": f"paid {WORD}"}]}},
    ]})  # fmt: skip


def tracium(place):
    yield place.api.post("/agents/traces", json={"agent_name": f"pay {WORD}", "trace_id": "tracium", "tags": [f"to {WORD}"], "model_id": f"m {WORD}", WORD: 1})
    span = {
        "id": "one", "span_type": "llm", "name": f"pay {WORD}", "status": "completed", "started_at": AT, "completed_at": LATER,
        "depth_level": 0, "input": {"prompt": f"pay {WORD}", WORD: [{WORD: 1}]}, "output": f"paid {WORD}", "metadata": {WORD: WORD},
    }  # fmt: skip
    bad = span | {"id": "two", "started_at": f"nonsense {WORD}"}
    failed = span | {"id": "three", "status": "failed", "error": f"no {WORD}"}
    yield place.api.post("/agents/traces/tracium/spans", json={"spans": [span, bad, failed]})
    yield place.api.post("/agents/traces/tracium/complete", json={"summary": {"answer": f"to {WORD}", WORD: 1}, "tags": [WORD]})
    yield place.api.get("/agents/traces/tracium/gantt")
    yield place.api.post("/agents/traces", json={"agent_name": "broken", "trace_id": "tracium-2"})
    yield place.api.post("/agents/traces/tracium-2/fail", json={"error": f"no {WORD}"})


def mongo_listener(place):
    document = {
        "trace_id": "mongo", "name": f"pay {WORD}", "prompt": f"pay {WORD}", "response": f"paid {WORD}",
        "model": "gpt-4o", "status": "success", "steps": [{"name": "pay", "input": {"to": WORD}}], "metadata": {"account": WORD},
    }  # fmt: skip
    yield mongo(place.mongo, {"insert": "traces", "documents": [document], "$db": "tracellm"})
    yield mongo(place.mongo, {"find": "traces", "filter": {}, "$db": "tracellm"})


def proxy(place):
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"pay {WORD}"}]}
    headers = {"authorization": "Bearer of-the-caller", "x-exhibit-key": place.key}
    for stream in (False, True):
        answer = place.api.post("/proxy/openai/v1/chat/completions", json=body | {"stream": stream}, headers=headers)
        # A rule that blocks keeps the call from being made.
        assert answer.status_code in (200, 403), answer.text
        yield answer


def imported(place):
    lines = place.home / "lines.jsonl"
    lines.write_text(json.dumps(otlp()).replace("5b8efff7", "6b8efff7"))
    done = run("import", lines, "--data-dir", place.server.data_dir, "--json")
    assert json.loads(done.stdout)["records"] == 1, done.stdout + done.stderr
    yield done.stdout + done.stderr


DOORS = [
    native, otlp_http, otlp_grpc, aitracer, langsmith, langfuse, agents_sdk, tracium, mongo_listener, proxy, imported,
]  # fmt: skip


class Place:
    """A server with the rule in force, every door open and somebody listening at every way out."""

    def __init__(self, fresh, tmp_path, action, receiver, provider):
        self.home = tmp_path
        rules = tmp_path / "rules"
        (rules / "policies").mkdir(parents=True)
        (rules / "detectors").mkdir()
        (rules / "policies/default.yaml").write_text("")
        for name in ("injection", "secrets"):
            (rules / f"detectors/{name}.yaml").write_text("")
        (rules / "policies/desk.yaml").write_text(POLICY % action)
        (rules / "notifications.yaml").write_text(CHANNELS % receiver.server_port)
        self.mongo, self.tracellm = free_port(), free_port()
        self.server = fresh(
            "--rules-dir", rules, "--log", "debug",
            "--mongo-listen", f"127.0.0.1:{self.mongo}", "--tracellm-listen", f"127.0.0.1:{self.tracellm}",
            env={"HOOK_SECRET": SECRET, "EXHIBIT_PROXY_OPENAI": provider.base_url},
        ).start()  # fmt: skip
        self.key = self.server.create_key("ingest,read,export,admin")
        self.api = self.server.client(self.key)
        self.live = []
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._socket, daemon=True).start()
        assert eventually(lambda: len(self.live) >= 2), "nobody listens"

    def _listen(self):
        self.live.append("")
        try:
            with httpx.stream("GET", f"{self.server.url}/api/v1/live", timeout=None, trust_env=False,
                              headers={"authorization": f"Bearer {self.key}"}) as stream:  # fmt: skip
                for piece in stream.iter_text():
                    self.live.append(piece)
        except httpx.HTTPError:
            pass

    def _socket(self):
        try:
            with connect(f"ws://127.0.0.1:{self.tracellm}/ws") as socket:
                self.live.append("")
                for message in socket:
                    self.live.append(str(message))
        except Exception:  # noqa: BLE001 - the server has stopped
            pass


def unpacked(database):
    with sqlite3.connect(database) as db:
        for data, size in db.execute("SELECT data, raw_bytes FROM blocks"):
            yield zstandard.ZstdDecompressor().decompress(data, max_output_size=size)


def written(directory):
    for path in directory.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()


def told(answer):
    if isinstance(answer, httpx.Response):
        return answer.text
    return answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)


@pytest.mark.parametrize("action", ACTIONS)
def test_what_a_rule_takes_out_stands_nowhere(fresh, tmp_path, receiver, action):
    with OpenAiStandIn() as provider:
        place = Place(fresh, tmp_path, action, receiver, provider)
        time.sleep(0.3)
        for door in DOORS:
            for answer in door(place):
                if isinstance(answer, httpx.Response) and door is not otlp_http:
                    assert answer.status_code < 500, f"{door.__name__}: {answer.text}"
                assert WORD not in told(answer), f"{door.__name__} answers with it"
        traces = place.api.get("/api/v1/traces?limit=1000").json()["data"]
        assert len(traces) >= len(DOORS), f"every door has left a trace: {[t['name'] for t in traces]}"
        paths = ["/api/v1/traces?limit=1000", "/api/v1/sessions", "/api/v1/dead-letters", "/api/v1/reviews",
                 "/api/v1/traces?q=pay", "/api/v1/analytics?group_by=agent&from=-365d", "/api/traces",
                 "/api/v1/notifications/deliveries"]  # fmt: skip
        for trace in traces:
            one = f"/api/v1/traces/{trace['trace_id']}"
            paths += [one, f"{one}/spans", f"{one}/evaluations", f"{one}/evidence"]
            hit = [e["rule"] for s in place.api.get(f"{one}/evaluations").json()["data"]["spans"] for e in s["evaluations"]]
            assert "no-iban" in hit or trace["name"] in ("chat", "feedback"), f"nothing was found in {trace}"
        for path in paths:
            answer = place.api.get(path)
            assert WORD.encode() not in answer.content, f"{path} answers with it"
        for path in ("/traces?limit=200", "/analytics", "/failures"):
            assert WORD not in httpx.get(f"http://127.0.0.1:{place.tracellm}{path}", trust_env=False).text, path
        assert eventually(lambda: receiver.taken, 20), "nobody was told"
        assert eventually(lambda: any(place.live), 10), "nothing was live"
        bundle = tmp_path / "bundle.zip"
        made = run("export", "evidence", "--data-dir", place.server.data_dir, "--out", bundle)
        assert made.returncode == 0, made.stdout + made.stderr
        with zipfile.ZipFile(bundle) as archive:
            for name in archive.namelist():
                assert WORD.encode() not in archive.read(name), f"{name} of the export holds it"
        # While it runs the write-ahead log is there; after the stop all is in the database.
        while_running = list(written(place.server.data_dir))
        time.sleep(2.5)  # the search index follows
        assert place.server.stop() == 0
    for where, content in [*while_running, *written(place.server.data_dir)]:
        assert WORD.encode() not in content, f"{where} holds it"
    for block in unpacked(place.server.data_dir / "exhibit.db"):
        assert WORD.encode() not in block, "a block of the database holds it"
    assert WORD not in place.server.output(), "the log holds it"
    assert WORD not in "".join(place.live), "a live event holds it"
    assert not any(WORD.encode() in body for body in receiver.taken), "a notification holds it"
    code, report = place.server.verify()
    assert code == 0 and report["verdict"] == "valid", report
