"""Sealed traces in somebody's own MongoDB, written with the official driver for Rust.

Every test runs against a stand-in that speaks the wire protocol (`clients/mongo_stand_in.py`) and is as
strict as MongoDB where that matters. Those that need not stop the database run once more against a real
MongoDB where `MONGODB_URL` names one; each uses a database of its own there, and drops it.
"""

import json
import os
import subprocess
import time
import uuid
from urllib.parse import quote, urlsplit

import httpx
import pytest

import clients
from exhibit import environment, eventually, free_port, run
from test_accounts import registered

PASSWORD = "p@ss-" + "w0rd"
SOON = ["--seal-after", "0s"]


def built_with_it():
    done = run("serve", "--check", "--mongo-sink", "mongodb://127.0.0.1/x", "--data-dir", "/nonexistent")
    return "built without" not in done.stdout + done.stderr


needs_it = pytest.mark.skipif(
    not built_with_it(), reason="this binary was built without the feature `mongo-sink`"
)


class StandIn:
    """The stand-in as a process, on one port and one file however often it is started."""

    def __init__(self, where, password=None):
        self.where, self.password, self.process = where, password, None
        self.port, self.database = free_port(), "shop"
        who = f"ann:{quote(password, safe='')}@" if password else ""
        more = "?authMechanism=PLAIN&authSource=$external" if password else ""
        self.url = f"mongodb://{who}127.0.0.1:{self.port}/{self.database}{more}"

    def start(self):
        words = [clients.python("seeds"), clients.WANTS / "mongo_stand_in.py", str(self.port), self.where / "mongo.bson"]
        words += [self.password] if self.password else []
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment())
        assert self.process.stdout.readline(), "the stand-in did not start"
        return self

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def written(self):
        look = "import sys,pymongo;print(pymongo.MongoClient(sys.argv[1]).shop.command('written')['n'])"
        done = subprocess.run([clients.python("seeds"), "-c", look, self.url], capture_output=True, text=True, timeout=60)
        return int(done.stdout)


class Real:
    """A database of its own in a MongoDB that the environment names."""

    def __init__(self):
        self.database = f"exhibit_test_{uuid.uuid4().hex[:12]}"
        self.url = urlsplit(os.environ["MONGODB_URL"])._replace(path=f"/{self.database}").geturl()

    def kill(self):
        clients.run("seeds", "mongo_look.py", self.url, self.database, "drop")


@pytest.fixture
def stand_in(tmp_path):
    made = StandIn(tmp_path).start()
    yield made
    made.kill()


@pytest.fixture(params=["stand-in", "real"])
def mongo(request, tmp_path):
    if request.param == "real" and not os.environ.get("MONGODB_URL"):
        pytest.skip("no real MongoDB was asked: MONGODB_URL is not set")
    made = Real() if request.param == "real" else StandIn(tmp_path).start()
    yield made
    made.kill()


def documents(mongo):
    return {d["trace_id"]: d for d in clients.run("seeds", "mongo_look.py", mongo.url, mongo.database)["documents"]}


def arrive(mongo, *ids):
    """The documents, once these are among them."""
    found = eventually(lambda: set(ids) <= set(documents(mongo)) and documents(mongo), seconds=40, every=0.3)
    assert found, f"{sorted(set(ids) - set(documents(mongo)))} did not arrive"
    return found


def send(server, key, *ids, prompt="Where is my order?", expected=(200, 201), **more):
    span = {
        "span_id": "s", "name": "answer", "span_type": "llm", "status": "ok", "model": "gpt-4o-mini",
        "start_time": "2026-11-21T10:00:00Z", "end_time": "2026-11-21T10:00:02Z",
        "input": {"prompt": prompt}, "output": {"response": "On its way."}, "tokens_in": 100, "tokens_out": 50,
    }  # fmt: skip
    tool = {
        "span_id": "t", "parent_span_id": "s", "name": "look_up", "span_type": "tool", "status": "ok",
        "start_time": "2026-11-21T10:00:00Z", "end_time": "2026-11-21T10:00:01Z",
        "input": {"schema": {"$ref": "#/order", "a.b": 1}}, "output": {"state": "paid"},
    }  # fmt: skip
    batch = [one | {"trace_id": i} | (more if one is span else {}) for i in ids for one in (span, tool)]
    with server.client(key) as api:
        answer = api.post("/api/v1/ingest/spans", json={"batch": batch})
        assert answer.status_code in expected, answer.text


