"""Starts the real binary on a data directory of its own and talks to it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx

BINARY = os.environ.get("EXHIBIT_BIN") or str(
    Path(__file__).resolve().parents[3] / "target" / "debug" / "exhibit"
)
START_SECONDS = 60
# Nothing of the machine's own settings may reach the server under test.
FOREIGN = ("EXHIBIT_", "AUDITTRAIL_", "OTEL_", "OPENAI_", "ANTHROPIC_", "DATABASE_URL", "OLLAMA_")


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(extra=None):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
    return clean | {"NO_PROXY": "127.0.0.1,localhost"} | (extra or {})


def run(*args, env=None, check=False, timeout=120, cwd=None, stdin=None):
    """One command of the binary; its output as text."""
    done = subprocess.run(
        [BINARY, *map(str, args)],
        capture_output=True,
        text=True,
        env=environment(env),
        timeout=timeout,
        cwd=cwd,
        input=stdin,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"exhibit {args} gave {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


class Exhibit:
    """A server on a data directory. Use as a context manager, or `start`, `stop` and `kill`."""

    def __init__(self, data_dir, *args, env=None, cwd=None):
        self.data_dir = Path(data_dir)
        self.args = [str(a) for a in args]
        self.env = env
        self.cwd = cwd or self.data_dir.parent
        self.process = None
        self.log = self.data_dir.with_suffix(".log")
        self.port, self.otlp_http_port, self.otlp_grpc_port = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.otlp_http = f"http://127.0.0.1:{self.otlp_http_port}"
        self.otlp_grpc = f"127.0.0.1:{self.otlp_grpc_port}"

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [
                    BINARY, "serve",
                    "--data-dir", str(self.data_dir),
                    "--listen", f"127.0.0.1:{self.port}",
                    "--otlp-http", f"127.0.0.1:{self.otlp_http_port}",
                    "--otlp-grpc", self.otlp_grpc,
                    *self.args,
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(self.env),
                cwd=self.cwd,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}\n{self.output()}")
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/api/v1/health", timeout=2).status_code == 200:
                    return self
            time.sleep(0.05)
        raise AssertionError(f"no healthy answer in {START_SECONDS} s\n{self.output()}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError("the server did not stop within 30 s of SIGTERM") from None
        return self.process.returncode

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def output(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def create_key(self, scopes="ingest,read", name="test", **options):
        args = [f"--{k.replace('_', '-')}={v}" for k, v in options.items()]
        done = run(
            "keys", "create", "--data-dir", self.data_dir, "--name", name,
            "--scopes", scopes, "--json", *args, check=True,
        )  # fmt: skip
        return json.loads(done.stdout)["key"]

    def client(self, key=None, **options):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False, **options)

    def verify(self, *args):
        """`exhibit verify` on this data directory: (exit code, report)."""
        done = run("verify", "--data-dir", self.data_dir, "--json", *args)
        try:
            return done.returncode, json.loads(done.stdout)
        except json.JSONDecodeError:
            raise AssertionError(f"no JSON: {done.returncode}\n{done.stdout}\n{done.stderr}") from None


def eventually(check, seconds=10.0, every=0.05):
    """The first true value of `check()`; its last value when time is up."""
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(every)
