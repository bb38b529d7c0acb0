"""What Claude Code, Codex CLI and Gemini CLI export: log records become sessions, turns and steps."""

import json
import time
import uuid

import pytest


def value(item):
    if isinstance(item, bool):
        return {"boolValue": item}
    if isinstance(item, int):
        return {"intValue": str(item)}
    if isinstance(item, float):
        return {"doubleValue": item}
    return {"stringValue": item}


def attributes(pairs):
    return [{"key": k, "value": value(v)} for k, v in pairs.items()]


@pytest.fixture
def send(api):
    def post(service, events, at=None):
        start = at or time.time_ns() - 60_000_000_000
        records = [
            {"timeUnixNano": str(start + n * 1_000_000_000), "body": {"stringValue": name},
             "attributes": attributes({"event.name": name.split(".", 1)[1] if service == "claude-code" else name} | more)}
            for n, (name, more) in enumerate(events)
        ]  # fmt: skip
        answer = api.post("/v1/logs", json={"resourceLogs": [{
            "resource": {"attributes": attributes({"service.name": service})}, "scopeLogs": [{"logRecords": records}],
        }]})  # fmt: skip
        assert answer.status_code == 200 and not answer.json().get("partialSuccess"), answer.text

    return post


def traces_of(api, session):
    found = api.get("/api/v1/traces", params={"filter": f'session = "{session}"'}).json()["data"]
    return [api.get(f"/api/v1/traces/{t['trace_id']}").json()["data"] for t in found]


def claude(session, prompt, first):
    numbered = lambda n, more: {"session.id": session, "prompt.id": prompt, "event.sequence": first + n} | more  # noqa: E731
    return [
        ("claude_code.user_prompt", numbered(0, {"prompt": "Fix the test", "prompt_length": 12})),
        ("claude_code.api_request", numbered(1, {
            "model": "claude-sonnet-4-5", "input_tokens": 100, "output_tokens": 20, "cache_read_tokens": 5000,
            "cache_creation_tokens": 30, "cost_usd": 0.0125, "duration_ms": 900})),
        ("claude_code.tool_decision", numbered(2, {"tool_name": "Bash", "decision": "accept", "source": "config"})),
        ("claude_code.tool_result", numbered(3, {
            "tool_name": "Bash", "success": "true", "duration_ms": 40, "tool_parameters": '{"bash_command": "make test"}'})),
    ]  # fmt: skip


def test_claude_codes_events_become_a_turn_with_its_steps(api, send):
    session = str(uuid.uuid4())
    send("claude-code", claude(session, "p1", 1))
    [trace] = traces_of(api, session)
    [turn] = [s for s in trace["spans"] if s["parent_span_id"] is None]
    steps = {s["name"]: s for s in trace["spans"] if s["parent_span_id"] == turn["span_id"]}
    assert turn["span_type"] == "agent" and "gathered" in turn["flags"] and trace["status"] == "ok"
    assert set(steps) == {"claude_code.user_prompt", "claude_code.api_request", "claude_code.tool_decision",
                          "execute_tool Bash"}  # fmt: skip
    call, tool = steps["claude_code.api_request"], steps["execute_tool Bash"]
    assert (call["span_type"], call["model"], call["cost"]) == ("llm", "claude-sonnet-4-5", 0.0125)
    assert call["cost_source"] == "agent" and call["usage"]["cache_read"] == 5000
    assert call["usage"]["input_uncached"] == 100 and call["tokens_out"] == 20
    assert tool["span_type"] == "tool" and tool["tool_calls"][0]["arguments"] == {"bash_command": "make test"}
    decision = json.dumps(steps["claude_code.tool_decision"])
    assert '"accept"' in decision and '"config"' in decision
    assert trace["cost"] == 0.0125 and trace["session_id"] == session
    begin, end = turn["start_time"], turn["end_time"]
    assert all(begin <= s["start_time"] and s["end_time"] <= end for s in steps.values())


