"""What recording costs a Python application, and how much one process delivers.

    python bench/sdk/python_overhead.py                       # cost per span; rate against a stand-in
    EXHIBIT_URL=… EXHIBIT_API_KEY=… python bench/sdk/python_overhead.py   # rate against that recorder

The stand-in is a process of its own that takes every request and keeps nothing: with it the SDK is
measured, without it SDK and recorder, which share the machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "sdk" / "python" / "src"))

import exhibit  # noqa: E402

TEXT = "The quarterly report says that revenue grew by eleven percent. " * 14
INPUT = {"messages": [{"role": "user", "content": TEXT}], "customer": 7, "top": ["a", "b", "c"]}
STAND_IN = """
import socketserver, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Taker(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def log_message(self, *_): pass
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.wfile.write(b"HTTP/1.1 201 Created\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
"""


def per_span_us(client: exhibit.Exhibit, spans: int) -> str:
    """Opening, filling and ending a span, paced so that the queue is never what is measured."""
    took = []
    with client.agent_trace("bench") as trace:
        for n in range(spans):
            began = time.perf_counter_ns()
            with trace.span(span_type="llm", name="completion") as span:
                span.record_input(INPUT)
            took.append(time.perf_counter_ns() - began)
            if n % 100 == 99:
                time.sleep(0.01)
    took.sort()
    return f"median {statistics.median(took) / 1e3:.2f} µs, p99 {took[spans * 99 // 100] / 1e3:.1f} µs"


def sustained(client: exhibit.Exhibit, rate: int, seconds: int) -> None:
    """Makes `rate` spans each second, in steps of 10 ms, and says what became of them."""
    began, used = time.monotonic(), time.process_time()
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
    complete = client.flush(600)
    whole = time.monotonic() - began
    stats = client.stats()
    cpu = (time.process_time() - used) / made * 1e6
    print(f"made       {made} spans in {making:.1f} s, {made / making:,.0f}/s")
    print(f"durable    after {whole:.1f} s, {stats.delivered / whole:,.0f}/s; complete: {complete}")
    print(f"dropped    {stats.dropped}, refused {stats.rejected}, most waiting {most}")
    print(f"CPU        {cpu:.0f} µs per span, all threads")
    print(f"memory     {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB at most")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rate", type=int, default=10_000, help="spans per second")
    options.add_argument("--seconds", type=int, default=10)
    options.add_argument("--spans", type=int, default=20_000, help="spans whose cost is taken")
    asked = options.parse_args()
    print("disabled  ", per_span_us(exhibit.Exhibit(enabled=False), asked.spans))
    stand_in = None
    if "EXHIBIT_URL" not in os.environ:
        stand_in = subprocess.Popen([sys.executable, "-c", STAND_IN], stdout=subprocess.PIPE, text=True)
        assert stand_in.stdout is not None
        os.environ["EXHIBIT_URL"] = f"http://127.0.0.1:{stand_in.stdout.readline().strip()}"
    try:
        on = exhibit.Exhibit()
        print("enabled   ", per_span_us(on, asked.spans))
        on.shutdown(600)
        if asked.rate:
            sustained(exhibit.Exhibit(), asked.rate, asked.seconds)
    finally:
        if stand_in is not None:
            stand_in.terminate()


if __name__ == "__main__":
    main()
