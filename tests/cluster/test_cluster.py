"""Several nodes of the real binary on real engines: what one acknowledges all show, and nothing is lost
when a node, PostgreSQL or ClickHouse goes away."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import websockets

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e" / "python"))

from engines import ClickHouse, Postgres, free_port  # noqa: E402
from exhibit import Exhibit, eventually, run  # noqa: E402

LONG_AGO, LONG_AFTER = "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"


class Cluster:
    """Engines of its own, and nodes on them that share their keys."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.postgres = Postgres(durable=True)
        self.clickhouse = ClickHouse()
        # A server that was given may hold other clusters.
        self.database = f"t{uuid4().hex[:12]}"
        self.env = {
            "EXHIBIT_STORE": "cluster",
            "EXHIBIT_POSTGRES_URL": self.postgres.url(),
            "EXHIBIT_CLICKHOUSE_URL": self.clickhouse.url,
            "EXHIBIT_CLICKHOUSE_DATABASE": self.database,
        }
        self.nodes = []

    def node(self, *args, start=True):
        data = self.directory / f"node{len(self.nodes)}"
        node = Exhibit(data, *args, env=self.env)
        if self.nodes:
            data.mkdir(mode=0o700)
            shutil.copytree(self.nodes[0].data_dir / "keys", data / "keys")
        self.nodes.append(node)
        return node.start() if start else node

    def key(self, scopes="ingest,read,export"):
        with httpx.Client(base_url=self.nodes[0].url, timeout=30, trust_env=False):
            done = run(
                "keys", "create", "--data-dir", self.nodes[0].data_dir, "--name", "test",
                "--scopes", scopes, "--json", env=self.env, check=True,
            )  # fmt: skip
        return json.loads(done.stdout)["key"]

    def verify(self, node):
        done = run("verify", "--data-dir", node.data_dir, "--json", env=self.env, timeout=300)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def unshipped(self):
        tables = ["traces", "moved", "blocks", "texts", "deltas", "erased"]
        counts = " + ".join(f"(SELECT count(*) FROM outbox_{table})" for table in tables)
        return int(self.postgres.sql(f"SELECT {counts}"))

    def close(self):
        for node in self.nodes:
            if node.process and node.process.poll() is None:
                node.kill()
        self.clickhouse.close()
        self.postgres.close()


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    yield made
    made.close()


class Balancer:
    """nginx in front of the nodes, as docker-compose.cluster.yml has it."""

    def __init__(self, nodes):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.directory = tempfile.mkdtemp(prefix="exhibit-nginx.")
        servers = "".join(f"server 127.0.0.1:{n.port} max_fails=1 fail_timeout=2s;" for n in nodes)
        text = (HERE.parents[1] / "deploy" / "nginx.conf").read_text()
        text = text.replace("server node1:3000; server node2:3000; server node3:3000;", servers)
        text = text.replace("listen 8080;", f"listen 127.0.0.1:{self.port};")
        assert servers in text and str(self.port) in text, "nginx.conf has changed its form"
        conf = Path(self.directory) / "nginx.conf"
        conf.write_text(text)
        temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        paths = "".join(f"{t}_temp_path {self.directory}/{t};" for t in temp)
        conf.write_text(text.replace("http {", f"http {{ {paths}", 1))
        self.process = subprocess.Popen(
            ["nginx", "-p", self.directory, "-e", "stderr", "-c", str(conf), "-g",
             f"daemon off; master_process off; pid {self.directory}/pid;"],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def span(trace_id, **fields):
    now = time.time_ns()
    return {
        "trace_id": trace_id, "span_id": str(uuid4()), "span_type": "llm", "model": "gpt-4o",
        "start_time": now, "end_time": now + 1_000_000, "status": "ok", "tokens_in": 10,
        "input": {"prompt": "words and more words " * 20}, **fields,
    }  # fmt: skip


def send(api, spans):
    return api.post("/api/v1/ingest/spans", json={"batch": spans})


class Load:
    """Sends batches until told to stop; notes what was acknowledged."""

    def __init__(self, url, key, senders=4):
        self.url, self.key = url, key
        self.acknowledged, self.refused, self.wrong = [], 0, []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(senders)]
        for thread in self.threads:
            thread.start()

    def run(self):
        headers = {"Authorization": f"Bearer {self.key}"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False) as api:
            while not self.stopping.is_set():
                trace_id = str(uuid4())
                root = span(trace_id)
                batch = [root] + [span(trace_id, parent_span_id=root["span_id"]) for _ in range(4)]
                # As a client with patience does: the same batch until it is taken.
                while not self.stopping.is_set():
                    try:
                        answer = send(api, batch)
                    except httpx.HTTPError:
                        time.sleep(0.05)
                        continue
                    if answer.is_success:
                        self.acknowledged.extend((s["trace_id"], s["span_id"]) for s in batch)
                        break
                    self.refused += 1
                    if answer.status_code not in (429, 502, 503, 504):
                        self.wrong.append(f"{answer.status_code}: {answer.text}")
                        return
                    if answer.status_code == 503 and "retry-after" not in answer.headers:
                        self.wrong.append("503 without Retry-After")
                        return
                    time.sleep(0.1)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        assert not self.wrong, self.wrong[:3]
        return self.acknowledged


