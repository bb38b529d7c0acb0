"""Whoever edits the database file is found out by `exhibit verify`, with the record named."""

import shutil
import sqlite3
from uuid import uuid4

import pytest

from exhibit import Exhibit, eventually, run
from test_verification import span


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """A stopped data directory with five sealed traces that verifies; the ids of the traces."""
    exhibit = Exhibit(tmp_path_factory.mktemp("pristine") / "data", "--seal-after", "0s")
    exhibit.start()
    traces = []
    key = exhibit.create_key("ingest,read")
    with exhibit.client(key) as api:
        for n in range(5):
            traces.append(str(uuid4()))
            root = span(traces[-1], name=f"root {n}", model="gpt-4o-mini", tokens_in=100,
                        tokens_out=10, span_type="llm", user_id="alice")  # fmt: skip
            child = span(traces[-1], parent_span_id=root["span_id"], span_type="tool")
            assert api.post("/api/v1/ingest/spans", json={"batch": [root, child]}).is_success
        sealed = lambda: all(  # noqa: E731
            api.get(f"/api/v1/traces/{t}/verification").json()["data"]["verdict"] == "valid"
            and api.get(f"/api/v1/traces/{t}/verification").json()["data"]["seals"]
            for t in traces
        )
        assert eventually(sealed, seconds=40, every=0.5)
    exhibit.stop()
    code, report = exhibit.verify()
    assert (code, report["verdict"], report["faults"]) == (0, "valid", [])
    return exhibit.data_dir, traces


def find_database(directory):
    [database] = [
        p for p in directory.rglob("*")
        if p.is_file() and p.open("rb").read(16) == b"SQLite format 3\x00"
    ]  # fmt: skip
    return database


@pytest.fixture
def copy(pristine, tmp_path):
    """A copy of the directory to be tampered with: (server object, database path, trace ids)."""
    source, traces = pristine
    exhibit = Exhibit(tmp_path / "data")
    shutil.copytree(source, exhibit.data_dir)
    return exhibit, find_database(exhibit.data_dir), traces


def edit(database, *statements):
    with sqlite3.connect(database) as db:
        changed = sum(max(db.execute(statement).rowcount, 0) for statement in statements)
    db.close()
    assert changed > 0, "the edit must change something"


def check_found(exhibit, verdicts):
    code, report = exhibit.verify()
    assert code == 1, report
    assert report["verdict"] in verdicts and report["faults"], report
    return report


def test_the_copy_itself_verifies(copy):
    exhibit, _, _ = copy
    assert exhibit.verify()[0] == 0


def test_an_altered_cost_is_found_and_the_record_is_named(copy):
    exhibit, database, traces = copy
    trace = f"(SELECT id FROM traces WHERE trace_id = '{traces[2]}')"
    edit(database, f"UPDATE spans SET cost = 1 WHERE cost IS NOT NULL AND trace = {trace}")
    report = check_found(exhibit, {"altered"})
    assert {f.get("trace_id") for f in report["faults"]} == {traces[2]}
    code, one = exhibit.verify("--trace", traces[2])
    assert (code, one["verdict"]) == (1, "altered")
    assert exhibit.verify("--trace", traces[1])[0] == 0


def test_a_removed_span_is_found(copy):
    exhibit, database, traces = copy
    trace = f"(SELECT id FROM traces WHERE trace_id = '{traces[0]}')"
    edit(database, f"DELETE FROM spans WHERE parent IS NOT NULL AND trace = {trace}")
    check_found(exhibit, {"missing", "altered"})


def test_a_removed_trace_is_found(copy):
    exhibit, database, traces = copy
    trace = f"(SELECT id FROM traces WHERE trace_id = '{traces[3]}')"
    tables = ("spans", "contexts", "blocks", "seals", "facets")
    removals = [f"DELETE FROM {table} WHERE trace = {trace}" for table in tables]
    edit(database, *removals, f"DELETE FROM traces WHERE trace_id = '{traces[3]}'")
    check_found(exhibit, {"missing", "altered"})


