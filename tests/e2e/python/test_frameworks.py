"""Frameworks with tracing of their own, each with its published package: what they send is stored, mapped
and priced."""

import json

import pytest

import clients
from openai_stand_in import ANSWER

#: Framework, dialect that its spans are told by, tokens read from the cache, where the cost comes from.
#: Logfire's own instrument of OpenAI sends totals only, and a cost that knows of the cache.
FRAMEWORKS = [
    ("pydantic_ai", "logfire", 100, "agent"),
    ("logfire", "logfire", 0, "agent"),
    ("traceloop", "otel-genai", 100, "table"),
    ("mlflow", "mlflow", 100, "table"),
]


@pytest.mark.parametrize(("framework", "dialect", "cached", "source"), FRAMEWORKS)
def test_a_frameworks_call_is_stored_mapped_and_priced_once(
    server, openai_server, framework, dialect, cached, source
):
    made = server.create_key("ingest,read", name=framework)
    before = {t["trace_id"] for t in traces(server, made)}
    assert clients.run("frameworks", "frameworks_run.py", framework, server.url, made, openai_server.base_url)
    [trace] = [t for t in traces(server, made) if t["trace_id"] not in before]
    with server.client(made) as api:
        trace = api.get(f"/api/v1/traces/{trace['trace_id']}").json()["data"]
    [call] = [span for span in trace["spans"] if span["span_type"] == "llm"]
    assert call["model"] == "gpt-4o-2024-08-06" and dialect in call["dialects"]
    assert (call["tokens_in"], call["tokens_out"], call["status"]) == (120, 40, "ok")
    assert call["usage"].get("cache_read", 0) == cached
    assert call["cost_source"] == source and call["cost_nano_usd"] == str(20 * 2500 + 100 * 1250 + 40 * 10000)
    assert trace["cost_nano_usd"] == call["cost_nano_usd"], "a call is counted once"
    assert [m["role"] for m in call["input_messages"]] == ["system", "user"]
    assert "Explain transformers" in json.dumps(call["input_messages"])
    assert ANSWER in json.dumps(call["output_messages"])
    if framework == "pydantic_ai":
        [agent] = [span for span in trace["spans"] if span["span_type"] == "agent"]
        assert agent["agent_name"] == "explainer" and call["parent_span_id"] == agent["span_id"]
        assert agent["cost_nano_usd"] is None, "the agent's sum is not billed again"


#: In environments of their own, pinned: AgentOps reaches into an exporter that newer OpenTelemetry has rewritten
#: (after 1.36), OpenLIT wants one from 1.39 on, and left to itself pip tries combinations for minutes. Package,
#: environment, tokens read from the cache, source of the cost, cost. OpenLIT asks the network for prices and says
#: zero without them; LiteLLM brings a table, and tells of the cache only by the cost; AgentOps does not tell of it.
CACHED, PLAIN = 20 * 2500 + 100 * 1250 + 40 * 10000, 120 * 2500 + 40 * 10000
PACKAGES = [
    ("openlit", "openlit_litellm", 100, "table", CACHED),
    ("litellm", "openlit_litellm", 0, "agent", CACHED),
    ("agentops", "agentops", 0, "table", PLAIN),
]


@pytest.mark.parametrize(("package", "place", "cached", "source", "cost"), PACKAGES)
def test_a_packages_call_is_stored_mapped_and_priced_once(server, openai_server, package, place, cached, source, cost):
    made = server.create_key("ingest,read", name=package)
    before = {t["trace_id"] for t in traces(server, made)}
    assert clients.run(place, "frameworks_run.py", package, server.url, made, openai_server.base_url)
    new = [t["trace_id"] for t in traces(server, made) if t["trace_id"] not in before]
    with server.client(made) as api:
        found = [api.get(f"/api/v1/traces/{one}").json()["data"] for one in new]
    [(trace, call)] = [(t, span) for t in found for span in t["spans"] if span["span_type"] == "llm"]
    assert call["model"] == "gpt-4o-2024-08-06" and any(package in s["dialects"] for s in trace["spans"])
    assert (call["tokens_in"], call["tokens_out"], call["status"]) == (120, 40, "ok")
    assert call["usage"].get("cache_read", 0) == cached
    assert call["cost_source"] == source and call["cost_nano_usd"] == str(cost)
    assert trace["cost_nano_usd"] == call["cost_nano_usd"], "a call is counted once"
    assert [m["role"] for m in call["input_messages"]] == ["system", "user"]
    assert "Explain transformers" in json.dumps(call["input_messages"])
    assert ANSWER in json.dumps(call["output_messages"])
    if package == "openlit":
        assert (trace["environment"], trace["service"]) == ("staging", "explainer")
    if package == "agentops":
        kinds = {span["span_type"]: span for span in trace["spans"]}
        assert kinds["agent"]["agent_name"] == "explainer" and kinds["tool"]["output"] == {"tier": "gold"}
        assert kinds["tool"]["parent_span_id"] == kinds["task"]["span_id"] and trace["tags"] == ["nightly"]


def test_agentops_gets_its_token_for_a_key_that_may_write_and_for_no_other(server):
    with server.client() as api:
        ask = lambda key: api.post("/v3/auth/token", json={"api_key": key})  # noqa: E731
        made = server.create_key("ingest")
        answer = ask(made)
        assert answer.status_code == 200 and answer.json()["token"] == made and answer.json()["project_id"]
        reader, nobody = ask(server.create_key("read")), ask("00000000-0000-4000-8000-000000000000")
        assert (reader.status_code, nobody.status_code) == (403, 401)
        assert "error" in nobody.json() and "token" not in nobody.json()
        assert api.post("/v3/auth/token", json={}).status_code == 422


def traces(server, key):
    with server.client(key) as api:
        return api.get("/api/v1/traces", params={"limit": 200}).json()["data"]
