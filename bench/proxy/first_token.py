"""What the proxy adds to the first token, and what a hundred streams a second cost it.

    EXHIBIT_BIN=target/release/exhibit python bench/proxy/first_token.py

A stand-in for the provider answers every request at once with its first token, then with a token every
10 ms. The same requests go to it directly and through the proxy, in turn, over kept connections. Nothing but
the standard library; the server runs on a data directory of its own with governance and sealing on.
"""

import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

BINARY = os.environ.get("EXHIBIT_BIN", "target/release/exhibit")
READY = re.compile(r"is ready: http://127\.0\.0\.1:(\d+)")
STREAMS_PER_S = 100
SECONDS = 10
TOKENS = 20
TOKEN_EVERY_S = 0.010
BODY = json.dumps(
    {
        "model": "gpt-4o-mini",
        "stream": True,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "The report says that revenue grew by eleven percent. " * 20},
        ],
    }
).encode()


async def read_head(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return head, int(line.split(b":")[1])
    return head, None


def event(delta, reason=None):
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    value = {"id": "c", "object": "chat.completion.chunk", "model": "gpt-4o-mini", "choices": [choice]}
    data = b"data: " + json.dumps(value).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


async def provider(reader, writer):
    try:
        while True:
            _, length = await read_head(reader)
            await reader.readexactly(length or 0)
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            for n in range(TOKENS):
                writer.write(event({"content": f"word{n} "}))
                await writer.drain()
                await asyncio.sleep(TOKEN_EVERY_S)
            writer.write(event({}, "stop") + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        writer.close()


class Client:
    """Streams over kept connections, as the official clients make them."""

    def __init__(self, port, path, headers):
        self.port, self.idle = port, []
        self.head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(BODY)}\r\nAuthorization: Bearer test\r\n{headers}\r\n"
        ).encode()

    async def stream(self):
        """Seconds to the first token."""
        pair = self.idle.pop() if self.idle else await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = pair
        began = time.perf_counter()
        writer.write(self.head + BODY)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n")[0], head
        read = b""
        first = None
        while not read.endswith(b"0\r\n\r\n"):
            piece = await reader.read(65536)
            assert piece, "the stream was cut"
            read += piece
            if first is None and b"word0" in read:
                first = time.perf_counter() - began
        assert read.count(b"word") == TOKENS
        self.idle.append(pair)
        return first


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def main():
    stand_in = await asyncio.start_server(provider, "127.0.0.1", 0)
    port = stand_in.sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory() as home, open(f"{home}/log", "w") as log:
        data = f"{home}/data"
        key = json.loads(
            subprocess.run(
                [BINARY, "keys", "create", "--data-dir", data, "--name", "bench", "--scopes",
                 "ingest,read", "--json"], check=True, capture_output=True).stdout
        )["key"]
        environment = dict(os.environ, EXHIBIT_PROXY_OPENAI=f"http://127.0.0.1:{port}/v1")
        server = subprocess.Popen(
            [BINARY, "serve", "--data-dir", data, "--listen", "127.0.0.1:0", "--otlp-http",
             "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0"],
            env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            while not (ready := READY.search(open(log.name).read())):
                await asyncio.sleep(0.05)
            own = int(ready[1])
            direct = Client(port, "/v1/chat/completions", "")
            proxied = Client(own, "/proxy/openai/v1/chat/completions", f"X-Exhibit-Key: {key}\r\n")
            took = {"direct": [], "proxied": []}
            for n in range(220):
                for name, client in (("direct", direct), ("proxied", proxied)):
                    first = await client.stream()
                    if n >= 20:
                        took[name].append(first * 1e3)
            for name, some in took.items():
                some.sort()
                print(f"{name}: first token {statistics.median(some):.2f} ms, p95 {some[190]:.2f} ms")
            added = statistics.median(took["proxied"]) - statistics.median(took["direct"])
            print(f"added at the median: {added:.2f} ms")

            cpu, began, streams = cpu_s(server.pid), time.perf_counter(), []
            for n in range(STREAMS_PER_S * SECONDS):
                await asyncio.sleep(max(0, began + n / STREAMS_PER_S - time.perf_counter()))
                streams.append(asyncio.create_task(proxied.stream()))
            firsts = sorted([await stream for stream in streams])
            wall = time.perf_counter() - began
            share = (cpu_s(server.pid) - cpu) / wall
            print(
                f"{len(streams) / wall:.0f} streams/s: first token {statistics.median(firsts) * 1e3:.2f} ms, "
                f"server {share * 100:.1f} % of one core"
            )
        finally:
            server.terminate()
            server.wait(30)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
