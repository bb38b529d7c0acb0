"""What recording costs the application, and how much one process delivers.

    python bench/overhead.py                          # cost per span, recorder or not
    EXHIBIT_URL=… EXHIBIT_API_KEY=… python bench/overhead.py --rate 10000 --seconds 10
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import exhibit  # noqa: E402

TEXT = "The quarterly report says that revenue grew by eleven percent. " * 14
INPUT = {"messages": [{"role": "user", "content": TEXT}], "customer": 7, "top": ["a", "b", "c"]}


def per_span_us(client: exhibit.Exhibit, spans: int) -> tuple[float, float]:
    """(median, 99th percentile) of opening, filling and ending a span, microseconds."""
    took = []
    with client.agent_trace("bench") as trace:
        for _ in range(spans):
            began = time.perf_counter_ns()
            with trace.span(span_type="llm", name="completion") as span:
                span.record_input(INPUT)
            took.append(time.perf_counter_ns() - began)
    took.sort()
    return statistics.median(took) / 1e3, took[len(took) * 99 // 100] / 1e3


def sustained(client: exhibit.Exhibit, rate: int, seconds: int) -> None:
    """Makes `rate` spans each second, evenly in steps of 10 ms, and says what became of them."""
    began = time.monotonic()
    made, most = 0, 0
    while (elapsed := time.monotonic() - began) < seconds:
        due = min(rate * seconds, int(rate * elapsed))
        while made < due:
            with client.agent_trace("bench") as trace:
                for _ in range(9):
                    with trace.span(span_type="llm", name="completion") as span:
                        span.record_input(INPUT)
                        span.record_output("done")
                        span.record_usage(100, 20)
            made += 10
        most = max(most, client.stats().waiting)
        time.sleep(0.01)
    making = time.monotonic() - began
    done = client.flush(60)
    whole = time.monotonic() - began
    print(
        f"{made} spans in {making:.1f} s ({made / making:,.0f}/s), durable after {whole:.1f} s "
        f"({made / whole:,.0f}/s), most waiting {most}, complete: {done}, {client.stats()}"
    )


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rate", type=int, default=0, help="spans per second")
    options.add_argument("--seconds", type=int, default=5)
    options.add_argument("--spans", type=int, default=20_000)
    asked = options.parse_args()
    if asked.rate:
        sustained(exhibit.Exhibit(), asked.rate, asked.seconds)
        return
    off = exhibit.Exhibit(enabled=False)
    print("disabled: median %.2f us, p99 %.2f us" % per_span_us(off, asked.spans))
    on = exhibit.Exhibit()
    print("enabled:  median %.2f us, p99 %.2f us" % per_span_us(on, asked.spans))
    on.flush(30)
    print(on.stats())


if __name__ == "__main__":
    main()
