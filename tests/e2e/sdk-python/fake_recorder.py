"""A recorder that misbehaves as told: away, slow, busy, full, broken."""

import contextlib
import gzip
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        fake = self.server.fake
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        fake.bodies.append(body)
        fake.headers.append(dict(self.headers))
        fake.times.append(time.monotonic())
        answer = fake.script.pop(0) if fake.script else fake.always
        if callable(answer):
            answer = answer(self.path, json.loads(body))
        answer = answer if isinstance(answer, tuple) else (answer,)
        status, headers, text = (*answer, *({}, "{}")[len(answer) - 1 :])
        if status == "hang":
            time.sleep(headers or 5)
            status, headers, text = 201, {}, "{}"
        if status == "reset":
            self.connection.close()
            self.close_connection = True
            return
        if 200 <= status < 300 and "batch" in (parsed := json.loads(body)):
            fake.spans.extend(parsed["batch"])
        data = text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(OSError):  # who asked has given up waiting
            self.wfile.write(data)


class FakeRecorder:
    """Answers with `script`, one entry per request, then with `always`. An entry is a status, a tuple of
    status, headers and text, `("hang", seconds)`, `("reset",)`, or a function of path and body."""

    def __init__(self, *script, always=201, port=0):
        self.script, self.always = list(script), always
        self.bodies, self.headers, self.spans, self.times = [], [], [], []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        self._server.daemon_threads = True
        self._server.fake = self
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def ended(self):
        return [span for span in self.spans if span["status"] != "running"]

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
