"""`exhibit import`: what other products exported becomes traces, mapped and priced as if it had been sent."""

import json
import uuid

import pytest

import clients
from exhibit import run

AT, LATER = "2026-11-21T07:00:00Z", "2026-11-21T07:00:02Z"


@pytest.fixture
def run_id():
    return uuid.uuid4().hex[:8]


@pytest.fixture
def take(server, tmp_path):
    """Imports a file; gives the report and the exit code."""

    def imported(content, *options, name="file.jsonl"):
        path = content
        if not hasattr(content, "exists"):
            path = tmp_path / name
            lines = content if isinstance(content, list) else [content]
            path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
        done = run("import", path, "--data-dir", server.data_dir, "--json", *options)
        assert done.stdout, done.stderr
        return json.loads(done.stdout), done.returncode

    return imported


def spans_of(trace):
    return {s["name"]: s for s in trace["spans"]}


def test_phoenix_and_langsmith_tables_are_read(take, read_trace, run_id, tmp_path):
    paths = tmp_path / "phoenix.parquet", tmp_path / "langsmith.parquet"
    made = clients.run("parquet", "parquet_files.py", *paths, run_id)
    for path, format in zip(paths, ("phoenix", "langsmith"), strict=True):
        report, code = take(path)
        assert code == 0 and report["files"][0]["format"] == format and report["records"] == 2
    trace = read_trace(made["phoenix"], 2)
    call = spans_of(trace)["chat"]
    assert (call["model"], call["tokens_in"], call["tokens_out"], call["status"]) == ("gpt-4o-mini", 100, 20, "error")
    assert call["cost_source"] == "table" and "refund policy" in json.dumps(call["input"])
    assert call["parent_span_id"] == spans_of(trace)["answer"]["span_id"] and call["start_time"].startswith(AT[:19])
    assert trace["session_id"] == f"chat-{run_id}" and trace["metadata"]["tier"] == "gold"
    call = spans_of(read_trace(made["langsmith"], 2))["call_model"]
    assert (call["model"], call["tokens_in"], call["span_type"]) == ("gpt-4o-mini", 100, "llm")
    assert call["cost_source"] == "table" and "Thirty" in json.dumps(call["output"])


def test_a_langfuse_export_keeps_traces_observations_and_scores(take, read_trace, run_id):
    page = {"data": [{
        "id": f"lf-{run_id}", "timestamp": AT, "name": "support", "sessionId": f"s-{run_id}", "userId": "u7", "tags": ["beta"],
        "observations": [
            {"id": f"o1-{run_id}", "traceId": f"lf-{run_id}", "type": "SPAN", "name": "answer", "startTime": AT, "endTime": LATER},
            {"id": f"o2-{run_id}", "traceId": f"lf-{run_id}", "type": "GENERATION", "name": "think", "startTime": AT,
             "endTime": LATER, "parentObservationId": f"o1-{run_id}", "model": "gpt-4o-mini", "input": "refund?",
             "output": "Thirty days.", "usageDetails": {"input": 100, "output": 20, "total": 120}}],
        "scores": [{"id": f"sc-{run_id}", "traceId": f"lf-{run_id}", "name": "helpful", "value": 1, "timestamp": LATER}],
    }]}  # fmt: skip
    report, code = take(page, name="export.json")
    assert (code, report["files"][0]["format"], report["refused"]) == (0, "langfuse", 0)
    trace = read_trace(f"lf-{run_id}", 3)
    call = spans_of(trace)["think"]
    assert (trace["name"], trace["session_id"], trace["user_id"]) == ("support", f"s-{run_id}", "u7")
    assert (call["tokens_in"], call["tokens_out"], call["span_type"]) == (100, 20, "llm")
    assert call["cost_source"] == "table" and spans_of(trace)["helpful"]["span_type"] == "evaluator"
    # The bulk export writes names with underscores and structures as text.
    row = {"id": f"b-{run_id}", "trace_id": f"bulk-{run_id}", "type": "GENERATION", "name": "bulk", "start_time": AT, "end_time": LATER,
           "provided_model_name": "gpt-4o-mini", "usage_details": '{"input":5,"output":1}', "input": '"hi"', "project_id": "p"}  # fmt: skip
    assert take(row)[1] == 0
    [call] = read_trace(f"bulk-{run_id}")["spans"]
    assert (call["model"], call["tokens_in"]) == ("gpt-4o-mini", 5)


