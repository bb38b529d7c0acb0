"""TLS to PostgreSQL: a real server that takes nothing else, with certificates made here by OpenSSL."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e" / "python"))

from engines import ClickHouse, Postgres  # noqa: E402
from exhibit import Exhibit, eventually, run  # noqa: E402
from test_cluster import send, span  # noqa: E402


def openssl(*args, cwd):
    done = subprocess.run(["openssl", *args], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr


class Authority:
    """Signs certificates; what it makes stands in a directory."""

    def __init__(self, directory):
        directory.mkdir()
        self.directory = directory
        self.root = directory / "root.pem"
        openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", f"/CN=authority {directory.name}",
            "-addext", "basicConstraints=critical,CA:TRUE",
            "-keyout", "root.key", "-out", "root.pem", cwd=directory,
        )  # fmt: skip

    def server(self, name):
        """Certificate and key of a server with this name."""
        (self.directory / "names").write_text(f"subjectAltName=DNS:{name}\nbasicConstraints=CA:FALSE\n")
        openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr", cwd=self.directory,
        )  # fmt: skip
        openssl(
            "x509", "-req", "-in", "server.csr", "-CA", "root.pem", "-CAkey", "root.key", "-days", "2",
            "-extfile", "names", "-out", "server.pem", cwd=self.directory,
        )  # fmt: skip
        return self.directory / "server.pem", self.directory / "server.key"


class Secured:
    """Engines, PostgreSQL with TLS only, under the name `localhost`."""

    def __init__(self, directory):
        self.ours, self.others = Authority(directory / "ours"), Authority(directory / "others")
        self.postgres = Postgres(password="hushhush", tls=self.ours.server("localhost"))
        self.clickhouse = ClickHouse()
        self.number = 0

    def env(self, asked, host="localhost"):
        url = self.postgres.url().replace("127.0.0.1", host)
        return {
            "EXHIBIT_STORE": "cluster",
            "EXHIBIT_POSTGRES_URL": f"{url}?{asked}" if asked else url,
            "EXHIBIT_CLICKHOUSE_URL": self.clickhouse.url,
            "EXHIBIT_CLICKHOUSE_DATABASE": "tls",
        }

    def close(self):
        self.clickhouse.close()
        self.postgres.close()


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    made = Secured(tmp_path_factory.mktemp("tls"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def data(secured, tmp_path_factory):
    """A data directory whose cluster has been started once, with whatever TLS there is."""
    directory = tmp_path_factory.mktemp("node") / "data"
    with Exhibit(directory, env=secured.env("")):
        pass
    return directory


def read(secured, data, asked, **options):
    return run("verify", "--data-dir", data, env=secured.env(asked, **options))


def test_a_node_works_over_verified_tls_with_channel_binding(secured, data):
    asked = f"sslmode=verify-full&sslrootcert={secured.ours.root}&channel_binding=require"
    with Exhibit(data, env=secured.env(asked)) as node:
        done = run(
            "keys", "create", "--data-dir", data, "--name", "t", "--scopes", "ingest,read", "--json",
            env=secured.env(asked), check=True,
        )  # fmt: skip
        key = done.stdout.split('"key":')[1].split('"')[1]
        with node.client(key) as api:
            assert send(api, [span("t1")]).status_code == 201
            assert api.get("/api/v1/traces/t1").status_code == 200
            ssl = secured.postgres.sql(
                "SELECT count(*) > 2 AND bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
                " WHERE application_name = 'exhibit'"
            )
            assert ssl == "t"
            # Broken connections are made again the same way.
            secured.postgres.stop()
            secured.postgres.start()
            eventually(lambda: send(api, [span("t2")]).status_code == 201, 60)
            assert api.get("/api/v1/traces/t2").status_code == 200


@pytest.mark.parametrize("mode", ["", "sslmode=prefer", "sslmode=require"])
def test_modes_that_ask_for_no_name_take_any_certificate(secured, data, mode):
    done = read(secured, data, mode, host="127.0.0.1")
    assert done.returncode == 0, done.stdout + done.stderr


def test_verify_ca_wants_the_authority_and_verify_full_the_name_too(secured, data):
    ours, others = secured.ours.root, secured.others.root
    for asked, host, words in [
        (f"sslmode=verify-ca&sslrootcert={ours}", "127.0.0.1", None),
        (f"sslmode=require&sslrootcert={ours}", "127.0.0.1", None),
        (f"sslmode=verify-full&sslrootcert={ours}", "localhost", None),
        (f"sslmode=verify-full&sslrootcert={ours}", "127.0.0.1", "not valid for name"),
        (f"sslmode=verify-ca&sslrootcert={others}", "localhost", "UnknownIssuer"),
        (f"sslmode=require&sslrootcert={others}", "localhost", "UnknownIssuer"),
        (f"sslmode=verify-full&sslrootcert={others}", "localhost", "UnknownIssuer"),
        ("sslmode=verify-full&sslrootcert=system", "localhost", "UnknownIssuer"),
        ("sslmode=verify-full", "localhost", "UnknownIssuer"),
    ]:
        done = read(secured, data, asked, host=host)
        said = done.stdout + done.stderr
        if words is None:
            assert done.returncode == 0, (asked, said)
        else:
            assert done.returncode != 0 and "TLS with PostgreSQL at" in said, (asked, said)
            assert words in said and "hushhush" not in said, (asked, said)


def test_what_cannot_be_is_named(secured, data):
    for asked, words in [
        ("sslmode=allow", "sslmode=allow is not supported"),
        ("sslmode=verify-full&sslcert=/me.pem", "sslcert is not supported"),
        ("sslmode=verify-ca&sslrootcert=/nowhere.pem", "/nowhere.pem"),
        ("sslmode=disable", "PostgreSQL refuses"),
    ]:
        done = read(secured, data, asked)
        said = done.stdout + done.stderr
        assert done.returncode != 0 and words in said and "hushhush" not in said, (asked, said)


def test_a_server_without_tls_is_refused_where_tls_is_asked_for(secured, data):
    plain = Postgres()
    try:
        for mode in ["require", f"verify-full&sslrootcert={secured.ours.root}"]:
            env = secured.env("") | {"EXHIBIT_POSTGRES_URL": f"{plain.url()}?sslmode={mode}"}
            done = run("verify", "--data-dir", data, env=env)
            said = done.stdout + done.stderr
            assert done.returncode != 0 and "does not support TLS" in said, said
    finally:
        plain.close()
