"""Records traces with the published Tracium client, then reads back what its service answers."""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import tracium

os.environ["TRACIUM_FORCE_SYNC"] = "1"
url, key, run = sys.argv[1:4]
client = tracium.init(api_key=key, base_url=url)
ids = {}

with client.agent_trace(
    agent_name="support bot", model_id="gpt-4o", tags=["beta"], trace_id=f"trace-{run}", version="1.2",
) as trace:  # fmt: skip
    ids["tree"] = trace.id
    with trace.span(span_type="plan", name="plan") as plan:
        plan.record_input({"goal": "answer"})
        with trace.span(span_type="llm", name="think", model_id="gpt-4o") as llm:
            llm.record_input([{"role": "user", "content": "What is our refund policy?"}])
            llm.record_output("Thirty days.")
            llm.set_token_usage(input_tokens=70, output_tokens=10, cached_input_tokens=30)
        plan.record_output({"steps": 1})
    with trace.span(span_type="agent", name="fan-out") as fan_out:

        def work(n):
            with trace.span(span_type="tool", name=f"tool {n}") as tool:
                tool.record_input({"n": n})
                time.sleep(0.05)
                tool.record_output({"n": n * n})

        with ThreadPoolExecutor(max_workers=3) as pool:
            list(pool.map(work, range(3)))
    trace.add_tags(["seen"])
    trace.set_summary({"answer": "Thirty days."})

try:
    with client.agent_trace(agent_name="failing bot", trace_id=f"failed-{run}") as trace:
        ids["failed"] = trace.id
        with trace.span(span_type="tool", name="broken"):
            raise ValueError("no such account")
except ValueError:
    pass

with client.agent_trace(agent_name="lazy bot", trace_id=f"lazy-{run}", lazy_start=True):
    pass

with client.agent_trace(agent_name="lazy bot", trace_id=f"worked-{run}", lazy_start=True) as trace:
    ids["worked"] = trace.id
    with trace.span(span_type="chain", name="step"):
        pass

tracium.set_tenant("acme")
with client.agent_trace(agent_name="tenant bot", trace_id=f"tenant-{run}") as trace:
    ids["tenant"] = trace.id
    with trace.span(span_type="tool", name="step"):
        pass

deadline = time.monotonic() + 20
while tracium.get_queue_stats().get("queue_size", 0) and time.monotonic() < deadline:
    time.sleep(0.05)
time.sleep(0.3)
print(json.dumps({
    "ids": ids,
    "gantt": client.get_gantt_data(ids["tree"]),
    "user": client.get_current_user(),
    "drift": client.trigger_drift_check(metrics=["latency", "error_rate"]),
    "prompts": client.trigger_prompt_embeddings_drift_check(),
}))  # fmt: skip
