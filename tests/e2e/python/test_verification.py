"""What the server proves is checked here from the public specifications, with other code."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pymerkle import InmemoryTree

import rfc6962
from exhibit import eventually


def span(trace_id, **changes):
    now = datetime.now(UTC).isoformat()
    return {
        "span_id": str(uuid4()), "trace_id": trace_id, "name": "step", "span_type": "custom",
        "start_time": now, "end_time": now, "status": "ok", "input": {"q": "…"}, "output": {"a": 1},
    } | changes  # fmt: skip


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """A server whose traces are sealed at once, with 300 spans in 30 traces."""
    from exhibit import Exhibit

    with Exhibit(tmp_path_factory.mktemp("sealed") / "data", "--seal-after", "0s") as exhibit:
        exhibit.key = exhibit.create_key("ingest,read,export")
        exhibit.traces = []
        with exhibit.client(exhibit.key) as api:
            for _ in range(30):
                trace_id = str(uuid4())
                root = span(trace_id, name="root", span_type="agent")
                batch = [root] + [span(trace_id, parent_span_id=root["span_id"]) for _ in range(9)]
                assert api.post("/api/v1/ingest/spans", json={"batch": batch}).is_success
                exhibit.traces.append(trace_id)
            exhibit.verification = lambda trace: api.get(
                f"/api/v1/traces/{trace}/verification"
            ).json()["data"]
            done = lambda: all(  # noqa: E731
                exhibit.verification(t)["verdict"] == "valid" and exhibit.verification(t)["seals"]
                for t in exhibit.traces[-2:]
            )
            assert eventually(done, seconds=40, every=0.5), exhibit.verification(exhibit.traces[-1])
            exhibit.api = api
            yield exhibit


def test_every_record_of_a_trace_is_under_a_signed_checkpoint(sealed):
    said = sealed.verification(sealed.traces[7])
    _, size, root = rfc6962.open_checkpoint(said["checkpoint"], said["key"])
    assert size == said["tree_size"]
    assert len(said["records"]) == 10
    for record in said["records"]:
        leaf = record["leaf"].encode()
        assert rfc6962.leaf_hash(leaf).hex() == record["fingerprint"]
        path = [base64.b64decode(h) for h in record["proof"]]
        assert rfc6962.included(record["index"], size, leaf, path, root)
        assert not rfc6962.included(record["index"], size, leaf + b" ", path, root)
        assert not rfc6962.included(record["index"] + 1, size, leaf, path, root)
        assert json.loads(leaf)["id"] == record["record"]


def test_the_verdict_says_what_it_rests_on(sealed):
    said = sealed.verification(sealed.traces[0])
    assert said["verdict"] == "valid" and not said["faults"]
    assert {"key-self-asserted", "unwitnessed"} <= set(said["qualifiers"])
    assert len(said["fingerprint"]) == 64


@pytest.fixture(scope="module")
def log(sealed):
    """The workspace's whole log, read through its tiles: (base path, checkpoint, entries)."""
    base = "/api/v1/ledger"
    note = sealed.api.get(f"{base}/checkpoint")
    assert note.status_code == 200, note.text
    vkey = sealed.verification(sealed.traces[0])["key"]
    _, size, root = rfc6962.open_checkpoint(note.text, vkey)

    def fetch(path):
        answer = sealed.api.get(f"{base}/tile/{path}")
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        return answer.content

    return base, size, root, rfc6962.all_entries(fetch, size), fetch


def test_the_whole_log_read_through_its_tiles_has_the_signed_root(log):
    _, size, root, entries, _ = log
    assert size >= 330, "300 spans and 30 seals"
    assert rfc6962.tree_root(entries) == root


def test_another_implementation_computes_the_same_root(log):
    _, size, root, entries, _ = log
    tree = InmemoryTree(algorithm="sha256")
    for entry in entries:
        tree.append_entry(entry)
    assert tree.get_root(size) == root


def test_tiles_hold_the_hashes_of_the_entries(log):
    _, _, _, entries, fetch = log
    assert fetch("0/000") == b"".join(rfc6962.leaf_hash(e) for e in entries[:256])
    assert fetch("1/000.p/1") == rfc6962.tree_root(entries[:256])


def test_a_proof_file_proves_an_entry_offline(sealed, log):
    base, _, _, entries, _ = log
    vkey = sealed.verification(sealed.traces[0])["key"]
    for wanted in (0, 1, 255, 256, len(entries) - 1):
        text = sealed.api.get(f"{base}/proof/{wanted}")
        assert text.status_code == 200
        index, path, note = rfc6962.read_proof(text.text)
        _, size, root = rfc6962.open_checkpoint(note, vkey)
        assert index == wanted
        assert rfc6962.included(index, size, entries[wanted], path, root)


def test_an_older_size_is_consistent_with_the_present_one(sealed, log):
    base, size, root, entries, _ = log
    for old in (1, 2, 255, 256, 257, size - 1, size):
        answer = sealed.api.get(f"{base}/consistency", params={"old": old, "new": size})
        assert answer.status_code == 200, answer.text
        path = [base64.b64decode(h) for h in answer.json()["data"]["hashes"]]
        old_root = rfc6962.tree_root(entries[:old])
        assert rfc6962.consistent(old, size, old_root, root, path), old
        if old != size:
            wrong = rfc6962.tree_root(entries[: old - 1] + [b"x"])
            assert not rfc6962.consistent(old, size, wrong, root, path)


def test_leaves_name_no_client_id(sealed, log):
    _, _, _, entries, _ = log
    whole = b"".join(entries).decode()
    assert not any(trace in whole for trace in sealed.traces)


def test_the_command_verifies_one_trace_and_the_whole_log(sealed):
    code, report = sealed.verify()
    assert (code, report["verdict"]) == (0, "valid")
    assert report["records"] >= 300
    code, report = sealed.verify("--trace", sealed.traces[3])
    assert (code, report["verdict"]) == (0, "valid")


def test_a_pinned_key_is_relied_on_and_another_is_refused(sealed):
    vkey = sealed.api.get("/api/v1/ledger/installation/key").text.strip()
    code, report = sealed.verify("--key", vkey)
    assert code == 0 and "key-self-asserted" not in report["qualifiers"], report
    name = vkey.split("+")[0]
    packed = b"\x01" + Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    key_id = hashlib.sha256(name.encode() + b"\n" + packed).digest()[:4].hex()
    code, report = sealed.verify("--key", f"{name}+{key_id}+{base64.b64encode(packed).decode()}")
    assert code == 1 and report["verdict"] == "wrong-key", report
