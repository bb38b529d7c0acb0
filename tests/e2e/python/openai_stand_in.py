"""A scripted server that speaks the OpenAI chat protocol, so that real clients have a provider.

The last user message chooses the script: ``tools``, ``fail`` or anything else for a plain answer.
Every answer reports cached and reasoning tokens.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = "Transformers weigh every word against every other word."
USAGE = {
    "prompt_tokens": 120,
    "completion_tokens": 40,
    "total_tokens": 160,
    "prompt_tokens_details": {"cached_tokens": 100},
    "completion_tokens_details": {"reasoning_tokens": 15},
}
TOOL_CALL = {
    "id": "call_weather_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Köln"}'},
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        said = [m["content"] for m in body["messages"] if m["role"] == "user"][-1]
        if "fail" in said:
            return self._json(429, {"error": {"message": "slow down", "type": "rate_limit"}})
        tools = "tools" in said
        head = {
            "id": f"chatcmpl-{len(self.server.requests)}-{self.server.server_port}",
            "created": 1700000000,
            "model": body["model"] + "-2024-08-06",
        }
        if body.get("stream"):
            return self._stream(head)
        message = {"role": "assistant", "content": None if tools else ANSWER}
        if tools:
            message["tool_calls"] = [TOOL_CALL]
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if tools else "stop"}
        self._json(200, head | {"object": "chat.completion", "choices": [choice], "usage": USAGE})

    def _json(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, head):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        head = head | {"object": "chat.completion.chunk"}
        deltas = [{"role": "assistant", "content": ""}]
        deltas += [{"content": word + " "} for word in ANSWER.split()]
        for delta in deltas:
            self._event(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        self._event(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self._event(head | {"choices": [], "usage": USAGE})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def _event(self, value):
        self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")
        self.wfile.flush()


class OpenAiStandIn:
    """Runs the scripted server on a free port; use as a context manager."""

    def __enter__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.requests = []
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"
        return self

    @property
    def requests(self):
        return self._server.requests

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
