"""Exports in formats of others, read by code that was written from their specifications."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import cbor
import pytest
import rfc6962
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from exhibit import Exhibit, eventually

MANDATORY = {
    "record_id", "timestamp", "agent_id", "agent_version", "session_id", "action_type", "action_detail",
    "outcome", "trust_level", "parent_record_id", "prev_hash", "record_phase",
}  # fmt: skip
ACTIONS = {"tool_call", "tool_response", "decision", "delegation", "escalation", "error", "lifecycle"}
OUTCOMES = {"success", "failure", "timeout", "denied", "escalated"}


def span(trace_id, **changes):
    now = datetime.now(UTC).isoformat()
    return {
        "span_id": str(uuid4()), "trace_id": trace_id, "name": "step", "span_type": "tool",
        "start_time": now, "end_time": now, "status": "ok", "session_id": "s-1",
        "input": {"q": "verysecretquestion"}, "output": {"a": 1.5, "ü": "東京"},
    } | changes  # fmt: skip


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    with Exhibit(tmp_path_factory.mktemp("formats") / "data", "--seal-after", "0s") as exhibit:
        exhibit.key = exhibit.create_key("ingest,read,export")
        with exhibit.client(exhibit.key) as api:
            for trace, session in [("t1", "s-1"), ("t2", "s-1"), ("t3", "s-2")]:
                batch = [
                    span(trace, name="root", span_type="agent", span_id="root", session_id=session),
                    span(trace, parent_span_id="root", session_id=session, span_type="llm", model="m"),
                    span(trace, parent_span_id="root", session_id=session, tool_name="search"),
                    span(trace, parent_span_id="root", session_id=session, status="error"),
                ]
                assert api.post("/api/v1/ingest/spans", json={"batch": batch}).is_success
            said = lambda t: api.get(f"/api/v1/traces/{t}/verification").json()["data"]  # noqa: E731
            done = lambda: all(said(t)["verdict"] == "valid" and said(t)["seals"] for t in ("t1", "t2", "t3"))  # noqa: E731
            assert eventually(done, seconds=40, every=0.5)
            exhibit.api, exhibit.said = api, said
            yield exhibit


def public_key(vkey):
    """The key in a verifier key of a signed note: name+hash+base64(1, key)."""
    raw = base64.b64decode(vkey.strip().split("+", 2)[2])
    assert raw[0] == 1 and len(raw) == 33
    return Ed25519PublicKey.from_public_bytes(raw[1:])


def jcs(value):
    """RFC 8785 for records without numbers: sorted names, shortest escapes."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def test_an_audit_trail_is_a_chain_per_session_whose_lines_stand_in_the_log(sealed):
    answer = sealed.api.post("/api/v1/evidence/audit-trail", json={})
    assert answer.status_code == 200, answer.text
    assert "verysecretquestion" not in answer.text
    last, sessions = {}, {}
    fingerprints = {
        r["fingerprint"]: r for t in ("t1", "t2", "t3") for r in sealed.said(t)["records"]
    }
    for line in answer.text.splitlines():
        record = json.loads(line)
        assert MANDATORY <= record.keys(), record
        assert jcs(record) == line.encode(), "each line is canonical"
        assert record["action_type"] in ACTIONS and record["outcome"] in OUTCOMES, record
        assert str(UUID(record["record_id"])) == record["record_id"]
        session = record["session_id"]
        before = last.get(session)
        if before is None:
            assert record["prev_hash"] is None and record["parent_record_id"] is None
            assert record["action_type"] == "lifecycle" and record["record_phase"] == "concurrent"
            assert record["action_detail"]["event"] == "session_start"
        else:
            assert record["prev_hash"] == hashlib.sha256(jcs(before)).hexdigest()
            assert record["parent_record_id"] == before["record_id"]
            place = record["exhibit"]
            assert fingerprints[place["fingerprint"]]["index"] == int(place["index"])
        last[session] = record
        sessions[session] = sessions.get(session, 0) + 1
    assert sessions == {"s-1": 9, "s-2": 5}
    tools = [json.loads(x) for x in answer.text.splitlines() if '"tool_name":"search"' in x]
    assert len(tools) == 3 and {t["action_type"] for t in tools} == {"tool_call"}
    one = sealed.api.post("/api/v1/evidence/audit-trail", json={"trace_id": "t3"})
    assert len(one.text.splitlines()) == 5


def test_a_statement_is_in_toto_in_dsse_signed_with_the_key_of_the_log(sealed):
    answer = sealed.api.get("/api/v1/traces/t1/statement")
    assert answer.status_code == 200, answer.text
    envelope = answer.json()
    kind, payload = envelope["payloadType"], base64.b64decode(envelope["payload"])
    framed = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    key = public_key(sealed.api.get("/api/v1/ledger/key").text)
    key.verify(signature, framed)
    with pytest.raises(InvalidSignature):
        key.verify(signature, framed[:-1] + b" ")
    statement = json.loads(payload)
    said = sealed.said("t1")
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicate"]["verdict"] == "valid"
    stated = {s["name"]: s["digest"]["sha256"] for s in statement["subject"]}
    for one in said["records"] + said["seals"]:
        assert stated[f"leaf/{one['index']}"] == one["fingerprint"]
    assert sealed.api.get("/api/v1/traces/nothing/statement").status_code == 404


def test_a_receipt_is_cose_and_leads_from_the_entry_to_a_signed_root(sealed):
    key = public_key(sealed.api.get("/api/v1/ledger/key").text)
    for record in sealed.said("t2")["records"]:
        answer = sealed.api.get(f"/api/v1/ledger/receipt/{record['index']}")
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/cose")
        tag, (protected, unprotected, payload, signature) = cbor.read(answer.content)
        assert tag == 18 and payload is None, "a COSE_Sign1 with a detached payload"
        header = cbor.read(protected)
        assert header[1] == -8 and header[395] == 1, "EdDSA over an RFC 9162 tree"
        size, index, path = cbor.read(unprotected[396][-1][0])
        assert index == record["index"]
        leaf = rfc6962.leaf_hash(record["leaf"].encode())
        root = climb(leaf, index, size, path)
        signed = b"\x84\x6aSignature1" + cbor.write_head(2, len(protected)) + protected + b"\x40\x58\x20"
        key.verify(signature, signed + root)
        with pytest.raises(InvalidSignature):
            key.verify(signature, signed + climb(bytes(32), index, size, path))
    assert sealed.api.get("/api/v1/ledger/receipt/99999").status_code == 404
    assert sealed.api.get("/api/v1/ledger/receipt/x").status_code == 404


def climb(node, index, size, path):
    """The root that a path leads to (RFC 9162 section 2.1.3.2)."""
    last, pair = size - 1, lambda left, right: hashlib.sha256(b"\x01" + left + right).digest()
    for sibling in path:
        assert last > 0, "the path is too long"
        if index & 1 or index == last:
            node = pair(sibling, node)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = pair(node, sibling)
        index, last = index >> 1, last >> 1
    assert last == 0, "the path is too short"
    return node