def test_events_that_never_arrived_are_named(api, send):
    session = str(uuid.uuid4())
    events = claude(session, "p1", 1) + claude(session, "p2", 5)
    send("claude-code", events[:2] + events[3:])
    assert len(traces_of(api, session)) == 2
    sequence = api.get(f"/api/v1/sessions/{session}/sequence").json()["data"]
    assert sequence == {"seen": 7, "first": 1, "last": 8, "missing_count": 1, "missing": [{"from": 3, "to": 3}]}
    send("claude-code", [events[2]])
    sequence = api.get(f"/api/v1/sessions/{session}/sequence").json()["data"]
    assert (sequence["seen"], sequence["missing"]) == (8, [])


def test_a_batch_that_comes_twice_is_recorded_once(api, send):
    session, at = str(uuid.uuid4()), time.time_ns() - 60_000_000_000
    for _ in range(2):
        send("claude-code", claude(session, "p1", 1), at)
    [trace] = traces_of(api, session)
    assert len(trace["spans"]) == 5 and trace["cost"] == 0.0125


def test_codex_is_priced_by_table_and_its_tools_are_calls(api, send):
    session = str(uuid.uuid4())
    common = {"conversation.id": session, "model": "gpt-5-codex"}
    send("codex_cli_rs", [
        ("codex.conversation_starts", common | {"approval_policy": "on-request", "sandbox_policy": "workspace-write"}),
        ("codex.user_prompt", common | {"prompt": "[REDACTED]", "prompt_length": 20}),
        ("codex.sse_event", common | {"event.kind": "response.completed", "input_token_count": 1000,
                                      "cached_token_count": 400, "output_token_count": 100, "reasoning_token_count": 60}),
        ("codex.tool_decision", common | {"tool_name": "shell", "call_id": "c", "decision": "denied", "source": "user"}),
        ("codex.tool_result", common | {"tool_name": "shell", "call_id": "c", "arguments": '{"cmd": "ls"}',
                                        "success": False, "output": "denied", "duration_ms": 3}),
    ])  # fmt: skip
    [trace] = traces_of(api, session)
    spans = {s["name"]: s for s in trace["spans"]}
    call, tool = spans["codex.sse_event"], spans["execute_tool shell"]
    assert (call["tokens_in"], call["tokens_out"], call["provider"]) == (1000, 100, "openai")
    assert (call["usage"]["cache_read"], call["usage"]["output_reasoning"]) == (400, 60)
    assert call["cost_source"] == "table" and call["cost"] > 0
    assert tool["status"] == "error" and tool["tool_calls"][0]["arguments"] == {"cmd": "ls"}
    assert "denied" in json.dumps(spans["codex.tool_decision"])
    assert "masked-at-source" in spans["codex.user_prompt"]["flags"]


def test_gemini_clis_thoughts_are_counted_apart(api, send):
    session = str(uuid.uuid4())
    common = {"session.id": session, "prompt_id": "p"}
    send("gemini-cli", [
        ("gemini_cli.user_prompt", common | {"prompt": "Explain", "prompt_length": 7}),
        ("gemini_cli.api_response", common | {
            "model": "gemini-2.5-pro", "input_token_count": 100, "output_token_count": 50, "thoughts_token_count": 20,
            "cached_content_token_count": 60, "total_token_count": 170, "duration_ms": 900, "response_text": "It is."}),
        ("gemini_cli.tool_call", common | {"function_name": "read_file", "function_args": '{"path": "a"}',
                                           "success": True, "decision": "auto_accept", "duration_ms": 3}),
    ])  # fmt: skip
    [trace] = traces_of(api, session)
    spans = {s["name"]: s for s in trace["spans"]}
    call = spans["gemini_cli.api_response"]
    assert call["usage"] == {"input_uncached": 40, "cache_read": 60, "output_text": 50, "output_reasoning": 20}
    assert call["cost_source"] == "table" and "It is." in json.dumps(call["output"])
    tool = spans["execute_tool read_file"]
    assert tool["span_type"] == "tool" and "auto_accept" in json.dumps(tool)