def check_all(api, acknowledged):
    """Everything acknowledged is there, whole and once, and the sums say so."""
    wanted = {}
    for trace_id, span_id in acknowledged:
        wanted.setdefault(trace_id, set()).add(span_id)
    for trace_id, spans in wanted.items():
        answer = api.get(f"/api/v1/traces/{trace_id}")
        assert answer.status_code == 200, f"acknowledged and gone: {trace_id}"
        found = [s["span_id"] for s in answer.json()["data"]["spans"]]
        assert len(found) == len(set(found)), f"spans twice in {trace_id}"
        assert spans == set(found), f"half of {trace_id} is there"
    listed, after = [], None
    while True:
        query = {"limit": 100} | ({"cursor": after} if after else {})
        page = api.get("/api/v1/traces", params=query).json()
        listed += [row["trace_id"] for row in page["data"]]
        after = (page.get("page") or page).get("next_cursor") or page.get("next")
        if not after:
            break
    assert len(listed) == len(set(listed)), "a trace is listed twice"
    assert set(wanted) <= set(listed)
    totals = api.get("/api/v1/analytics", params={"from": LONG_AGO, "to": LONG_AFTER}).json()
    spans = totals["data"]["totals"]["spans"]
    # What was committed without its sender hearing of it is there too, in whole batches.
    assert spans >= len(acknowledged) and spans % 5 == 0, (spans, len(acknowledged))
    assert spans == 5 * len(listed)


class Watcher:
    """Listens on a node's WebSocket until a text holds every one of some words."""

    def __init__(self, node, key, *words):
        self.words, self.texts, self.open = words, [], threading.Event()
        self.url = f"{node.url.replace('http', 'ws')}/ws"
        self.headers = {"Authorization": f"Bearer {key}"}
        listen = lambda: asyncio.run(asyncio.wait_for(self.listen(), 20))  # noqa: E731
        self.thread = threading.Thread(target=listen, daemon=True)
        self.thread.start()
        assert self.open.wait(10)
        time.sleep(0.5)

    async def listen(self):
        async with websockets.connect(self.url, additional_headers=self.headers) as socket:
            self.open.set()
            async for text in socket:
                self.texts.append(text)
                if all(word in text for word in self.words):
                    return

    def has_heard(self):
        self.thread.join(20)
        return bool(self.texts) and all(word in self.texts[-1] for word in self.words)


def test_a_write_on_one_node_is_seen_on_every_node_at_once_and_watchers_hear_of_it(cluster):
    nodes = [cluster.node(), cluster.node(), cluster.node()]
    key = cluster.key()
    trace_id = str(uuid4())
    watcher = Watcher(nodes[1], key, trace_id)
    with nodes[0].client(key) as api:
        assert send(api, [span(trace_id, input={"prompt": "an unmistakable needle"})]).is_success
    for node in nodes[1:]:
        with node.client(key) as api:
            assert api.get(f"/api/v1/traces/{trace_id}").status_code == 200
            for query in ({}, {"q": "needle"}):
                rows = api.get("/api/v1/traces", params=query).json()["data"]
                assert [row["trace_id"] for row in rows] == [trace_id], query
            totals = api.get("/api/v1/analytics", params={"from": LONG_AGO, "to": LONG_AFTER})
            assert totals.json()["data"]["totals"]["spans"] == 1
    assert watcher.has_heard(), watcher.texts
    # The node that did not take the write seals and signs as well as any other.
    assert eventually(lambda: cluster.verify(nodes[2])[0] == 0, 20), cluster.verify(nodes[2])


