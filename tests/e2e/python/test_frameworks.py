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


def traces(server, key):
    with server.client(key) as api:
        return api.get("/api/v1/traces", params={"limit": 200}).json()["data"]
