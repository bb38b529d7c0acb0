"""The SDK against the real binary, with the real libraries and a scripted provider."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "examples"))


def _load(name, path):
    # The tests' own `exhibit.py` must not stand in for the SDK of the same name.
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


binary = _load("exhibit_binary", ROOT / "tests" / "e2e" / "python" / "exhibit.py")

import exhibit  # noqa: E402
from scripted_provider import ScriptedProvider  # noqa: E402


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with binary.Exhibit(tmp_path_factory.mktemp("sdk") / "data") as running:
        yield running
        assert running.process.poll() is None, f"the server died\n{running.output()}"


@pytest.fixture(scope="session")
def key(server):
    return server.create_key("ingest,read,export")


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch):
    """Nothing of the machine's own settings reaches the SDK."""
    import os

    for name in list(os.environ):
        if name.startswith(("EXHIBIT_", "OPENAI_", "ANTHROPIC_", "AITRACER_", "TRACIUM_", "AUDITTRAIL_")):
            if name != "EXHIBIT_BIN":
                monkeypatch.delenv(name)


@pytest.fixture
def make(server, key):
    """Makes clients of the real server; stops them afterwards."""
    made = []

    def client(**settings):
        settings.setdefault("url", server.url)
        settings.setdefault("api_key", key)
        settings.setdefault("interval", 0.02)
        made.append(exhibit.Exhibit(**settings))
        return made[-1]

    yield client
    for one in made:
        one.shutdown(2)


@pytest.fixture
def client(make):
    return make()


@pytest.fixture
def usual(server, key):
    """The client behind the functions of the module."""
    made = exhibit.init(key, server.url, interval=0.02)
    yield made
    made.flush(5)


@pytest.fixture
def read(server, key):
    """Reads a trace once `spans` of it are there, and by `until`; spans by name besides."""

    def look_for(trace_id, spans=1, until=lambda trace: True):
        with server.client(key) as api:

            def look():
                answer = api.get(f"/api/v1/traces/{trace_id}")
                if answer.status_code != 200:
                    return None
                trace = answer.json()["data"]
                return trace if len(trace["spans"]) >= spans and until(trace) else None

            trace = binary.eventually(look)
        assert trace, f"trace {trace_id} with {spans} spans is not there"
        trace["by_name"] = {span["name"]: span for span in trace["spans"]}
        return trace

    return look_for


@pytest.fixture
def absent(server, key):
    def check(trace_id):
        with server.client(key) as api:
            return api.get(f"/api/v1/traces/{trace_id}").status_code == 404

    return check


@pytest.fixture(scope="session")
def provider():
    with ScriptedProvider() as running:
        yield running