REVIEWED = """version: 1
policy: desk
rules:
  - id: mail
    title: An address in a prompt
    severity: medium
    when: {finding: {entity: EMAIL_ADDRESS}}
    then: [{review: {queue: desk}}]
"""


def test_a_review_is_told_on_every_node_and_decided_on_any(cluster, tmp_path):
    (tmp_path / "rules" / "policies").mkdir(parents=True)
    (tmp_path / "rules" / "policies" / "desk.yaml").write_text(REVIEWED)
    nodes = [cluster.node("--rules-dir", tmp_path / "rules") for _ in range(2)]
    key = cluster.key("ingest,read,review")
    trace_id = str(uuid4())
    opened = Watcher(nodes[1], key, "review.opened", trace_id)
    with nodes[0].client(key) as api:
        assert send(api, [span(trace_id, input={"prompt": "to jo.doe@example.com"})]).is_success
    assert opened.has_heard(), opened.texts
    review_id = json.loads(opened.texts[-1])["review"]["review_id"]
    decided = Watcher(nodes[0], key, "review.claimed", trace_id)
    with nodes[1].client(key) as api:
        answer = api.post(f"/api/v1/reviews/{review_id}/acts", json={"deed": "claimed"})
        assert answer.is_success, answer.text
    assert decided.has_heard(), decided.texts


BUDGET = """version: 1
policy: spend
rules:
  - id: tokens
    title: Tokens of a user
    budget: {key: [user], limit_tokens: 1000, window: 1d}
    then: {hard: [flag]}
"""


def test_what_nodes_spend_of_a_budget_adds_up_on_every_node(cluster, tmp_path):
    (tmp_path / "rules" / "policies").mkdir(parents=True)
    (tmp_path / "rules" / "policies" / "spend.yaml").write_text(BUDGET)
    nodes = [cluster.node("--rules-dir", tmp_path / "rules") for _ in range(2)]
    key = cluster.key()

    def spent(node):
        with node.client(key) as api:
            budgets = api.get("/api/v1/govern/budgets").json()["data"]
        return [one["spent_tokens"] for one in budgets if one["rule"] == "tokens"]

    for n, node in enumerate(nodes):
        with node.client(key) as api:
            for _ in range(3):
                spans = [span(str(uuid4()), user_id="ada", tokens_in=100 * (n + 1), tokens_out=1)]
                assert send(api, spans).is_success
    for node in nodes:
        assert eventually(lambda node=node: spent(node) == [906], 20), spent(node)
    nodes[1].stop()
    nodes[1].start()
    assert eventually(lambda: spent(nodes[1]) == [906], 20), spent(nodes[1])


def test_nothing_is_lost_when_a_node_is_killed_and_postgresql_restarts_under_load(cluster):
    nodes = [cluster.node("--seal-after", "1s") for _ in range(3)]
    key = cluster.key()
    balancer = Balancer(nodes)
    try:
        load = Load(balancer.url, key)
        time.sleep(4)
        before = len(load.acknowledged)
        assert before, "nothing was taken"
        nodes[0].kill()  # the node that leads
        time.sleep(4)
        assert len(load.acknowledged) > before, "the others do not go on"
        cluster.postgres.stop("immediate")
        time.sleep(1)
        cluster.postgres.start()
        before = len(load.acknowledged)
        assert eventually(lambda: len(load.acknowledged) > before + 50, 20), "no way back"
        acknowledged = load.stop()
    finally:
        balancer.close()
    assert eventually(lambda: cluster.unshipped() == 0, 60), "nobody ships what is left"
    for node in nodes[1:]:
        with node.client(key) as api:
            check_all(api, acknowledged)
    code, report = eventually(lambda: (r := cluster.verify(nodes[1]))[0] == 0 and r, 30) or cluster.verify(nodes[1])
    assert code == 0, report["faults"]