def doctor(server, url, *args):
    env = {"EXHIBIT_MONGO_SINK": url}
    done = run("doctor", "--data-dir", server.data_dir, "--json", *args, env=env)
    return next(c for c in json.loads(done.stdout)["checks"] if c["name"] == "sink")


def gauge(server, name):
    lines = httpx.get(f"{server.url}/metrics", trust_env=False).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"exhibit_{name} "))


def test_a_binary_without_the_sink_says_how_to_get_it(tmp_path):
    done = run("serve", "--check", "--data-dir", tmp_path / "data", "--mongo-sink", "mongodb://127.0.0.1/x")
    if built_with_it():
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 2 and "--features mongo-sink" in done.stderr


@needs_it
def test_sealed_traces_are_there_in_the_shape_that_tracellm_reads(mongo, fresh, tmp_path):
    with fresh(*SOON, env={"EXHIBIT_MONGO_SINK": mongo.url}) as server:
        key = server.create_key("ingest,read")
        send(server, key, "order-1")
        send(server, key, "order-2", status="error", error="no such order")
        there = arrive(mongo, "order-1", "order-2")
        one, two = there["order-1"], there["order-2"]
        assert (one["status"], two["status"], one["model_name"]) == ("success", "failed", "gpt-4o-mini")
        assert (one["latency"], one["token_count"], one["slow_request"]) == (2000.0, 150, True)
        assert "Where is my order?" in one["prompt"] and "On its way." in one["response"]
        assert one["created_at"]["at"].startswith("2026-11-21T10:00:00") and len(one["_id"]["id"]) == 24
        [step] = one["steps"]
        assert (step["tool_name"], step["output"], step["success"]) == ("look_up", {"state": "paid"}, True)
        assert step["input"]["schema"] == {"\uff04ref": "#/order", "a.b": 1}, "names that MongoDB allows"
        # TraceLLM's own programs read them.
        env = environment({"MONGO_URL": mongo.url, "DB_NAME": mongo.database, "COLUMNS": "200", "HOME": str(tmp_path)})
        for words in (["replay", "order-1", "--speed", "50"], ["export", "--format", "json", "--limit", "50"]):
            tracellm = clients.python("seeds").parent / "tracellm"
            done = subprocess.run([tracellm, *words], capture_output=True, text=True, timeout=60, env=env, cwd=tmp_path)
            assert done.returncode == 0, done.stdout + done.stderr
        [exported] = (tmp_path / "exports").glob("*.json")
        assert {t["trace_id"] for t in json.loads(exported.read_text())} == {"order-1", "order-2"}
        # What comes later changes the document in its place.
        late = {"span_id": "u", "parent_span_id": "s", "trace_id": "order-1", "name": "mail", "span_type": "tool",
                "status": "ok", "start_time": "2026-11-21T10:00:01Z", "end_time": "2026-11-21T10:00:02Z"}  # fmt: skip
        with server.client(key) as api:
            assert api.post("/api/v1/ingest/spans", json={"batch": [late]}).status_code in (200, 201)
        assert eventually(lambda: len(documents(mongo)["order-1"]["steps"]) == 2, seconds=40, every=0.3)
        assert documents(mongo)["order-1"]["_id"] == one["_id"] and len(documents(mongo)) == 2
        assert eventually(lambda: gauge(server, "sink_behind_entries") == 0)
        assert gauge(server, "sink_written") >= 3 and gauge(server, "sink_failing") == 0
        check = doctor(server, mongo.url)
        assert check["health"] == "ok" and mongo.database in check["detail"]


@needs_it
def test_what_is_erased_here_is_erased_there(mongo, fresh):
    with fresh(*SOON, env={"EXHIBIT_MONGO_SINK": mongo.url}) as server:
        key = server.create_key("ingest,read")
        send(server, key, "kept", "gone")
        arrive(mongo, "kept", "gone")
        run("erase", "--data-dir", server.data_dir, "--trace", "gone", "--reason", "asked for", check=True)
        assert eventually(lambda: set(documents(mongo)) == {"kept"}, seconds=40, every=0.3)
        send(server, key, "gone", expected=(422,))
        send(server, key, "after")
        assert set(arrive(mongo, "after")) == {"kept", "after"}, "what was erased does not come back"