def test_an_inserted_copy_of_a_span_is_found(copy):
    exhibit, database, traces = copy
    with sqlite3.connect(database) as db:
        names = [row[1] for row in db.execute("PRAGMA table_info(spans)")]
        values = ["'forged'" if n == "span_id" else f'"{n}"' for n in names]
        columns = ", ".join(f'"{n}"' for n in names)
        db.execute(
            f"INSERT INTO spans ({columns}) SELECT {', '.join(values)} FROM spans "
            "WHERE parent IS NOT NULL LIMIT 1"
        )
    db.close()
    check_found(exhibit, {"altered", "reordered", "missing"})


def test_two_records_that_changed_places_are_found(copy):
    exhibit, database, _ = copy
    with sqlite3.connect(database) as db:
        (a, leaf_a), (b, leaf_b) = db.execute(
            "SELECT span_id, leaf FROM spans WHERE leaf IS NOT NULL AND parent IS NOT NULL LIMIT 2"
        ).fetchall()
        db.execute("UPDATE spans SET leaf = ? WHERE span_id = ?", (leaf_b, a))
        db.execute("UPDATE spans SET leaf = ? WHERE span_id = ?", (leaf_a, b))
    db.close()
    check_found(exhibit, {"reordered", "altered"})


def test_a_cut_off_log_is_found(copy):
    exhibit, database, _ = copy
    edit(database, "DELETE FROM leaf_runs WHERE log = 1 AND first = (SELECT max(first) FROM leaf_runs WHERE log = 1)")
    check_found(exhibit, {"truncated", "missing", "altered", "forked"})


def test_an_older_database_under_the_same_keys_is_refused(fresh, tmp_path):
    exhibit = fresh("--seal-after", "0s").start()
    key = exhibit.create_key("ingest,read")
    exhibit.stop()
    old = tmp_path / "old"
    shutil.copytree(exhibit.data_dir, old)
    exhibit.start()
    with exhibit.client(key) as api:
        for _ in range(3):
            api.post("/api/v1/ingest/spans", json={"batch": [span(str(uuid4()))]}).raise_for_status()
    exhibit.stop()
    keys = exhibit.data_dir / "keys"
    shutil.rmtree(old / "keys")
    shutil.copytree(keys, old / "keys")
    shutil.rmtree(exhibit.data_dir)
    old.rename(exhibit.data_dir)
    with pytest.raises(AssertionError, match="checkpoint"):
        exhibit.start()


# What no API shows, or what is only used to find something that is then compared.
UNGUARDED = {}


def columns_with_values(database):
    """(table, column, a key of one row, its value) for every column that holds something."""
    found = []
    with sqlite3.connect(database) as db:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            info = db.execute(f'PRAGMA table_info("{table}")').fetchall()
            keys = [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]]
            for column in (row[1] for row in info):
                wanted = ", ".join(f'"{k}"' for k in keys)
                row = db.execute(
                    f'SELECT "{column}", {wanted} FROM "{table}" WHERE "{column}" IS NOT NULL '
                    f"ORDER BY {wanted} LIMIT 1"
                ).fetchone()
                if row:
                    found.append((table, column, dict(zip(keys, row[1:])), row[0]))
    db.close()
    return found


def another(value):
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    return bytes([value[0] ^ 1]) + value[1:] if value else b"x"


def test_every_value_of_the_database_that_an_api_shows_is_guarded(pristine, tmp_path):
    source, _ = pristine
    unnoticed = []
    for n, (table, column, row, value) in enumerate(columns_with_values(find_database(source))):
        exhibit = Exhibit(tmp_path / str(n) / "data")
        shutil.copytree(source, exhibit.data_dir)
        with sqlite3.connect(find_database(exhibit.data_dir)) as db:
            condition = " AND ".join(f'"{k}" IS ?' for k in row)
            try:
                db.execute(
                    f'UPDATE "{table}" SET "{column}" = ? WHERE {condition}',
                    (another(value), *row.values()),
                )
            except sqlite3.IntegrityError:
                continue
        db.close()
        done = run("verify", "--data-dir", exhibit.data_dir, "--json")
        if done.returncode == 0:
            unnoticed.append(f"{table}.{column}")
        elif done.returncode != 1:
            unnoticed.append(f"{table}.{column}: exit {done.returncode}: {done.stderr[-200:]}")
        shutil.rmtree(exhibit.data_dir.parent)
    assert [name for name in unnoticed if name not in UNGUARDED] == []