def test_a_collectors_file_of_otlp_lines_is_read(take, read_trace, run_id):
    trace_id = uuid.uuid4().hex
    span = {"traceId": trace_id, "spanId": "00f067aa0ba902b7", "name": "chat", "startTimeUnixNano": "1795244400000000000",
            "endTimeUnixNano": "1795244401000000000", "attributes": [
                {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o-mini"}},
                {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "7"}}]}  # fmt: skip
    lines = [{"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}, {"resourceMetrics": []}]
    report, code = take(lines)
    assert (code, report["files"][0]["format"], report["records"]) == (0, "otlp-json", 2)
    [call] = read_trace(trace_id)["spans"]
    assert (call["model"], call["tokens_in"], call["cost_source"]) == ("gpt-4o-mini", 7, "table")


def test_the_agents_sdks_lines_and_the_mirror_of_the_mission_are_read(take, read_trace, run_id):
    take([
        {"object": "trace", "id": f"trace_{run_id}", "workflow_name": "support", "group_id": f"g-{run_id}"},
        {"object": "trace.span", "id": "span_1", "trace_id": f"trace_{run_id}", "started_at": AT, "ended_at": LATER,
         "span_data": {"type": "generation", "model": "gpt-4o-mini", "usage": {"input_tokens": 9, "output_tokens": 3}}},
    ])  # fmt: skip
    trace = read_trace(f"trace_{run_id}")
    assert trace["name"] == "support" and trace["spans"][0]["tokens_in"] == 9
    mirror = f"mirror_{run_id}"
    report, code = take([
        {"event": "trace_start", "trace_id": mirror, "name": "wrapped", "at": AT},
        {"event": "span_start", "trace_id": mirror, "span_id": "s1", "parent_id": None, "span_type": "agent", "at": AT},
        {"event": "span_end", "trace_id": mirror, "span_id": "s1", "parent_id": None, "span_type": "agent",
         "started_at": AT, "ended_at": LATER},
    ])  # fmt: skip
    assert (code, report["files"][0]["format"]) == (0, "openai-agents")
    [span] = read_trace(mirror)["spans"]
    assert (span["span_type"], span["status"], read_trace(mirror)["name"]) == ("agent", "ok", "wrapped")


def test_audittrail_batches_go_in_and_what_is_refused_is_in_the_list(take, read_trace, run_id, server):
    span = lambda n, **more: {"span_id": f"{n}-{run_id}", "trace_id": f"at-{run_id}", "name": n, "span_type": "llm",  # noqa: E731
                              "start_time": AT, "end_time": LATER, "status": "ok", "model": "gpt-4o-mini",
                              "tokens_in": 10, "tokens_out": 5} | more  # fmt: skip
    bad = span("bad", tool_calls=[{"tool_name": "t", "arguments": {}, "result": "a text"}])
    report, code = take([{"batch": [span("good"), bad]}, '{"batch": [', {"batch": [span("also")]}])
    assert (code, report["records"], report["refused"]) == (1, 3, 2), report
    assert set(spans_of(read_trace(f"at-{run_id}", 2))) == {"good", "also"}
    letters = json.loads(run("dead-letters", "list", "--data-dir", server.data_dir, "--json", check=True).stdout)
    assert any(f"bad-{run_id}" in json.dumps(letter) for letter in letters["data"])


def test_a_file_imported_twice_is_recorded_once_and_an_interrupted_run_goes_on(take, read_trace, run_id, tmp_path):
    rows = [{"span_id": f"{n}", "trace_id": f"r-{run_id}", "name": f"s{n}", "span_type": "tool", "start_time": AT,
             "end_time": LATER, "status": "ok"} for n in range(450)]  # fmt: skip
    assert take(rows, name="big.jsonl")[0]["records"] == 450
    assert read_trace(f"r-{run_id}", 100)["span_count"] == 450
    take(rows, name="big.jsonl")
    assert read_trace(f"r-{run_id}", 100)["span_count"] == 450
    # The note of an interrupted run: everything before record 400 is left alone.
    moved = [r | {"trace_id": f"later-{run_id}"} for r in rows]
    path = tmp_path / "later.jsonl"
    path.write_text("\n".join(map(json.dumps, moved)))
    note = tmp_path / "later.jsonl.import"
    note.write_text(json.dumps({"length": path.stat().st_size, "done": 400, "refused": 0}))
    take(path)
    assert read_trace(f"later-{run_id}", 50)["span_count"] == 50 and not note.exists()
    note.write_text(json.dumps({"length": path.stat().st_size, "done": 400, "refused": 0}))
    take(path, "--restart")
    assert read_trace(f"later-{run_id}", 100)["span_count"] == 450


def test_what_is_no_export_says_so(server, tmp_path):
    for content, word in (('{"a": 1}', "--format"), ("hello", "JSON"), ("", "no records")):
        path = tmp_path / "odd"
        path.write_text(content)
        done = run("import", path, "--data-dir", server.data_dir)
        assert done.returncode == 2 and word in done.stderr, done.stderr
    assert run("import", tmp_path / "missing", "--data-dir", server.data_dir).returncode != 0
