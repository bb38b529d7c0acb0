"""2xx means durable: the server is killed in the middle of ingest, again and again."""

import threading
import time
from uuid import uuid4

import httpx

from test_verification import span

ROUNDS = 12
SENDERS = 4


def send_until_killed(exhibit, key, acknowledged, stop):
    """Sends batches of two traces each; notes the spans of every batch that got a 2xx."""
    with exhibit.client(key) as api:
        while not stop.is_set():
            batch = []
            for _ in range(2):
                trace_id = str(uuid4())
                root = span(trace_id, input={"prompt": "words " * 200})
                batch += [root] + [span(trace_id, parent_span_id=root["span_id"]) for _ in range(7)]
            try:
                answer = api.post("/api/v1/ingest/spans", json={"batch": batch})
            except httpx.HTTPError:
                return
            if answer.is_success:
                acknowledged.extend((s["trace_id"], s["span_id"]) for s in batch)
            elif answer.status_code not in (429, 503):
                raise AssertionError(f"{answer.status_code}: {answer.text}")


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(fresh):
    exhibit = fresh("--seal-after", "0s").start()
    key = exhibit.create_key("ingest,read")
    acknowledged = []
    for round_ in range(ROUNDS):
        stop = threading.Event()
        senders = [
            threading.Thread(target=send_until_killed, args=(exhibit, key, acknowledged, stop))
            for _ in range(SENDERS)
        ]
        for sender in senders:
            sender.start()
        # Not always at the same point of a commit.
        time.sleep(0.3 + 0.07 * round_)
        exhibit.kill()
        stop.set()
        for sender in senders:
            sender.join()
        exhibit.start()
    assert len(acknowledged) > 16 * ROUNDS, "hardly anything was sent"

    wanted = {}
    for trace_id, span_id in acknowledged:
        wanted.setdefault(trace_id, set()).add(span_id)
    with exhibit.client(key) as api:
        for trace_id, spans in wanted.items():
            answer = api.get(f"/api/v1/traces/{trace_id}")
            assert answer.status_code == 200, f"acknowledged and gone: {trace_id}"
            found = {s["span_id"] for s in answer.json()["data"]["spans"]}
            assert spans == found, f"half of {trace_id} is there"
        totals = api.get(
            "/api/v1/analytics", params={"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}
        ).json()["data"]["totals"]
        assert totals["spans"] >= len(acknowledged)
    exhibit.stop()
    code, report = exhibit.verify()
    assert code == 0, report["faults"]
    assert report["records"] >= len(acknowledged)


def test_a_second_server_on_the_same_directory_is_refused(fresh, tmp_path):
    from exhibit import run

    exhibit = fresh().start()
    second = run(
        "serve", "--data-dir", exhibit.data_dir, "--listen", "127.0.0.1:0",
        "--otlp-http", "off", "--otlp-grpc", "off", timeout=30,
    )  # fmt: skip
    assert second.returncode not in (0, None)
    assert "data" in second.stderr.lower()
    assert httpx.get(f"{exhibit.url}/api/v1/health").status_code == 200


def test_a_backup_made_under_load_restores_and_verifies(fresh, tmp_path):
    from exhibit import Exhibit, run

    exhibit = fresh("--seal-after", "0s").start()
    key = exhibit.create_key("ingest,read")
    acknowledged, stop = [], threading.Event()
    sender = threading.Thread(target=send_until_killed, args=(exhibit, key, acknowledged, stop))
    sender.start()
    time.sleep(1)
    before = list(acknowledged)
    target = tmp_path / "backup"
    run("backup", target, "--data-dir", exhibit.data_dir, check=True)
    stop.set()
    sender.join()
    exhibit.stop()
    assert before and not list(target.rglob("signing.key")), "a backup carries no signing key"

    restored = Exhibit(tmp_path / "restored")
    run(
        "restore", target, "--data-dir", restored.data_dir,
        "--keys", exhibit.data_dir / "keys", "--accept-rollback", check=True,
    )  # fmt: skip
    with restored:
        with restored.client(key) as api:
            for trace_id in {trace for trace, _ in before}:
                assert api.get(f"/api/v1/traces/{trace_id}").status_code == 200
    code, report = restored.verify()
    assert code == 0, report
