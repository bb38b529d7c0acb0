"""The choke point before anything is written: findings without the text, redaction without traces."""

import json
import random
import string
import time
from uuid import uuid4

from exhibit import eventually
from test_verification import span


def card_number():
    """A number with a valid check digit (Luhn), made up at run time."""
    digits = [4] + [random.randrange(10) for _ in range(14)]
    total = sum(d if n % 2 else (d * 2 - 9 if d > 4 else d * 2) for n, d in enumerate(digits))
    return "".join(map(str, digits + [(10 - total % 10) % 10]))


def provider_key():
    return "sk-" + "proj-" + "".join(random.choices(string.ascii_letters + string.digits, k=48))


def send(api, text):
    trace_id = str(uuid4())
    one = span(trace_id, span_type="llm", input={"prompt": text}, name="chat")
    assert api.post("/api/v1/ingest/spans", json={"batch": [one]}).is_success
    return api.get(f"/api/v1/traces/{trace_id}").json()["data"]


def test_a_card_number_is_found_and_the_finding_does_not_hold_it(api):
    card = card_number()
    [read] = send(api, f"my card is {card}, thanks")["spans"]
    cards = [f for f in read["findings"] if "CARD" in f["entity"]]
    assert cards, read["findings"]
    assert card not in json.dumps(read["findings"])
    assert cards[0]["fingerprint"] and cards[0]["pointer"] is not None


def test_a_credential_is_found_and_not_written_anywhere(fresh):
    server = fresh("--log", "debug").start()
    key = server.create_key("ingest,read")
    secret = provider_key()
    with server.client(key) as api:
        trace = send(api, f"use {secret} to log in")
    findings = trace["spans"][0]["findings"]
    assert [f for f in findings if f["category"] == "secret"], findings
    assert secret not in json.dumps(trace)
    time.sleep(2.5)
    server.stop()
    for path in server.data_dir.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
    assert secret not in server.output()


def test_clean_text_is_clean(api):
    trace = send(api, "What is the capital of France?")
    assert trace["spans"][0]["findings"] == []


def test_a_broken_rule_file_keeps_the_old_rules_and_says_so(fresh, tmp_path):
    import shutil
    from pathlib import Path

    rules = tmp_path / "rules"
    shutil.copytree(Path(__file__).resolve().parents[3] / "rules", rules)
    server = fresh("--rules-dir", str(rules)).start()
    key = server.create_key("ingest,read")
    with server.client(key) as api:
        before = api.get("/api/v1/health").json()["rules_loaded"]
        (rules / "pricing.yaml").write_text("models: [")
        assert eventually(lambda: "pricing.yaml" in server.output(), seconds=15), server.output()
        assert api.get("/api/v1/health").json()["rules_loaded"] == before
        card = card_number()
        assert send(api, f"card {card}")["spans"][0]["findings"], "the old rules still speak"


def test_a_call_above_the_threshold_is_flagged(api, trace_id):
    for cost in (0.9, 1.5):
        one = span(f"{trace_id}-{cost}", span_type="llm", model="gpt-4o", cost=cost)
        assert api.post("/api/v1/ingest/spans", json={"batch": [one]}).is_success
        read = api.get(f"/api/v1/traces/{trace_id}-{cost}").json()["data"]["spans"][0]
        fired = [e["rule"] for e in read["evaluations"] if e["outcome"] != "pass"]
        assert fired == (["costly-call"] if cost > 1 else []), read["evaluations"]
        assert ("flag" in read["decision"]) == (cost > 1)
