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


def test_a_preview_of_prices_says_what_pricing_again_then_does(fresh, tmp_path):
    rules = tmp_path / "rules"
    rules.mkdir()
    old, new = ("models:\n  in-house-7b: {input: %s, output: 2.0}\n" % rate for rate in ("1.0", "3.0"))
    (rules / "pricing.yaml").write_text(old)
    with fresh("--rules-dir", rules) as server:
        with server.client(server.create_key("ingest,read,admin")) as api:
            batch = [
                span(str(uuid4()), span_type="llm", model="in-house-7b", tokens_in=1_000_000, tokens_out=0, cost=None),
                span(str(uuid4()), span_type="llm", model="in-house-7b", tokens_in=1_000_000, tokens_out=0, cost=7.5),
            ]
            assert api.post("/api/v1/ingest/spans", json={"batch": batch}).is_success

            def preview(**more):
                return api.post("/api/v1/settings/pricing/preview", json=more)

            idle = preview().json()["data"]
            assert (idle["traces"], idle["calls"], idle["models"][0]["changed"]) == (2, 2, 0), idle
            sums = [0, 0]
            cursor = None
            while True:
                step = preview(file=new, limit=1, cursor=cursor).json()["data"]
                for it in step["models"]:
                    sums[0] += int(it["before_nano_usd"])
                    sums[1] += int(it["after_nano_usd"])
                cursor = step["next_cursor"]
                if cursor is None:
                    break
            assert sums == [8_500_000_000, 10_500_000_000], "what the client reported stays"
            now = api.get("/api/v1/analytics", params={"from": "-365d"}).json()["data"]["totals"]
            assert int(now["cost_nano_usd"]) == sums[0], "a preview writes nothing"
            wrong = preview(file="models: 3")
            assert wrong.status_code == 422 and "pricing.yaml" in wrong.json()["detail"], wrong.text
    (rules / "pricing.yaml").write_text(new)
    again = type(server)(server.data_dir, "--rules-dir", rules)
    with again:
        run("remap", "--all", "--data-dir", again.data_dir, check=True)
        with again.client(again.create_key("ingest,read")) as api:
            then = api.get("/api/v1/analytics", params={"from": "-365d"}).json()["data"]["totals"]
        assert int(then["cost_nano_usd"]) == sums[1]


def test_a_reader_may_not_preview_prices(api):
    assert api.post("/api/v1/settings/pricing/preview", json={}).status_code == 403
