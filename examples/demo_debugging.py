"""Demo 3, debugging: a tool that fails twice, a retry that works, and an answer that is wrong because of a
step one would not suspect. Nothing is called.

    pip install exhibit
    export AUDITTRAIL_API_KEY=sk-at-...
    python demo_debugging.py
"""

from demo_stage import MODEL, Stage


def fetch_rate(span, attempt):
    span.record_input({"pair": "EUR/USD", "attempt": attempt})
    if attempt < 3:
        raise TimeoutError(f"no answer within 5 s (attempt {attempt})")
    # The cause: the cache answers with the rate of last year.
    span.record_output({"rate": 1.31, "source": "cache", "as_of": "2025-01-02"})


def main():
    stage = Stage("finance-agent", "Convert 1000 EUR to USD")
    with stage.trace as trace:
        with trace.span("chain", "get the rate"):
            for attempt in (1, 2, 3):
                try:
                    with trace.span("tool", "exchange_rate") as span:
                        stage.takes(0.1)
                        fetch_rate(span, attempt)
                    break
                except TimeoutError as error:
                    print(f"[RETRY] {error}")
        with trace.span("llm", "answer", model_id=MODEL) as call:
            stage.says(call, "1000 EUR at 1.31", "1000 EUR are 1310 USD.", 70, 12)
        with trace.span("evaluator", "check against the central bank") as check:
            check.record_input({"answer": 1310, "expected": 1085})
            check.mark_failed("the answer is 21 % off")
        trace.mark_failed("wrong answer: the rate came from the cache of last year")
    stage.end()
    failed = [span for span in stage.read()["spans"] if span["status"] == "error"]
    print(f"[FAILED] {len(failed)} steps; open the trace and follow the path of exchange_rate")


if __name__ == "__main__":
    main()
