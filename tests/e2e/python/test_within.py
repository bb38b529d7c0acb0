"""Search inside one trace, and sums by the agents and users that steps inherit."""

import json
from uuid import uuid4

import pytest

from exhibit import run
from test_verification import span

DEEP = 1_000_000
NEEDLE = "Die Straße nach Ñandú"


@pytest.fixture(scope="module")
def deep(server, key):
    """A trace whose needle stands far beyond any preview."""
    trace = str(uuid4())
    answer = "é " * (DEEP // 2) + NEEDLE + "."
    spans = [
        span(trace, span_id="plain", input={"prompt": "nothing here"}),
        span(trace, span_id="long", output={"response": answer}),
        span(trace, span_id="tool", input={}, tool_calls=[
            {"tool_name": "find", "arguments": {"q": NEEDLE.upper()}, "result": None}]),
    ]  # fmt: skip
    with server.client(key) as api:
        assert api.post("/api/v1/ingest/spans", json={"batch": spans}).is_success
    return trace


def search(api, trace, words):
    found, cursor = [], None
    while True:
        params = {"q": words} | ({"cursor": cursor} if cursor else {})
        answer = api.get(f"/api/v1/traces/{trace}/search", params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["data"]
        if not page["has_more"]:
            return found
        cursor = page["next_cursor"]


def test_a_phrase_is_found_a_million_characters_in(api, deep):
    found = {one["span_id"]: one for one in search(api, deep, "die strasse nach ñandu\u0301")}
    assert set(found) == {"long", "tool"}
    hit = found["long"]["hits"][0]
    assert (hit["part"], hit["start"], hit["end"]) == ("output", DEEP, DEEP + len(NEEDLE))
    assert hit["excerpt"][hit["excerpt_start"] : hit["excerpt_end"]] == NEEDLE
    assert len(hit["excerpt"]) < 300
    assert found["long"]["count"] == 1
    assert search(api, deep, "stands nowhere") == []


def test_a_search_says_what_is_wrong_with_it(api, deep):
    def status(**params):
        return api.get(f"/api/v1/traces/{deep}/search", params=params).status_code

    assert status(q="  ") == status(q="x" * 1_001) == 422
    assert status(q="a", cursor="?") == status() == 400
    assert api.get(f"/api/v1/traces/{uuid4()}/search", params={"q": "a"}).status_code == 404


def test_the_command_line_searches_too(server, deep):
    args = ("traces", "show", deep, "--data-dir", server.data_dir)
    done = run(*args, "--search", NEEDLE.lower(), "--json", check=True)
    assert {one["span_id"] for one in json.loads(done.stdout)["data"]} == {"long", "tool"}
    shown = run(*args, "--search", NEEDLE.lower(), check=True).stdout
    assert NEEDLE in shown and f"{DEEP}–{DEEP + len(NEEDLE)}" in shown


def test_cost_counts_under_the_agent_above_and_the_user_of_the_trace(server, api, key):
    """Each span in a request of its own, the deepest first; verification derives the same sums."""
    trace, agent, user = str(uuid4()), f"agent-{uuid4().hex[:8]}", f"user-{uuid4().hex[:8]}"

    def send(one):
        assert api.post("/api/v1/ingest/spans", json={"batch": [one]}).is_success

    def sums(dimension, value):
        params = {"from": "-1d", "group_by": dimension, "groups": 100}
        answer = api.get("/api/v1/analytics", params=params)
        assert answer.status_code == 200, answer.text
        groups = {g["value"]: g for g in answer.json()["data"]["groups"]}
        return (groups[value]["spans"], groups[value]["cost_nano_usd"]) if value in groups else None

    send(span(trace, span_id="call", parent_span_id="step", span_type="llm", cost=0.25))
    send(span(trace, span_id="step", parent_span_id="run", span_type="chain"))
    assert sums("agent", agent) is None
    run_of_agent = {"span_type": "agent", "agent_name": agent, "parent_span_id": "root"}
    send(span(trace, span_id="run", **run_of_agent))
    assert sums("agent", agent) == (3, "250000000")
    send(span(trace, span_id="root", span_type="chain", user_id=user))
    assert sums("user", user) == (4, "250000000")
    assert sums("agent", agent) == (3, "250000000")
    shown = api.get(f"/api/v1/traces/{trace}/spans/call").json()["data"]
    assert shown["agent_name"] is None and shown["user_id"] is None
    verdict = run("verify", "--data-dir", server.data_dir)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
