"""TraceLLM's published client over MongoDB's wire protocol, and its REST API and WebSocket."""

import ipaddress
import json
import os
import re
import subprocess
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from websockets.sync.client import connect

import clients
from exhibit import Exhibit, environment, eventually, free_port, run


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    mongo, rest = free_port(), free_port()
    where = tmp_path_factory.mktemp("tracellm") / "data"
    options = ["--mongo-listen", f"127.0.0.1:{mongo}", "--tracellm-listen", f"127.0.0.1:{rest}"]
    with Exhibit(where, *options) as server:
        server.mongo, server.rest = f"mongodb://127.0.0.1:{mongo}", f"http://127.0.0.1:{rest}"
        server.key = server.create_key("ingest,read")
        yield server


def command(place, cwd, *words):
    """The published command line, as it stands."""
    done = subprocess.run(
        [clients.python("seeds").parent / "tracellm", *words], capture_output=True, text=True, timeout=60, cwd=cwd,
        env=environment({"MONGO_URL": place.mongo, "DB_NAME": "tracellm", "COLUMNS": "200", "HOME": str(cwd)}),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sent(place):
    name = uuid.uuid4().hex[:8]
    return clients.run("seeds", "tracellm_run.py", place.mongo, name) | {"run": name}


def stored(place, trace_id):
    with place.client(place.key) as api:
        return api.get(f"/api/v1/traces/{trace_id}").json()["data"]


def test_its_decorators_write_traces_that_are_mapped_and_priced(place, sent):
    document = sent["document"]
    trace = stored(place, document["trace_id"])
    root = next(s for s in trace["spans"] if s["parent_span_id"] is None)
    tool = next(s for s in trace["spans"] if s["parent_span_id"] == root["span_id"])
    assert (root["span_type"], root["model"], trace["environment"]) == ("llm", "gpt-4o-mini", "staging")
    assert sent["run"] in json.dumps(root["input"]) and "On its way." in json.dumps(root["output"])
    assert (tool["span_type"], tool["name"], tool["status"]) == ("tool", "look_up", "ok")
    assert "A-7" in json.dumps(tool["input"]) and "paid" in json.dumps(tool["output"])
    assert root["mapping_version"] >= 2 and "tracellm.model_name" in root["provenance"].values()
    # The client counts tokens but not which: a cost would be a guess.
    assert root["usage"] == {} or root["cost"] is not None
    failed = stored(place, sent["failed"])
    assert failed["status"] == "error" and "no such order" in json.dumps(failed["spans"])


def test_what_it_wrote_reads_back_as_it_was_written(sent):
    document = sent["document"]
    assert document["response"] == "On its way." and "On its way." in sent["read back"]
    assert (document["status"], document["environment"], document["retry_count"]) == ("success", "staging", 0)
    assert [s["tool_name"] for s in document["steps"]] == ["look_up"]
    assert sent["at"].startswith("20") and sent["count"] == 2 and sent["slow"] == 0
    assert document["trace_id"] in sent["recent"] and sent["sorted"] == ["failed", "success"]
    assert f"shop-{sent['run']}" in sent["projects"]


def test_keys_of_the_client_are_never_stored(place, sent):
    assert sent["keys in the clear"] == [] and "api_key" not in sent["keyed"] + list(sent["document"])
    assert sent["key resolves"] and sent["key"].startswith("tlm_sk_")
    held = b"".join(p.read_bytes() for p in place.data_dir.rglob("*") if p.is_file() and p.name != "lock")
    assert sent["key"].encode() not in held and sent["run"].encode() in place.mongo.encode() + held


def test_everything_else_is_a_clear_error(place, sent):
    refused = sent["refused"]
    assert "neither changed nor deleted" in refused["delete"] and "neither changed" in refused["update"]
    assert "$regex is not understood" in refused["regex"] and "$lookup" in refused["stage"]
    assert "steps" in refused["bad"] and "collections traces" in refused["elsewhere"]
    assert "key" in refused["key"].lower() and "18" in refused["key"]
    with place.client(place.create_key("read,admin")) as api:
        letters = eventually(lambda: api.get("/api/v1/dead-letters").json()["data"])
    assert any(f"bad-{sent['run']}" in json.dumps(letter) for letter in letters)


def test_its_command_line_records_replays_and_exports(place, tmp_path):
    printed = command(place, tmp_path, "trace", "Explain transformers", "--model", "gpt-4o-mini")
    assert "skipped" not in printed
    ids = [d["trace_id"] for d in httpx.get(f"{place.rest}/traces?limit=200").json()["items"]]
    made = next(i for i in ids if stored(place, i)["input_preview"] and "transformers" in stored(place, i)["input_preview"])
    trace = stored(place, made)
    assert len(trace["spans"]) > 5 and "gpt-4o-mini" in trace["models"]
    replayed = command(place, tmp_path, "replay", made, "--speed", "50")
    assert "Replay complete" in replayed or "trace had issues" in replayed
    for form in ("json", "csv"):
        command(place, tmp_path, "export", "--format", form, "--limit", "50")
    [exported] = (tmp_path / "exports").glob("*.json")
    assert made in [t["trace_id"] for t in json.loads(exported.read_text())]
    [table] = (tmp_path / "exports").glob("*.csv")
    assert made in table.read_text()


def test_a_key_as_password_decides_the_workspace(place, sent):
    look = (
        "import sys,pymongo,json;c=pymongo.MongoClient(sys.argv[1],username='x',password=sys.argv[2],"
        "authMechanism='PLAIN');print(json.dumps([d['trace_id'] for d in c.t.traces.find({})]))"
    )
    done = subprocess.run([clients.python("seeds"), "-c", look, place.mongo, place.key],
                          capture_output=True, text=True, timeout=60, env=environment())  # fmt: skip
    assert sent["document"]["trace_id"] in json.loads(done.stdout), done.stderr


ASKED = """
import sys, json, pymongo
traces = pymongo.MongoClient(sys.argv[1]).t.traces
def asked(what):
    try:
        return what()
    except pymongo.errors.PyMongoError as error:
        return str(error)
one = traces.find_one({"trace_id": "large-3"}, {"trace_id": 1, "steps.tool_name": 1})
print(json.dumps({
    "all": asked(lambda: len(list(traces.find({})))),
    "some": [len(d["prompt"]) for d in traces.find({"trace_id": {"$in": ["large-1", "large-2"]}}).limit(2)],
    "newest": len(list(traces.find({}, {"prompt": 0}).sort("created_at", -1).limit(5))),
    "counted": traces.count_documents({"model_name": "large"}),
    "status": traces.distinct("status", {"model_name": "large"}),
    "projected": sorted(one), "again": traces.find_one({"_id": one["_id"]}, {"_id": 0, "trace_id": 1}),
    "mixed": asked(lambda: traces.find_one({}, {"status": 1, "steps": 0})),
}))
"""


def test_a_reader_gets_what_fits_one_answer_and_is_told_to_ask_for_less(fresh, tmp_path):
    port = free_port()
    with fresh("--mongo-listen", f"127.0.0.1:{port}") as server:
        with server.client(server.create_key("ingest")) as api:
            for n in range(46):
                span = {
                    "trace_id": f"large-{n}", "span_id": "s", "name": "x", "span_type": "llm", "status": "ok",
                    "model": "large", "start_time": "2026-11-21T10:00:00Z", "end_time": "2026-11-21T10:00:01Z",
                    "input": "x" * 900_000, "output": "y",
                }  # fmt: skip
                answer = api.post("/api/v1/ingest/spans", json={"batch": [span]})
                assert answer.is_success, answer.text
        done = subprocess.run([clients.python("seeds"), "-c", ASKED, f"mongodb://127.0.0.1:{port}"],
                              capture_output=True, text=True, timeout=200, env=environment())  # fmt: skip
        assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert "more than 40 MB" in said["all"] and "limit" in said["all"]
    assert said["some"] == [900_000] * 2 and said["newest"] == 5 and said["counted"] == 46
    assert said["status"] == ["success"] and said["again"] == {"trace_id": "large-3"}
    assert said["projected"] == ["_id", "steps", "trace_id"] and "projection" in said["mixed"]


def test_rest_answers_in_its_shape(place, sent):
    made = sent["document"]["trace_id"]
    with httpx.Client(base_url=place.rest, trust_env=False) as api:
        assert "message" in api.get("/").json()
        page = api.get("/traces", params={"environment": "staging", "limit": 1}).json()
        assert page["total"] >= 1 and page["items"][0]["trace_id"] == made
        assert api.get(f"/traces/{made}").json()["response"] == "On its way."
        missing = api.get("/traces/none")
        assert (missing.status_code, missing.json()) == (404, {"detail": "Trace not found"})
        summary = api.get("/analytics").json()["summary"]
        assert summary["total_traces"] >= 2 and summary["failed_traces"] >= 1
        assert api.get("/failures").json()["totals"]["failed_traces"] >= 1
        assert any(p["name"] for p in api.get("/projects").json())
        for refused in (api.get("/api-keys"), api.post("/projects", params={"name": "x"})):
            assert refused.status_code == 403 and "exhibit keys create" in refused.json()["detail"]
        assert api.get("/traces", params={"latency_min": "x"}).status_code == 422
        assert api.get("/traces", headers={"origin": "https://elsewhere.example"}).status_code == 403


def test_its_socket_tells_of_every_stored_trace(place):
    with connect(re.sub("^http", "ws", place.rest) + "/ws") as socket:
        assert json.loads(socket.recv(5))["type"] == "system.connected"
        socket.send(json.dumps({"type": "ping", "ts": 7}))
        assert json.loads(socket.recv(5)) == {"type": "system.pong", "timestamp": 7}
        name = uuid.uuid4().hex[:8]
        write = (
            "import sys,pymongo,datetime;pymongo.MongoClient(sys.argv[1]).t.traces.insert_one({'trace_id':sys.argv[2],"
            "'prompt':'p','response':'r','latency':5.0,'token_count':3,'model_name':'m','status':'success','steps':[],"
            "'created_at':datetime.datetime.now(datetime.timezone.utc)})"
        )
        subprocess.run([clients.python("seeds"), "-c", write, place.mongo, f"ws-{name}"], check=True, timeout=60,
                       env=environment() | {"PATH": os.environ["PATH"]})  # fmt: skip
        told = json.loads(socket.recv(10))
        assert told["type"] == "trace.created" and told["trace"]["trace_id"] == f"ws-{name}"


def test_beyond_the_machine_it_wants_tls_and_a_key(fresh, tmp_path):
    plain = run("serve", "--data-dir", tmp_path / "none", "--mongo-listen", "0.0.0.0:0", "--listen", "0")
    assert plain.returncode == 2 and "mongo_tls_cert" in plain.stderr
    cert, key = certificate(tmp_path)
    port = free_port()
    settings = {"EXHIBIT_MONGO_TLS_CERT": str(cert), "EXHIBIT_MONGO_TLS_KEY": str(key)}
    with fresh("--mongo-listen", f"127.0.0.1:{port}", env=settings) as server:
        good = server.create_key("ingest,read")
        script = (
            "import sys,pymongo,json;url,ca,key=sys.argv[1:];o=dict(tls=True,tlsCAFile=ca,serverSelectionTimeoutMS=15000)\n"
            "if key: o|=dict(username='x',password=key,authMechanism='PLAIN')\n"
            "t=pymongo.MongoClient(url,**o).t.traces\n"
            "try:\n t.insert_one({'trace_id':'over-tls','prompt':'p','steps':[]});print(t.count_documents({}))\n"
            "except pymongo.errors.PyMongoError as e: print(str(e))"
        )

        def ask(secret):
            done = subprocess.run([clients.python("seeds"), "-c", script, f"mongodb://127.0.0.1:{port}", cert, secret],
                                  capture_output=True, text=True, timeout=60, env=environment())  # fmt: skip
            return done.stdout + done.stderr

        assert "PLAIN" in ask("") and "Unauthorized" in ask("")
        assert "18" in ask("not-a-key")
        assert ask(good).strip() == "1"
        with server.client(good) as api:
            assert api.get("/api/v1/traces/over-tls").status_code == 200


def certificate(place):
    """A certificate for 127.0.0.1 and its key, made for this run."""
    now, name = datetime.now(UTC), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "exhibit test")])
    secret = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(secret.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1)).add_extension(x509.BasicConstraints(True, None), True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(secret, hashes.SHA256())
    )  # fmt: skip
    cert, key = place / "cert.pem", place / "key.pem"
    cert.write_bytes(made.public_bytes(Encoding.PEM))
    key.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert, key
