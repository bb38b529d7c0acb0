"""Demo 1, happy path: a support agent that looks things up, decides and answers. Nothing is called.

    pip install exhibit
    export AUDITTRAIL_API_KEY=sk-at-...
    python demo_happy_path.py
"""

from concurrent.futures import ThreadPoolExecutor

from demo_stage import MODEL, Stage


def main():
    stage = Stage("support-agent", "Where is my order 4711?")
    with stage.trace as trace:
        with trace.span("chain", "understand") as phase:
            with phase.span("llm", "classify", model_id=MODEL) as call:
                stage.says(call, "Classify: where is my order 4711?", '{"intent": "order-status"}', 180, 12)

        def look_up(name, given, found):
            with stage.client.span("tool", name) as span:
                span.record_input(given)
                stage.takes(0.2)
                span.record_output(found)
                span.record_tool_call(name, given, found, selected_from=["orders", "carrier", "refund"])

        with trace.span("chain", "look up"), ThreadPoolExecutor(2) as pool:
            pool.submit(look_up, "orders", {"id": 4711}, {"state": "shipped", "on": "Monday"})
            pool.submit(look_up, "carrier", {"order": 4711}, {"at": "Köln", "due": "tomorrow"})

        with trace.span("llm", "answer", model_id=MODEL) as call:
            answer = "It was shipped on Monday, is in Köln, and arrives tomorrow."
            stage.says(call, "Order: shipped Monday. Carrier: Köln, due tomorrow.", answer, 420, 35)
        trace.set_summary({"answer": answer, "outcome": "success"})
    stage.end()


if __name__ == "__main__":
    main()
