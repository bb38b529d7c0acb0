"""Each snippet of the documents is a program of its own, as printed; only what a page leaves out
(`do_processing`, the graph, the key) is put around it."""

import importlib.metadata
import os
import subprocess
import sys

import pytest

AITRACER = """
from aitracer import AITracer
client = AITracer(
api_key="your-api-key"
)
trace = client.trace(
model="gpt-4o",
input="Summarize this quarterly report",
metadata={
"workflow": "finance-review"
}
)
print(trace.id)
"""

CREATING = """
import tracium
client = tracium.init()

# Using context manager (recommended)
with client.agent_trace(
    agent_name="support-bot",
    model_id="gpt-4",
    tags=["production", "support"],
    metadata={"customer_tier": "premium"}
) as trace:
    # Your code here
    # All spans created inside are part of this trace
    pass
print(trace.id)
"""

HANDLE = """
import tracium
client = tracium.init()
with client.agent_trace(agent_name="my-agent") as trace:
    # Access trace properties
    print(f"Trace ID: {trace.id}")
    print(f"Agent: {trace.agent_name}")

    # Add tags during execution
    trace.add_tags(["urgent", "high-priority"])

    # Set a summary when done
    trace.set_summary({
        "total_tokens": 500,
        "outcome": "success"
    })

    # Create spans (covered in Spans documentation)
    with trace.span(span_type="llm", name="completion") as span:
        pass

    # Mark as failed if needed
    # trace.mark_failed("Error message")
"""

PROPAGATION = """
do_processing = str.upper
import tracium
from concurrent.futures import ThreadPoolExecutor

client = tracium.init()

def process_item(item):
    # This function has access to the parent trace context
    # Any spans created here are part of the parent trace
    with tracium.span(span_type="tool", name="process") as span:
        span.record_input({"item": item})
        result = do_processing(item)
        span.record_output({"result": result})
        return result

with client.agent_trace(agent_name="batch-processor") as trace:
    items = ["a", "b", "c"]

    # Context is automatically propagated to threads
    with ThreadPoolExecutor(max_workers=3) as executor:
        results = list(executor.map(process_item, items))
print(trace.id)
"""

LAZY = """
import tracium
client = tracium.init()
def should_process(request): return request
def process_result(request): return request
for request in (True, False):
    with client.agent_trace(
        agent_name="conditional-agent",
        lazy_start=True  # Trace won't be created until first span
    ) as trace:
        if should_process(request):
            # Only now is the trace actually created
            with trace.span(span_type="llm") as span:
                result = process_result(request)
    # If no spans were created, no trace is sent
    print(trace.id)
"""

ERRORS = """
import tracium
client = tracium.init()
SpecificError = ConnectionError
def risky_operation(): raise SpecificError("down")
try:
    with client.agent_trace(agent_name="error-handler") as trace:
        try:
            # If an exception occurs, the trace is automatically marked failed
            result = risky_operation()
        except SpecificError as e:
            # You can also manually mark as failed
            trace.mark_failed(f"Operation failed: {e}")
            # Handle the error
            raise
except SpecificError:
    print(trace.id)
"""

FAIL_SAFE = """
import tracium
client = tracium.init()
def your_important_function(): return "it ran"
# Even if Tracium has issues, your code runs normally
with client.agent_trace(agent_name="resilient-agent") as trace:
    # If the API is unreachable, this still executes
    result = your_important_function()
    # Tracing failures are logged but don't break your app
print(result)
"""

CALLBACK = """
import asyncio
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph

model = ChatOpenAI(model="gpt-4o-mini")
builder = StateGraph(MessagesState)
builder.add_node("think", lambda state: {"messages": [model.invoke(state["messages"])]})
builder.add_edge(START, "think")
graph = builder.compile()

from audittrail.callback_handler import AuditTrailCallbackHandler
from audittrail.traceable import init_tracer, start_trace, shutdown_tracer

async def main():
    await init_tracer()
    async with start_trace("my-agent", "development") as trace_id:
        handler = AuditTrailCallbackHandler(trace_id=trace_id)
        result = await graph.ainvoke(
            {"messages": [HumanMessage(content="...")]},
            config={"callbacks": [handler]},
        )
    await shutdown_tracer()
    print(trace_id)

asyncio.run(main())
"""


