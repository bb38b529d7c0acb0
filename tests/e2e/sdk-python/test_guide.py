"""The programs of docs/guide/sdks.md run as printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guide" / "sdks.md"
PROGRAMS = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.S | re.M)
#: What each program has left at the recorder, in the order of the page; the last one needs the
#: compatibility package, which is tested by itself.
LEFT = [
    {"support-bot", "lookup", "answer"},
    {"support-bot", "gather", "lookup"},
    {"explainer", "chat gpt-4o-mini"},
    {"payer"},
    {"chat"},
    {"finance-review"},
]


def test_the_guide_has_a_program_for_every_expectation():
    assert len(PROGRAMS) == len(LEFT)


@pytest.mark.parametrize("number", range(len(LEFT) - 1))
def test_a_program_of_the_guide_runs_as_printed(server, provider, tmp_path, number):
    key = server.create_key("ingest,read", name=f"guide {number}")
    environment = os.environ | {
        "EXHIBIT_URL": server.url, "EXHIBIT_API_KEY": key, "NO_PROXY": "127.0.0.1",
        "OPENAI_API_KEY": "scripted", "OPENAI_BASE_URL": provider.openai_url, "EXHIBIT_SERVICE": f"guide-{number}",
        "OTEL_SERVICE_NAME": f"guide-{number}",
    }  # fmt: skip
    program = tmp_path / "program.py"
    program.write_text(PROGRAMS[number])
    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, env=environment, timeout=60, cwd=tmp_path
    )
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    with server.client(key) as api:
        [trace] = api.get("/api/v1/traces", params={"filter": f'service = "guide-{number}"'}).json()["data"]
        spans = api.get(f"/api/v1/traces/{trace['trace_id']}").json()["data"]["spans"]
    assert LEFT[number] <= {span["name"] for span in spans}
    assert all(span["status"] != "running" for span in spans)
