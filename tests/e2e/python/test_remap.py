"""`exhibit remap`: what is stored, read again with today's mapping, prices and rules."""

import json
from uuid import uuid4

from exhibit import run
from test_verification import span


def test_stored_spans_are_read_again_and_what_changed_is_a_new_revision(fresh, tmp_path):
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "pricing.yaml").write_text("models:\n  in-house-7b: {input: 1.0, output: 2.0}\n")
    trace_id = str(uuid4())
    with fresh("--rules-dir", rules) as server:
        key = server.create_key("ingest,read")
        with server.client(key) as api:
            one = span(trace_id, span_type="llm", model="in-house-7b", tokens_in=1_000_000, tokens_out=500_000, cost=None)
            assert api.post("/api/v1/ingest/spans", json={"batch": [one]}).is_success
            before = api.get(f"/api/v1/traces/{trace_id}").json()["data"]["spans"][0]
            assert before["cost"] == 2.0, before
    (rules / "pricing.yaml").write_text("models:\n  in-house-7b: {input: 3.0, output: 2.0}\n")
    again = type(server)(server.data_dir, "--rules-dir", rules)
    with again:
        # Spans that today's mapping has read are left alone unless all are asked for.
        idle = json.loads(run("remap", "--data-dir", again.data_dir, "--json", check=True).stdout)
        assert (idle["spans"], idle["mapped"]) == (1, 0)
        done = json.loads(run("remap", "--all", "--data-dir", again.data_dir, "--json", check=True).stdout)
        assert (done["traces"], done["spans"], done["mapped"]) == (1, 1, 1)
        with again.client(key) as api:
            after = api.get(f"/api/v1/traces/{trace_id}").json()["data"]["spans"][0]
        assert after["cost"] == 4.0 and after["input"] == before["input"]
        assert after["mapping_version"] == before["mapping_version"]
    code, report = again.verify()
    assert code in (0, 3), report["problems"] if "problems" in report else report


def test_a_reader_may_not_remap(api):
    assert api.post("/api/v1/remap", json={}).status_code == 403