@needs_it
def test_nothing_is_lost_and_nothing_doubled_while_it_is_away_and_the_server_dies(stand_in, fresh):
    server = fresh(*SOON, env={"EXHIBIT_MONGO_SINK": stand_in.url}).start()
    key = server.create_key("ingest,read")
    send(server, key, "before")
    arrive(stand_in, "before")
    stand_in.kill()
    missed = [f"missed-{n}" for n in range(120)]
    began = time.monotonic()
    for at in range(0, 120, 20):
        send(server, key, *missed[at : at + 20])
    assert time.monotonic() - began < 30, "recording waits for no sink"
    assert eventually(lambda: gauge(server, "sink_failing") == 1, seconds=40, every=0.3)
    assert gauge(server, "sink_behind_entries") > 0
    check = doctor(server, stand_in.url)
    assert check["health"] == "failure" and "takes nothing since" in check["detail"]
    server.kill()
    server.start()
    send(server, key, "after")
    stand_in.start()
    there = arrive(stand_in, "before", "after", *missed)
    assert len(there) == 122 and len({d["_id"]["id"] for d in there.values()}) == 122
    assert eventually(lambda: gauge(server, "sink_behind_entries") == 0, seconds=40)
    assert gauge(server, "sink_lag_seconds") == 0 and gauge(server, "sink_failing") == 0
    # Stopped and started once more, it has nothing to write.
    written = stand_in.written()
    server.stop()
    with server:
        send(server, key, "last")
        arrive(stand_in, "last")
    assert stand_in.written() == written + 1
    code, report = server.verify()
    assert code == 0, report


@needs_it
def test_a_document_that_is_refused_stops_no_other_and_stands_among_the_dead_letters(stand_in, fresh):
    with fresh(*SOON, env={"EXHIBIT_MONGO_SINK": stand_in.url}) as server:
        key = server.create_key("ingest,read,admin")
        send(server, key, "refused-1")
        send(server, key, "fine", prompt="x" * 3_000_000)
        assert set(arrive(stand_in, "fine")) == {"fine"}
        with server.client(key) as api:
            letters = eventually(lambda: api.get("/api/v1/dead-letters").json()["data"], seconds=20)
        assert letters[0]["trace_id"] == "refused-1" and "failed validation" in letters[0]["reason"]
        assert doctor(server, stand_in.url)["health"] == "warning"


@needs_it
def test_the_password_is_never_shown(tmp_path, fresh):
    mongo = StandIn(tmp_path, PASSWORD).start()
    wrong = mongo.url.replace(quote(PASSWORD, safe=""), "n0t-" + "it")
    try:
        with fresh("--log", "debug", *SOON, env={"EXHIBIT_MONGO_SINK": wrong}) as server:
            assert eventually(lambda: gauge(server, "sink_failing") == 1, seconds=40, every=0.3)
            check = doctor(server, wrong)
            assert check["health"] == "failure" and "uthentication" in check["detail"], check
            shown = run("config", "show", "--data-dir", server.data_dir, env={"EXHIBIT_MONGO_SINK": wrong}).stdout
            assert "mongo_sink" in shown and "n0t-it" not in shown + server.output() + json.dumps(check)
        with fresh("--log", "debug", *SOON, env={"EXHIBIT_MONGO_SINK": mongo.url}) as server:
            key = server.create_key("ingest,read")
            send(server, key, "mine")
            arrive(mongo, "mine")
            held = b"".join(p.read_bytes() for p in server.data_dir.rglob("*") if p.is_file() and p.name != "lock")
            for secret in (PASSWORD, quote(PASSWORD, safe="")):
                assert secret not in server.output() and secret.encode() not in held
        broken = run("serve", "--check", "--mongo-sink", mongo.url.replace("mongodb:", "mongo:"), "--data-dir", tmp_path)
        assert broken.returncode == 2 and "w0rd" not in broken.stderr + broken.stdout
    finally:
        mongo.kill()


@needs_it
def test_one_workspace_goes_there_and_no_other(stand_in, fresh):
    missing = fresh(*SOON, env={"EXHIBIT_MONGO_SINK": stand_in.url, "EXHIBIT_MONGO_SINK_WORKSPACE": "nobody"})
    with pytest.raises(AssertionError, match="there is no workspace nobody"):
        missing.start()
    with fresh(*SOON, env={"EXHIBIT_MONGO_SINK": stand_in.url}) as server:
        ann, _ = registered(server)
        made = ann.post("/api/v1/keys", json={"name": "k", "scopes": ["ingest", "read"]}).json()
        send(server, made["key"], "hers")
        send(server, server.create_key("ingest,read"), "mine")
        assert set(arrive(stand_in, "mine")) == {"mine"}