def run(program, **env):
    """The lines a program prints; it must end well."""
    done = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", "-c", program],
        capture_output=True, text=True, timeout=120, env={**os.environ, **env},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def tracium(server, keys):
    env = {"TRACIUM_API_KEY": keys["TRACIUM_API_KEY"], "TRACIUM_BASE_URL": server.url}
    return lambda program: run(program, **env)


def test_the_first_trace_of_aitracer_runs_as_printed(server, keys, read):
    program = AITRACER.replace("your-api-key", keys["AITRACER_API_KEY"])
    [trace_id] = run(program, AITRACER_BASE_URL=server.url)
    trace = read(trace_id, 2)
    assert trace["metadata"] == {"workflow": "finance-review"} and trace["name"] == "finance-review"
    call = trace["by_name"]["chat gpt-4o"]
    assert call["model"] == "gpt-4o" and call["span_type"] == "llm"
    assert call["input_messages"][0]["parts"][0]["content"] == "Summarize this quarterly report"


def test_the_first_trace_of_aitracer_prints_an_id_when_nobody_answers():
    [trace_id] = run(AITRACER, AITRACER_BASE_URL="http://127.0.0.1:9")
    assert trace_id.startswith("tr_")


def test_a_trace_of_tracium_has_its_properties(tracium, read):
    [trace_id] = tracium(CREATING)
    trace = read(trace_id)
    assert trace["agent_name"] == "support-bot" and set(trace["tags"]) == {"production", "support"}
    assert trace["metadata"] == {"customer_tier": "premium"} and trace["models"] == ["gpt-4"]


def test_the_handle_of_tracium_has_its_methods(tracium, read):
    first, second = tracium(HANDLE)
    assert second == "Agent: my-agent"
    trace = read(first.removeprefix("Trace ID: "), 2)
    assert set(trace["tags"]) == {"urgent", "high-priority"}
    assert trace["by_name"]["my-agent"]["output"] == {"total_tokens": 500, "outcome": "success"}
    assert trace["by_name"]["completion"]["span_type"] == "llm"


def test_context_travels_to_a_pool_as_tracium_prints_it(tracium, read):
    [trace_id] = tracium(PROPAGATION)
    trace = read(trace_id, 4)
    steps = [s for s in trace["spans"] if s["name"] == "process"]
    assert sorted(s["input"]["item"] for s in steps) == ["a", "b", "c"]
    assert sorted(s["output"]["result"] for s in steps) == ["A", "B", "C"]
    assert {s["parent_span_id"] for s in steps} == {trace["root_span_id"]}


def test_a_lazy_trace_of_tracium_is_sent_only_with_a_span(tracium, read, server, keys):
    with_span, without = tracium(LAZY)
    assert len(read(with_span, 2)["spans"]) == 2
    with server.client(keys["TRACIUM_API_KEY"]) as api:
        assert api.get(f"/api/v1/traces/{without}").status_code == 404


def test_errors_are_recorded_as_tracium_prints_it(tracium, read):
    [trace_id] = tracium(ERRORS)
    trace = read(trace_id)
    assert trace["status"] == "error"
    [root] = trace["spans"]
    assert root["error_type"] == "ConnectionError"


def test_tracium_without_a_recorder_runs_all_the_same():
    env = {"TRACIUM_BASE_URL": "http://127.0.0.1:9", "TRACIUM_API_KEY": "nobody-knows-it"}
    assert run(FAIL_SAFE, **env) == ["it ran"]


def test_the_callback_handler_of_audittrail_records_a_graph(server, keys, read):
    from scripted_provider import ScriptedProvider

    with ScriptedProvider() as provider:
        [trace_id] = run(
            CALLBACK, AUDITTRAIL_API_KEY=keys["AUDITTRAIL_API_KEY"], AUDITTRAIL_API_URL=server.url,
            OPENAI_API_KEY="scripted", OPENAI_BASE_URL=provider.openai_url,
        )  # fmt: skip
    trace = read(trace_id, 4)
    assert trace["agent_name"] == "my-agent" and trace["environment"] == "development"
    assert trace["status"] == "ok"
    [call] = [s for s in trace["spans"] if s["span_type"] == "llm"]
    assert call["cost_source"] == "table" and call["tokens_in"] == 120
    assert call["parent_span_id"] == trace["by_name"]["think"]["span_id"]


def test_the_official_packages_are_not_beside_it():
    installed = {(d.metadata["Name"] or "").lower() for d in importlib.metadata.distributions()}
    assert not installed & {"aitracer", "aitracer-sdk", "tracium", "audittrail"}