@pytest.mark.skipif("CLICKHOUSE_URL" in os.environ, reason="the given ClickHouse is not ours to stop")
def test_without_clickhouse_writes_go_on_and_lists_say_when_to_come_again(cluster):
    node = cluster.node("--seal-after", "1s")
    key = cluster.key()
    load = Load(node.url, key, senders=2)
    time.sleep(2)
    cluster.clickhouse.kill()
    before = len(load.acknowledged)
    assert eventually(lambda: len(load.acknowledged) > before + 50, 20), "writes wait for ClickHouse"
    with node.client(key) as api:
        for path in ("/api/v1/traces", "/api/v1/analytics"):
            answer = api.get(path, params={"from": LONG_AGO, "to": LONG_AFTER} if "an" in path else {})
            assert answer.status_code == 503, f"{path}: {answer.status_code} {answer.text}"
            assert int(answer.headers["retry-after"]) > 0
        trace_id = str(uuid4())
        assert send(api, [span(trace_id)] * 1 + [span(trace_id) for _ in range(4)]).is_success
        load.acknowledged.extend([])
        assert api.get(f"/api/v1/traces/{trace_id}").status_code == 200, "a trace needs no ClickHouse yet"
    acknowledged = load.stop()
    cluster.clickhouse.start()
    assert eventually(lambda: cluster.unshipped() == 0, 60), "what waited is not shipped"
    with node.client(key) as api:
        check_all(api, acknowledged)
    code, report = eventually(lambda: (r := cluster.verify(node))[0] == 0 and r, 30) or cluster.verify(node)
    assert code == 0, report["faults"]


def refused(cluster, data, *words, **settings):
    """Starts a node that must not start; what it says."""
    env = cluster.env | {f"EXHIBIT_{name.upper()}": value for name, value in settings.items()}
    done = run("serve", "--data-dir", data, "--listen", "127.0.0.1:0", "--otlp-http", "off",
               "--otlp-grpc", "off", env=env, timeout=60)  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode in (1, 2), said
    assert all(word in said for word in words), said
    return said


def test_what_cannot_work_is_named_at_the_start(cluster, tmp_path):
    first = cluster.node()
    first.stop()
    nowhere = f"127.0.0.1:{free_port()}"
    data = first.data_dir
    said = refused(cluster, data, "PostgreSQL does not answer", nowhere,
                   postgres_url=f"postgres://me:hidden@{nowhere}/x")  # fmt: skip
    assert "hidden" not in said
    said = refused(cluster, data, "ClickHouse does not answer", nowhere,
                   clickhouse_url=f"http://me:hidden@{nowhere}")  # fmt: skip
    assert "hidden" not in said
    refused(cluster, data, "it must begin with http", clickhouse_url="nonsense")
    refused(cluster, tmp_path / "stranger", "the keys in this data directory are not those")
    cluster.postgres.sql("ALTER TABLE traces ADD COLUMN note text")
    refused(cluster, data, "changed by hand", "traces.note text")
    cluster.postgres.sql("ALTER TABLE traces DROP COLUMN note")
    cluster.postgres.sql("UPDATE schema_versions SET version = version + 90")
    refused(cluster, data, "are of version 9", "update it")
    cluster.postgres.sql("UPDATE schema_versions SET version = version - 90")
    guarded_pg, guarded_ch = Postgres(password="right"), ClickHouse(password="right")
    try:
        wrong = guarded_pg.url().replace("right", "wrong")
        said = refused(cluster, data, "PostgreSQL refuses the user or the password", postgres_url=wrong)
        assert "wrong" not in said
        url = guarded_ch.url.replace("http://", "http://default:wrong@")
        said = refused(cluster, data, "ClickHouse refuses the user or the password", clickhouse_url=url)
        assert "default:wrong" not in said
    finally:
        guarded_pg.close()
        guarded_ch.close()
    first.start()


def test_nodes_that_start_at_once_on_empty_databases_all_come_up(cluster, tmp_path):
    # The keys of an installation are made by whoever starts first; here they are brought along.
    with Exhibit(tmp_path / "first"):
        pass
    for n in range(3):
        (tmp_path / f"node{n}").mkdir(mode=0o700)
        shutil.copytree(tmp_path / "first" / "keys", tmp_path / f"node{n}" / "keys")
        (tmp_path / f"node{n}" / "keys" / "guard").unlink(missing_ok=True)
        cluster.nodes.append(Exhibit(tmp_path / f"node{n}", env=cluster.env))
    failures = []

    def start(node):
        try:
            node.start()
        except AssertionError as error:
            failures.append(str(error))

    threads = [threading.Thread(target=start, args=(node,)) for node in cluster.nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    key = cluster.key()
    for node in cluster.nodes:
        with node.client(key) as api:
            assert api.get("/api/v1/health").status_code == 200
            assert send(api, [span(str(uuid4()))]).is_success
    with cluster.nodes[0].client(key) as api:
        assert len(api.get("/api/v1/traces").json()["data"]) == 3
