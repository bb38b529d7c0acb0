"""A pytest plugin that runs the end-to-end tests of one machine on a cluster of one node:

    PYTHONPATH=tests/cluster CHDB_PYTHON=… pytest -p on_cluster tests/e2e/python/test_otlp.py

Every data directory gets databases of its own; servers and commands on it are told of them by variables.
"""

import atexit
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e" / "python"))

import exhibit  # noqa: E402
from engines import ClickHouse, Postgres  # noqa: E402

POSTGRES, CLICKHOUSE = Postgres(), ClickHouse()
atexit.register(POSTGRES.close)
atexit.register(CLICKHOUSE.close)
DATABASES = {}


def settings(data_dir):
    """The variables of a data directory's cluster; makes its database once."""
    path = str(Path(data_dir).resolve())
    if path not in DATABASES:
        name = f"e2e_{len(DATABASES)}"
        POSTGRES.sql(f"CREATE DATABASE {name}")
        DATABASES[path] = {
            "EXHIBIT_STORE": "cluster",
            "EXHIBIT_POSTGRES_URL": POSTGRES.url(name),
            "EXHIBIT_CLICKHOUSE_URL": CLICKHOUSE.url,
            "EXHIBIT_CLICKHOUSE_DATABASE": name,
        }
    return DATABASES[path]


class OnCluster(exhibit.Exhibit):
    def __init__(self, data_dir, *args, env=None, cwd=None):
        super().__init__(data_dir, *args, env=settings(data_dir) | (env or {}), cwd=cwd)


def run(*args, env=None, **options):
    words = [str(a) for a in args]
    if "--data-dir" in words:
        env = settings(words[words.index("--data-dir") + 1]) | (env or {})
    return RUN(*args, env=env, **options)


RUN = exhibit.run
exhibit.run = run
exhibit.Exhibit = OnCluster
