"""ClickHouse's HTTP interface over the engine in a process: for tests where no server is installed.

The engine is chdb, ClickHouse itself as a library. What this front leaves out: compression, users
(one password at most), sessions, settings in the address. Prints the address it listens on, and ends
when its standard input is closed, so that it never outlives the test that started it.
"""

import argparse
import email.parser
import email.policy
import os
import re
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from chdb import session

INSERT = re.compile(r"^\s*INSERT\s+INTO\s.*?(?=\sFORMAT\s+\w+\s*$)", re.IGNORECASE | re.DOTALL)
CODE = re.compile(r"Code: (\d+)")
# As the server answers: unknown things are 404, what cannot be read 400, refusals 403.
STATUS = {60: 404, 81: 404, 47: 404, 62: 400, 27: 400, 516: 403, 192: 403}


class Engine:
    """One engine, asked by one thread at a time."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.engine = session.Session(path)
        self.database = "default"
        self.directory = tempfile.mkdtemp(prefix="exhibit-front.")

    def ask(self, sql, data, form, database, params):
        with self.lock:
            if database != self.database:
                self.engine.query(f"USE `{database}`")
                self.database = database
            head = INSERT.match(sql)
            if head is None:
                answer = self.engine.query(sql, form, params=params or None)
                return b"" if answer is None else bytes(answer.bytes())
            if not data:
                return b""
            path = os.path.join(self.directory, "insert")
            with open(path, "wb") as file:
                file.write(data)
            self.engine.query(f"{head.group(0)} FROM INFILE '{path}' {sql[head.end():]}")
            return b""


def multipart(kind, body):
    """The fields of a form, by name."""
    head = b"Content-Type: " + kind.encode() + b"\r\n\r\n"
    form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
        for part in form.iter_parts()
    }


def front(engine, password):
    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are written apart; without this the body waits for an acknowledgement, 40 ms.
        disable_nagle_algorithm = True

        def body(self):
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        def answer(self, status, body, code=None):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if code is not None:
                self.send_header("X-ClickHouse-Exception-Code", str(code))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            body = self.body()
            if password is not None and self.headers.get("X-ClickHouse-Key", "") != password:
                return self.answer(403, b"Code: 516. DB::Exception: Authentication failed", 516)
            asked = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
            kind = self.headers.get("Content-Type", "")
            if kind.startswith("multipart/form-data"):
                fields = multipart(kind, body)
                body = fields.pop("query", b"")
                asked |= {name: value.decode() for name, value in fields.items()}
            params = {n.removeprefix("param_"): v for n, v in asked.items() if n.startswith("param_")}
            sql, data = (asked["query"], body) if "query" in asked else (body.decode(), b"")
            form = asked.get("default_format", "TabSeparated")
            try:
                found = engine.ask(sql, data, form, asked.get("database", "default"), params)
            except Exception as error:  # whatever the engine says is the answer
                code = int((CODE.search(str(error)) or [0, 0])[1])
                return self.answer(STATUS.get(code, 500), str(error).encode(), code)
            self.answer(200, found)

        do_GET = do_POST

        def log_message(self, *_):
            pass

    return Front


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        """Clients that went away, as those of a node that was killed do, are nothing to talk about."""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", help="where the engine keeps its data")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--password")
    args = parser.parse_args()
    engine = Engine(args.directory)
    server = Server(("127.0.0.1", args.port), front(engine, args.password))
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
