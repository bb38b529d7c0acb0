"""Traces agents with the published OpenAI Agents SDK; no model is called."""

import json
import sys

from agents import trace
from agents.tracing import (
    agent_span,
    custom_span,
    function_span,
    generation_span,
    guardrail_span,
    handoff_span,
    set_trace_processors,
)
from agents.tracing.processors import BackendSpanExporter, BatchTraceProcessor

url, key, run = sys.argv[1:4]
exporter = BackendSpanExporter(api_key=key, endpoint=f"{url}/v1/traces/ingest")
processor = BatchTraceProcessor(exporter)
set_trace_processors([processor])

trace_id = f"trace_{run.ljust(32, '0')}"
with trace("support flow", trace_id=trace_id, group_id=f"chat-{run}", metadata={"tier": "gold"}):
    with agent_span("triage", tools=["lookup"], handoffs=["billing"]):
        with guardrail_span("no secrets", triggered=False):
            pass
        with generation_span(
            input=[{"role": "user", "content": "Where is my invoice?"}],
            output=[{"role": "assistant", "content": "I will look."}],
            model="gpt-4o-mini",
            model_config={"temperature": 0.2},
            usage={"input_tokens": 120, "output_tokens": 30},
        ):
            pass
        with function_span("lookup", input='{"id": 7}', output="paid"):
            pass
        with handoff_span("triage", "billing"):
            pass
    with custom_span("input_validation", data={"ok": True}) as span:
        span.set_error({"message": "too long", "data": {"limit": 10}})
processor.force_flush()
processor.shutdown()
print(json.dumps({"trace_id": trace_id}))
