"""AuditTrail's quick start where its page looks for it, and its table of common pitfalls: a test per row."""

import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

import exhibit
from exhibit import eventually
from test_accounts import PASSWORD, registered
from test_audittrail import finished_span

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guide" / "troubleshooting.md"


@pytest.fixture(scope="module")
def agent(server):
    """A client with an ingest key, as an agent has it."""
    key = server.create_key("ingest", name="My Agent", prefix="sk-at")
    with server.client(key) as client:
        yield client


def ingest(agent, *spans):
    return agent.post("/api/v1/ingest/spans", json={"batch": list(spans)})


def read(agent, trace_id):
    return agent.get(f"/api/v1/traces/{trace_id}").json()["data"]


def free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture
def usual(tmp_path):
    """The server as it starts by itself: dashboard on port 3000, the same on port 8000."""
    if not (free(3000) and free(8000)):
        pytest.skip("port 3000 or 8000 is taken on this machine")
    program = [exhibit.BINARY, "serve", "--data-dir", str(tmp_path / "data"), "--otlp-http", "off", "--otlp-grpc", "off"]
    process = subprocess.Popen(program, env=exhibit.environment(), cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        yield eventually(lambda: not free(8000) and process, seconds=30)
    finally:
        process.terminate()
        process.wait(30)


def test_the_quick_start_runs_on_its_own_port(usual):
    API = "http://localhost:8000"
    health = httpx.get(f"{API}/api/v1/health").json()
    assert health["status"] == "ok" and health["db_connected"] is True

    # 2 and 3: an account, an empty list, a key for the agent.
    with httpx.Client(base_url=API, headers={"Origin": "http://localhost:3000"}) as browser:
        who = {"email": "ann@example.com", "password": PASSWORD, "display_name": "Ann"}
        assert browser.post("/api/v1/auth/register", json=who).status_code == 201
        assert browser.post("/api/v1/auth/login", json=who).status_code == 200
        assert browser.get("/api/v1/traces").json()["data"] == []
        made = browser.post("/api/v1/keys", json={"name": "My Agent", "scopes": ["ingest"], "prefix": "sk-at"})
        headers = {"Authorization": f"Bearer {made.json()['key']}"}

    # Register a trace.
    trace_id = str(uuid4())
    assert httpx.post(f"{API}/api/v1/ingest/traces", json={
        "trace": {
            "trace_id": trace_id,
            "agent_name": "my-agent",
            "environment": "development",
            "metadata": {"user_prompt": "..."},
        }
    }, headers=headers).is_success  # fmt: skip

    # Send spans.
    spans = [finished_span(trace_id)]
    assert httpx.post(f"{API}/api/v1/ingest/spans", json={"batch": spans}, headers=headers).is_success

    # The live tracing pattern, with a tool call.
    span_id, start = str(uuid4()), datetime.now(UTC)
    step = {"span_id": span_id, "trace_id": trace_id, "parent_span_id": spans[0]["span_id"], "name": "my_tool",
            "span_type": "tool", "start_time": start.isoformat()}  # fmt: skip
    begun = {"batch": [step | {"end_time": None, "status": "running"}]}
    assert httpx.post(f"{API}/api/v1/ingest/spans", json=begun, headers=headers).is_success
    shown = httpx.get(f"{API}/api/v1/traces/{trace_id}", headers=headers).json()["data"]
    assert [s["status"] for s in shown["spans"] if s["name"] == "my_tool"] == ["running"]
    call = {
        "tool_name": "web_search",
        "arguments": {"query": "AI safety 2026"},
        "result": {"output": "Found 3 papers..."},
        "selected_from": ["web_search", "calculator"],
    }
    ended = step | {"end_time": datetime.now(UTC).isoformat(), "status": "ok", "output": {"result": "..."}, "tool_calls": [call]}
    assert httpx.post(f"{API}/api/v1/ingest/spans", json={"batch": [ended]}, headers=headers).is_success

    # Reading: port 3000 is the same server.
    for base in (API, "http://localhost:3000"):
        trace = httpx.get(f"{base}/api/v1/traces/{trace_id}", headers=headers).json()["data"]
        [tool] = [s for s in trace["spans"] if s["name"] == "my_tool"]
        assert tool["status"] == "ok" and tool["output"] == {"result": "..."}
        assert {k: tool["tool_calls"][0][k] for k in call} == call
    assert httpx.get(f"{API}/api/v1/settings/pricing", headers=headers).json()["data"]["unit"] == "USD per 1M tokens"


# -- the table, row by row -----------------------------------------------------------------------------


def test_the_guide_has_every_row():
    table = GUIDE.read_text().split("## Common pitfalls", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")][1:]
    assert rows == [
        "422 on span ingestion", "Empty trace data", "Traces do not show", "A flat graph", 'A trace stays "running"',
        "401 on all requests", "Cost is unknown", 'Cost source is "default"',
    ]  # fmt: skip


def test_422_on_span_ingestion_says_what_to_send_and_the_fix_is_taken(agent):
    trace_id = str(uuid4())
    call = {"tool_name": "web_search", "arguments": {}, "result": "text"}
    refused = ingest(agent, finished_span(trace_id, tool_calls=[call]))
    assert refused.status_code == 422 and "tool_calls/0/result" in refused.text and "output" in refused.text
    fixed = finished_span(trace_id, tool_calls=[call | {"result": {"output": "text"}}])
    assert ingest(agent, fixed).is_success
    assert read(agent, trace_id)["spans"][0]["tool_calls"][0]["result"] == {"output": "text"}


def test_empty_trace_data_is_one_level_down(agent):
    trace_id = str(uuid4())
    ingest(agent, finished_span(trace_id))
    whole = agent.get(f"/api/v1/traces/{trace_id}").json()
    assert "spans" not in whole and len(whole["data"]["spans"]) == 1


def test_traces_not_showing_is_told_by_the_answer_and_by_who_am_i(server, agent):
    span = finished_span(str(uuid4()))
    with server.client() as nobody, server.client("sk-at-" + "0" * 40) as wrong:
        for client in (nobody, wrong):
            answer = ingest(client, span)
            assert answer.status_code == 401 and "key" in answer.text.lower(), answer.text
    me = agent.get("/api/v1/auth/me")
    assert me.status_code == 200 and "workspace" in me.text
    other, _ = registered(server)
    secret = other.post("/api/v1/keys", json={"name": "k", "scopes": ["ingest"], "prefix": "sk-at"}).json()["key"]
    with server.client(secret) as elsewhere:
        assert elsewhere.get("/api/v1/auth/me").json() != me.json(), "the key of another workspace is told apart"


def test_a_flat_graph_gets_its_levels_from_intermediate_spans(agent):
    trace_id = str(uuid4())
    root = finished_span(trace_id, name="agent", span_type="agent")
    phase = finished_span(trace_id, name="research", span_type="chain", parent_span_id=root["span_id"])
    tools = [finished_span(trace_id, name=n, span_type="tool", parent_span_id=phase["span_id"]) for n in "ab"]
    assert ingest(agent, *tools, phase, root).is_success
    parents = {s["name"]: s["parent_span_id"] for s in read(agent, trace_id)["spans"]}
    assert parents == {"agent": None, "research": root["span_id"], "a": phase["span_id"], "b": phase["span_id"]}


def test_a_trace_stuck_on_running_ends_with_its_root(agent):
    trace_id = str(uuid4())
    root = finished_span(trace_id, name="agent", span_type="agent", status="running", end_time=None)
    ingest(agent, root, finished_span(trace_id, parent_span_id=root["span_id"]))
    assert read(agent, trace_id)["status"] == "running"
    ingest(agent, root | {"status": "ok", "end_time": datetime.now(UTC).isoformat()})
    assert read(agent, trace_id)["status"] == "ok"


def test_a_trace_that_nobody_ends_does_not_run_for_ever(fresh):
    with fresh("--stale-after", "1s") as own, own.client(own.create_key("ingest,read")) as agent:
        trace_id = str(uuid4())
        ingest(agent, finished_span(trace_id, status="running", end_time=None))
        ended = eventually(lambda: (t := read(agent, trace_id))["status"] != "running" and t, seconds=30)
        assert ended and "incomplete" in str(ended["spans"][0])


def test_401_after_a_session_has_ended_is_mended_by_a_login_or_a_key(server):
    someone, email = registered(server)
    assert someone.get("/api/v1/traces").status_code == 200
    key = someone.post("/api/v1/keys", json={"name": "k", "scopes": ["read"]}).json()["key"]
    cookies = dict(someone.cookies)
    assert someone.post("/api/v1/auth/logout").is_success
    refused = httpx.get(f"{server.url}/api/v1/traces", cookies=cookies)
    assert refused.status_code == 401 and "log in" in refused.text.lower(), refused.text
    with server.client(key) as by_key:
        assert by_key.get("/api/v1/traces").status_code == 200, "a key does not end with the session"
    again = someone.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
    assert again.status_code == 200 and someone.get("/api/v1/traces").status_code == 200


def test_a_cost_without_a_model_is_unknown_and_never_zero(agent):
    without, given = str(uuid4()), str(uuid4())
    ingest(agent, finished_span(without, cost=None, model=None, tokens_in=None, tokens_out=None))
    assert read(agent, without)["spans"][0]["cost"] is None
    ingest(agent, finished_span(given, cost=None))
    assert read(agent, given)["spans"][0]["cost_nano_usd"] == str(100 * 150 + 50 * 600)


def test_a_default_rate_becomes_a_price_when_the_model_is_added(fresh, tmp_path):
    rules = tmp_path / "rules"
    rules.mkdir()
    with fresh(env={"EXHIBIT_RULES_DIR": str(rules)}) as own, own.client(own.create_key("ingest,read")) as agent:

        def priced():
            trace_id, now = str(uuid4()), datetime.now(UTC)
            span = finished_span(
                trace_id, cost=None, model="house-model-1", start_time=now.isoformat(),
                end_time=(now + timedelta(milliseconds=5)).isoformat(),
            )  # fmt: skip
            assert ingest(agent, span).is_success
            return read(agent, trace_id)["spans"][0]

        assert priced()["cost_source"] == "default"
        (rules / "pricing.yaml").write_text("models:\n  house-model-1: {input: 2.00, output: 4.00}\n")
        mended = eventually(lambda: (s := priced())["cost_source"] == "table" and s, seconds=20, every=0.5)
        assert mended and mended["cost_nano_usd"] == str(100 * 2000 + 50 * 4000)
