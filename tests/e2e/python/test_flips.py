"""A bit turned in any file of a data directory: nothing else may be shown and still be called valid."""

import json
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from exhibit import Exhibit, eventually, run
from test_verification import span

SEED = 20_261_122
# Bits turned in the database and its log, and in every other file.
MANY, FEW = 8, 1
NEEDLE = "ornithology"


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A directory with a write-ahead log, encrypted payloads, a cold archive and an index, and its settings."""
    home = tmp_path_factory.mktemp("flips")
    env = {
        "EXHIBIT_ENCRYPTION_KEY": bytes(range(32)).hex(),
        "EXHIBIT_ENCRYPTION_PLAIN_INDEX": "true",
        "EXHIBIT_ARCHIVE_TO": str(home / "data" / "archive"),
    }
    exhibit = Exhibit(home / "data", "--seal-after", "0s", env=env)
    exhibit.start()
    key = exhibit.create_key("ingest,read")

    def record(n):
        trace = str(uuid4())
        root = span(trace, name=f"root {n}", model="gpt-4o-mini", tokens_in=100, tokens_out=10,
                    span_type="llm", user_id="alice", input={"prompt": f"{NEEDLE} {n}"})  # fmt: skip
        child = span(trace, parent_span_id=root["span_id"], span_type="tool")
        with exhibit.client(key) as api:
            assert api.post("/api/v1/ingest/spans", json={"batch": [root, child]}).is_success
            assert eventually(
                lambda: api.get(f"/api/v1/traces/{trace}/verification").json()["data"]["seals"], 40, 0.5
            )

    for n in range(4):
        record(n)
    exhibit.stop()
    done = run("archive", "run", "--older-than", "0", "--data-dir", exhibit.data_dir, env=env)
    assert done.returncode == 0, done.stderr
    exhibit.start()
    for n in range(4, 8):
        record(n)
    verified = lambda: run("verify", "--data-dir", exhibit.data_dir, env=env).returncode == 0  # noqa: E731
    assert eventually(verified, 40, 0.5)
    exhibit.kill()
    assert (exhibit.data_dir / "exhibit.db-wal").stat().st_size > 0
    return exhibit.data_dir, env


def look(directory, home, env):
    """What verification says of a directory, and all that is shown of it; None for what is not shown."""
    verified = run("verify", "--search", "--data-dir", directory, "--json", env=env)
    spans = home / "spans.jsonl"
    asked = {
        "found": ("traces", "list", "-f", NEEDLE, "--json"),
        "spans": ("export", "spans", "-o", spans, "--json"),
    }
    shown = {}
    for name, args in asked.items():
        done = run(*args, "--data-dir", directory, env=env)
        assert done.returncode != 101, (args, done.stderr)
        text = done.stdout if name != "spans" else spans.read_text() if spans.exists() else ""
        shown[name] = text if done.returncode == 0 else None
    return verified, shown


def flip(killed, home, place=None):
    """Looks at a copy in which the bit at a place is turned."""
    source, env = killed
    directory = home / "data"
    shutil.copytree(source, directory)
    if place:
        name, byte, bit = place
        content = bytearray((directory / name).read_bytes())
        content[byte] ^= 1 << bit
        (directory / name).write_bytes(content)
    env = env | {"EXHIBIT_ARCHIVE_TO": str(directory / "archive")}
    verified, shown = look(directory, home, env)
    shutil.rmtree(home)
    return verified, shown


def test_no_turned_bit_shows_something_else_as_valid(killed, tmp_path):
    source, _ = killed
    verified, as_it_is = flip(killed, tmp_path / "as-it-is")
    assert verified.returncode == 0, verified.stdout
    assert len(json.loads(as_it_is["found"])["data"]) == 8
    dice = random.Random(SEED)
    places = []
    for file in sorted(p for p in source.rglob("*") if p.is_file() and p.stat().st_size):
        name, size = file.relative_to(source), file.stat().st_size
        count = MANY if name.name in ("exhibit.db", "exhibit.db-wal") else FEW
        places += [(name, dice.randrange(size), dice.randrange(8)) for _ in range(count)]
    met = {part for name, _, _ in places for part in (name.parts[0], name.name)}
    assert {"archive", "exhibit.db", "exhibit.db-wal", "payloads.db", "guard", "search"} <= met
    with ThreadPoolExecutor(2) as pool:
        seen = list(pool.map(
            lambda item: flip(killed, tmp_path / str(item[0]), item[1]), enumerate(places)
        ))  # fmt: skip
    wrong = []
    for place, (verified, shown) in zip(places, seen):
        assert verified.returncode in (0, 1, 2, 3), (place, verified.stderr)
        if verified.returncode == 0 and shown != as_it_is:
            wrong.append((place, [name for name in shown if shown[name] != as_it_is[name]]))
    assert not wrong, wrong
