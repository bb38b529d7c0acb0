"""The snippets of other products' documents, in an environment without those products' packages."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "examples"))

# The tests' own `exhibit.py` must not stand in for the SDK of the same name.
_spec = spec_from_file_location("exhibit_binary", ROOT / "tests" / "e2e" / "python" / "exhibit.py")
binary = module_from_spec(_spec)
_spec.loader.exec_module(binary)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with binary.Exhibit(tmp_path_factory.mktemp("compat") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def keys(server):
    return {
        "AITRACER_API_KEY": server.create_key("ingest,read", prefix="akt"),
        "TRACIUM_API_KEY": server.create_key("ingest,read"),
        "AUDITTRAIL_API_KEY": server.create_key("ingest,read", prefix="sk-at"),
    }


@pytest.fixture
def read(server, keys):
    def look_for(trace_id, spans=1):
        with server.client(keys["TRACIUM_API_KEY"]) as api:

            def look():
                answer = api.get(f"/api/v1/traces/{trace_id}")
                found = answer.json()["data"] if answer.status_code == 200 else None
                return found if found and len(found["spans"]) >= spans else None

            trace = binary.eventually(look)
        assert trace, f"trace {trace_id} with {spans} spans is not there"
        trace["by_name"] = {span["name"]: span for span in trace["spans"]}
        return trace

    return look_for
