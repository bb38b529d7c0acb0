"""`exhibit migrate`: from a data directory to a cluster and back, with the real binary on real engines."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e" / "python"))

from engines import ClickHouse, Postgres  # noqa: E402
from exhibit import BINARY, Exhibit, environment, eventually, run  # noqa: E402
from test_cluster import LONG_AFTER, LONG_AGO, Load, check_all, send, span  # noqa: E402

OFF = ("--seal-after", "1s")


@pytest.fixture(scope="module")
def engines():
    postgres, clickhouse = Postgres(), ClickHouse()
    yield postgres, clickhouse
    clickhouse.close()
    postgres.close()


@pytest.fixture
def databases(engines):
    """Settings of a cluster on databases of its own, and a way to ask PostgreSQL."""
    postgres, clickhouse = engines
    name = f"m{uuid4().hex[:12]}"
    postgres.sql(f"CREATE DATABASE {name}")
    settings = {
        "EXHIBIT_POSTGRES_URL": postgres.url(name),
        "EXHIBIT_CLICKHOUSE_URL": clickhouse.url,
        "EXHIBIT_CLICKHOUSE_DATABASE": name,
    }
    return settings, lambda sql: postgres.sql(sql, name)


def fill(api, traces=40):
    """Traces of every sort: finished, running, changed afterwards, with words to be found."""
    for n in range(traces):
        trace_id = f"trace-{n}"
        root = span(trace_id, span_id=f"root-{n}", agent_name=f"agent-{n % 3}", input={"prompt": f"needle{n} in hay"})
        spans = [root] + [span(trace_id, parent_span_id=root["span_id"]) for _ in range(4)]
        assert send(api, spans).is_success
        if n % 5 == 0:  # a second, different delivery supersedes the first
            assert send(api, [root | {"output": {"text": "another end"}, "end_time": root["end_time"] + 5}]).is_success
        if n % 7 == 0:
            open_span = span(trace_id, parent_span_id=root["span_id"], status="running")
            open_span.pop("end_time")
            assert send(api, [open_span]).status_code < 300


def shown(api):
    """Everything that the API shows of traces, sums and search."""
    rows, after = [], None
    while True:
        page = api.get("/api/v1/traces", params={"limit": 100} | ({"cursor": after} if after else {})).json()
        rows += page["data"]
        after = (page.get("page") or page).get("next_cursor") or page.get("next")
        if not after:
            break
    whole = {row["trace_id"]: api.get(f"/api/v1/traces/{row['trace_id']}").json()["data"] for row in rows}
    sums = api.get("/api/v1/analytics", params={"from": LONG_AGO, "to": LONG_AFTER, "group_by": "agent"}).json()
    found = {q: [r["trace_id"] for r in api.get("/api/v1/traces", params={"q": q}).json()["data"]]
             for q in ("needle3", "needle35", "hay", 'agent = "agent-1"')}  # fmt: skip
    return {"rows": rows, "traces": whole, "sums": sums["data"], "found": found}


def settled(api, expected=None):
    """What is shown once everything is sealed and found."""
    def calm():
        now = shown(api)
        enough = now["found"]["hay"] and (expected is None or now == expected)
        return enough and now
    return eventually(calm, 30) or shown(api)


def verified(data, env=None):
    done = run("verify", "--data-dir", data, "--json", env=env, timeout=300)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["faults"] == [], report["faults"]
    return report


def migrate(source, target, settings, *words, data=None):
    args = ["migrate", "--from", source, "--to", target, *words]
    if data:
        args += ["--data-dir", data]
    return run(*args, env=settings, timeout=300)


def copied_keys(source, target):
    target.mkdir(mode=0o700)
    subprocess.run(["cp", "-rp", str(source / "keys"), str(target / "keys")], check=True)
    (target / "keys" / "epoch.key").unlink(missing_ok=True)
    return target


def bundle(data, trace, path, env=None):
    run("export", "evidence", "--trace", trace, "--out", path, "--data-dir", data, env=env, check=True)
    return path


def test_an_installation_moves_to_a_cluster_and_back_with_every_proof(databases, tmp_path):
    settings, _ = databases
    home = Exhibit(tmp_path / "home", *OFF).start()
    key = home.create_key("ingest,read,export")
    with home.client(key) as api:
        fill(api)
        eventually(lambda: verified(home.data_dir)["pending"] == 0, 30)
        time.sleep(2.5)  # seals come a second after the last span
        before = settled(api)
    home.stop()
    report = verified(home.data_dir)
    before_move = bundle(home.data_dir, "trace-3", tmp_path / "before.zip")

    done = migrate(home.data_dir, "cluster", settings)
    assert done.returncode == 0, done.stdout + done.stderr
    # The source says so and is not written to any more, but can be read.
    refused = run("serve", "--data-dir", home.data_dir, "--listen", "127.0.0.1:0", timeout=30)
    assert refused.returncode == 1 and "was moved to a cluster" in refused.stderr, refused.stderr
    verified(home.data_dir)
    again = migrate(home.data_dir, "cluster", settings)
    assert again.returncode == 1 and "already" in again.stderr, again.stderr

    cluster = settings | {"EXHIBIT_STORE": "cluster"}
    node = Exhibit(copied_keys(home.data_dir, tmp_path / "node"), *OFF, env=cluster).start()
    with node.client(key) as api:
        assert settled(api, before) == before
        assert send(api, [span("later", span_id="later-root")]).is_success
    there = eventually(lambda: (r := verified(node.data_dir, cluster))["pending"] == 0 and r, 30)
    assert there["records"] == report["records"] + 1
    assert there["log"] == report["log"] and there["key"] == report["key"]
    checked = run("verify", before_move)
    assert checked.returncode == 0, checked.stdout + checked.stderr

    # Down again, into another directory, while the node runs.
    back = tmp_path / "back"
    done = migrate("cluster", back, settings, data=node.data_dir)
    assert done.returncode == 0, done.stdout + done.stderr
    with node.client(key) as api:
        answer = send(api, [span("too-late")])
        assert answer.status_code == 503 and answer.headers["retry-after"], answer.text
    node.stop()
    returned = Exhibit(back, *OFF).start()
    with returned.client(key) as api:
        now = settled(api)
        assert [r for r in now["rows"] if r["trace_id"] != "later"] == before["rows"]
        assert now["found"] == before["found"]
        assert "later" in now["traces"] and "too-late" not in now["traces"]
        assert send(api, [span("after-the-return")]).is_success
    eventually(lambda: verified(back)["pending"] == 0, 30)
    returned.stop()
    assert run("verify", before_move).returncode == 0
    bundle(back, "trace-3", tmp_path / "after.zip")
    assert run("verify", tmp_path / "after.zip").returncode == 0


def killed(args, settings, when):
    """Kills a migration once something is true; whether it was still running."""
    process = subprocess.Popen([BINARY, *map(str, args)], env=environment(settings),
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    while process.poll() is None and not when():
        time.sleep(0.01)
    running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return running


def test_a_migration_that_is_killed_goes_on_where_it_stopped(databases, tmp_path):
    settings, psql = databases
    with Exhibit(tmp_path / "home", *OFF) as home:
        key = home.create_key("ingest,read")
        with home.client(key) as api:
            fill(api, 30)
            for n in range(200):
                trace_id = f"bulk-{n}"
                assert send(api, [span(trace_id) for _ in range(60)]).is_success
        eventually(lambda: verified(home.data_dir)["pending"] == 0, 60)
    cluster = settings | {"EXHIBIT_STORE": "cluster"}

    def some():
        try:
            return int(psql("SELECT count(*) FROM traces")) >= 20
        except RuntimeError:
            return False

    words = ["migrate", "--from", home.data_dir, "--to", "cluster"]
    assert killed(words, settings, some), "it was over before it could be killed"
    half = int(psql("SELECT count(*) FROM traces"))
    node = copied_keys(home.data_dir, tmp_path / "node")
    # What is half there is not served.
    refused = run("serve", "--data-dir", node, "--listen", "127.0.0.1:0", env=cluster, timeout=60)
    assert refused.returncode == 1 and "not all of it has arrived" in refused.stderr, refused.stderr
    done = migrate(home.data_dir, "cluster", settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(psql("SELECT count(*) FROM traces")) == 230 > half
    report = verified(node, cluster)

    back = tmp_path / "back"
    words = ["migrate", "--from", "cluster", "--to", back, "--data-dir", node]
    grown = lambda: (back / "exhibit.db-wal").exists() and (back / "exhibit.db-wal").stat().st_size > 1 << 20  # noqa: E731
    assert killed(words, settings, grown), "it was over before it could be killed"
    refused = run("serve", "--data-dir", back, "--listen", "127.0.0.1:0", timeout=60)
    assert refused.returncode == 1 and "not all of it has arrived" in refused.stderr, refused.stderr
    done = migrate("cluster", back, settings, data=node)
    assert done.returncode == 0, done.stdout + done.stderr
    assert verified(back)["records"] == report["records"]


def test_a_server_is_followed_until_it_is_stopped(databases, tmp_path):
    settings, _ = databases
    home = Exhibit(tmp_path / "home", *OFF).start()
    key = home.create_key("ingest,read")
    with home.client(key) as api:
        fill(api, 20)
    load = Load(home.url, key, senders=1)
    try:
        moving = subprocess.Popen([BINARY, "migrate", "--from", str(home.data_dir), "--to", "cluster"],
                                  env=environment(settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
        time.sleep(6)
        assert moving.poll() is None, moving.communicate()
    finally:
        acknowledged = load.stop()
    home.stop()
    said, hints = moving.communicate(timeout=120)
    assert moving.returncode == 0, said + hints
    assert "stop it and this ends" in hints and "comparison 1: carried" in hints, hints
    cluster = settings | {"EXHIBIT_STORE": "cluster"}
    with Exhibit(copied_keys(home.data_dir, tmp_path / "node"), *OFF, env=cluster) as node:
        with node.client(key) as api:
            wanted = {trace for trace, _ in acknowledged}
            rows = shown(api)["traces"]
            assert wanted <= set(rows)
            for trace_id, span_id in acknowledged:
                assert span_id in {s["span_id"] for s in rows[trace_id]["spans"]}
        eventually(lambda: verified(node.data_dir, cluster)["pending"] == 0, 30)


def test_nothing_is_moved_into_what_is_not_empty_or_has_other_keys(databases, tmp_path):
    settings, _ = databases
    cluster = settings | {"EXHIBIT_STORE": "cluster"}
    for name in ("one", "two"):
        with Exhibit(tmp_path / name) as server, server.client(server.create_key("ingest")) as api:
            assert send(api, [span("t")]).is_success
    node = copied_keys(tmp_path / "one", tmp_path / "node")
    (node / "keys" / "guard").unlink()  # another log under the same keys
    with Exhibit(node, env=cluster):
        running = migrate(tmp_path / "two", "cluster", settings)
        assert running.returncode == 1 and "a node runs on the cluster" in running.stderr, running.stderr
    for source in ("one", "two"):
        done = migrate(tmp_path / source, "cluster", settings)
        assert done.returncode == 1 and "holds another installation" in done.stderr, done.stderr
    done = migrate("cluster", tmp_path / "two", settings, data=tmp_path / "node")
    assert done.returncode == 1 and "not those of the cluster" in done.stderr, done.stderr
    for ends in (("cluster", "cluster"), (tmp_path / "one", tmp_path / "three")):
        done = migrate(*ends, settings)
        assert done.returncode == 2, done.stderr
    done = migrate(tmp_path / "nowhere", "cluster", settings)
    assert done.returncode == 2 and "no installation" in done.stderr, done.stderr
