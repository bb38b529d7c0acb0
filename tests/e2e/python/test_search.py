"""The filter language and full-text search, the way the dashboard and the command line use them."""

import json
from uuid import uuid4

import pytest

from exhibit import eventually, run
from test_verification import span

MARK = uuid4().hex[:12]
TEXTS = {
    "chinese": "请解释注意力机制是如何工作的",
    "japanese": "東京の天気を教えてください",
    "german": "Erkläre mir die Straßenbahn in Köln",
    "tool": "quarterly zeppelin maintenance",
}


@pytest.fixture(scope="module")
def traces(server, key):
    made = {}
    with server.client(key) as api:
        for name, text in TEXTS.items():
            made[name] = str(uuid4())
            changes = {"environment": f"env-{MARK}", "user_id": f"user-{name}"}
            one = span(made[name], input={"prompt": text}, name=f"ask {name}", **changes)
            if name == "tool":
                one["input"] = {}
                one["tool_calls"] = [{"tool_name": "find", "arguments": {"query": text}, "result": None}]
            register = {"trace": {"trace_id": made[name], "agent_name": f"agent-{name}",
                                  "environment": f"env-{MARK}", "metadata": {"mark": MARK}}}  # fmt: skip
            assert api.post("/api/v1/ingest/traces", json=register).is_success
            assert api.post("/api/v1/ingest/spans", json={"batch": [one]}).is_success
    return made


def found(api, text):
    answer = api.get("/api/v1/traces", params={"filter": text})
    assert answer.status_code == 200, answer.text
    return {row["trace_id"] for row in answer.json()["data"]}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("chinese", "注意力机制"),
        ("chinese", "工作"),
        ("japanese", "天気"),
        ("japanese", "東京"),
        ("german", "straßenbahn"),
        ("german", "Köln"),
        ("tool", "zeppelin"),
    ],
)
def test_full_text_finds_inputs_and_tool_arguments_in_any_language(api, traces, name, words):
    hit = eventually(lambda: traces[name] in found(api, words), seconds=10, every=0.2)
    assert hit, f"{words} does not find {name}"
    others = {t for n, t in traces.items() if n != name}
    assert not others & found(api, words)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("environment = env-{m}", set(TEXTS)),
        ("metadata.mark = {m}", set(TEXTS)),
        ("environment = env-{m} agent = agent-german", {"german"}),
        ("environment = env-{m} status = ok", set(TEXTS)),
        ("environment = env-{m} status = error", set()),
        ("environment = env-{m} cost > 1", set()),
    ],
)
def test_filters_select(api, traces, text, names):
    assert found(api, text.format(m=MARK)) == {traces[name] for name in names}


def test_the_command_line_speaks_the_same_language(server, api, traces):
    done = run(
        "traces", "list", "--data-dir", server.data_dir, "--filter", f"environment = env-{MARK}",
        "--json", check=True,
    )  # fmt: skip
    assert all(trace in done.stdout for trace in traces.values())


def test_pages_follow_one_another_without_gap_or_overlap(api, traces):
    seen, cursor = [], None
    for _ in range(10):
        params = {"filter": f"environment = env-{MARK}", "limit": 1}
        if cursor:
            params["cursor"] = cursor
        body = api.get("/api/v1/traces", params=params).json()
        seen += [row["trace_id"] for row in body["data"]]
        cursor = body["next_cursor"]
        if not cursor:
            break
    assert sorted(seen) == sorted(traces.values())


def test_analytics_add_up(api, server):
    own = server.create_key("ingest,read", name="own")
    before = api.get("/api/v1/analytics", params={"from": "2026-01-01", "to": "2100-01-01"})
    assert before.status_code == 200, before.text
    trace_id = str(uuid4())
    priced = span(trace_id, span_type="llm", model="gpt-4o-mini", tokens_in=1000, tokens_out=100)
    assert server.client(own).post("/api/v1/ingest/spans", json={"batch": [priced]}).is_success
    after = api.get("/api/v1/analytics", params={"from": "2026-01-01", "to": "2100-01-01"})
    was, now = before.json()["data"]["totals"], after.json()["data"]["totals"]
    assert now["spans"] - was["spans"] == 1
    assert int(now["cost_nano_usd"]) - int(was["cost_nano_usd"]) == 1000 * 150 + 100 * 600


def test_sessions_gather_their_traces(api):
    session = f"session-{uuid4().hex}"
    for _ in range(2):
        one = span(str(uuid4()), session_id=session)
        assert api.post("/api/v1/ingest/spans", json={"batch": [one]}).is_success
    rows = api.get("/api/v1/sessions", params={"filter": f"session = {session}"}).json()["data"]
    assert len(rows) == 1 and session in json.dumps(rows)
