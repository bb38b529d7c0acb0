"""One server for the tests that leave it as they found it; fresh ones for those that do not."""

import uuid

import pytest

from exhibit import Exhibit, eventually
from openai_stand_in import OpenAiStandIn


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Shared: tests keep apart by trace ids of their own."""
    with Exhibit(tmp_path_factory.mktemp("shared") / "data") as exhibit:
        yield exhibit
        assert exhibit.process.poll() is None, f"the server died\n{exhibit.output()}"


@pytest.fixture(scope="session")
def key(server):
    return server.create_key("ingest,read,export")


@pytest.fixture
def api(server, key):
    with server.client(key) as client:
        yield client


@pytest.fixture
def fresh(tmp_path):
    """Makes servers of the test's own; stops them afterwards."""
    made = []

    def make(*args, **options):
        exhibit = Exhibit(tmp_path / f"data{len(made)}", *args, **options)
        made.append(exhibit)
        return exhibit

    yield make
    for exhibit in made:
        if exhibit.process and exhibit.process.poll() is None:
            exhibit.kill()


@pytest.fixture
def trace_id():
    return str(uuid.uuid4())


@pytest.fixture(scope="session")
def openai_server():
    with OpenAiStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def read_trace(api):
    """Reads a trace with its spans, once `spans` of them are there."""

    def read(trace_id, spans=1):
        def look():
            answer = api.get(f"/api/v1/traces/{trace_id}")
            if answer.status_code == 200 and len(answer.json()["data"]["spans"]) >= spans:
                return answer.json()["data"]
            return None

        found = eventually(look)
        assert found, f"trace {trace_id} with {spans} spans is not there"
        return found

    return read
