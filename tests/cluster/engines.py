"""Real engines for tests: PostgreSQL from Debian's package, ClickHouse by address or in a process.

    engines.py COMMAND…   runs a command with POSTGRES_URL and CLICKHOUSE_URL set, and ends both after it

PostgreSQL runs on a temporary directory and a free port of loopback, as the user `postgres` where this
runs as root. ClickHouse is CLICKHOUSE_URL when that is set, else `clickhouse_front.py`.
"""

import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Postgres:
    """A PostgreSQL server of its own."""

    def __init__(self, durable=False, password=None, tls=None):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(p.split("/")[4]))
        self.bin = found[-1] if found else os.path.dirname(shutil.which("postgres") or "")
        if not self.bin:
            raise RuntimeError("no PostgreSQL here; install it (Debian: apt-get install postgresql)")
        self.directory = tempfile.mkdtemp(prefix="exhibit-pg.")
        self.port = free_port()
        self.password = password
        self.settings = [] if durable else ["fsync=off", "synchronous_commit=off"]
        self.process = None
        if os.getuid() == 0:
            shutil.chown(self.directory, "postgres")
        auth = ["-A", "trust"]
        if password is not None:
            secret = os.path.join(self.directory, "secret")
            with open(secret, "w") as file:
                file.write(password + "\n")
            if os.getuid() == 0:
                shutil.chown(secret, "postgres")
            auth = ["-A", "scram-sha-256", f"--pwfile={secret}"]
        self.data = os.path.join(self.directory, "data")
        self.run("initdb", "-D", self.data, "-U", "exhibit", "-E", "UTF8", "--no-locale", "-N", *auth)
        if tls is not None:
            self.only_tls(*tls)
        self.start()

    def only_tls(self, certificate, key):
        """Takes connections with TLS, and no others."""
        for name, path in [("certificate", certificate), ("key", key)]:
            copy = os.path.join(self.directory, f"{name}.pem")
            shutil.copyfile(path, copy)
            os.chmod(copy, 0o600)
            if os.getuid() == 0:
                shutil.chown(copy, "postgres")
        at = f"{self.directory}/"
        self.settings += ["ssl=on", f"ssl_cert_file={at}certificate.pem", f"ssl_key_file={at}key.pem"]
        rules = os.path.join(self.data, "pg_hba.conf")
        method = "trust" if self.password is None else "scram-sha-256"
        with open(rules, "w") as file:
            file.write(f"hostssl all all all {method}\n")

    def command(self, name, *args):
        as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        return [*as_user, os.path.join(self.bin, name), *args]

    def run(self, name, *args):
        done = subprocess.run(self.command(name, *args), capture_output=True, text=True, cwd="/")
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stdout}{done.stderr}")

    def start(self):
        """Starts it. It ends with this process, however this ends."""
        settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=300"]
        command = ["setpriv", "--pdeathsig", "INT"]
        if os.getuid() == 0:
            command += ["--reuid", "postgres", "--regid", "postgres", "--init-groups"]
        command += ["--", os.path.join(self.bin, "postgres"), "-D", self.data, "-p", str(self.port)]
        for setting in settings + self.settings:
            command += ["-c", setting]
        with open(os.path.join(tempfile.gettempdir(), f"exhibit-pg-{self.port}.log"), "wb") as log:
            self.log = log.name
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
        ready = [os.path.join(self.bin, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        for _ in range(600):
            if subprocess.run(ready, check=False).returncode == 0:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        with open(self.log) as log:
            raise RuntimeError(f"PostgreSQL did not start: {log.read()}")

    def stop(self, mode="fast"):
        """`fast` ends sessions and writes what there is; `immediate` is as if it had been killed."""
        self.process.send_signal({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode])
        self.process.wait(60)

    def url(self, database="postgres"):
        login = "exhibit" if self.password is None else f"exhibit:{self.password}"
        return f"postgres://{login}@127.0.0.1:{self.port}/{database}"

    def sql(self, text, database="postgres"):
        psql = os.path.join(self.bin, "psql")
        args = [psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.url(database)]
        done = subprocess.run([*args, "-c", text], capture_output=True, text=True, cwd="/")
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def close(self):
        if self.process.poll() is None:
            self.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)
        os.unlink(self.log)


class ClickHouse:
    """ClickHouse's HTTP interface: a given server, or the engine in a process."""

    def __init__(self, password=None):
        self.given = os.environ.get("CLICKHOUSE_URL") if password is None else None
        self.process = None
        if self.given is not None:
            self.url = self.given
            return
        self.password = password
        self.port = free_port()
        self.directory = tempfile.mkdtemp(prefix="exhibit-ch.")
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        python = os.environ.get("CHDB_PYTHON", sys.executable)
        data = os.path.join(self.directory, "data")
        args = [python, os.path.join(HERE, "clickhouse_front.py"), data]
        args += ["--port", str(self.port)]
        if self.password is not None:
            args += ["--password", self.password]
        self.process = subprocess.Popen(
            args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
            # What it writes beside its data goes when the data go, however it ends.
            env=os.environ | {"TMPDIR": self.directory},
        )  # fmt: skip
        if not self.process.stdout.readline():
            raise RuntimeError("the ClickHouse engine did not start; is chdb installed?")

    def kill(self):
        """Ends it without a word, as a machine that loses its power does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            shutil.rmtree(self.directory, ignore_errors=True)


def main():
    began = time.monotonic()
    durable = os.environ.get("POSTGRES_DURABLE") == "1"
    postgres = Postgres(durable=durable)
    try:
        clickhouse = ClickHouse()
        try:
            took = time.monotonic() - began
            print(f"engines started in {took:.1f} s", file=sys.stderr, flush=True)
            settings = {"POSTGRES_URL": postgres.url(), "CLICKHOUSE_URL": clickhouse.url}
            return subprocess.run(sys.argv[1:], env=os.environ | settings).returncode
        finally:
            clickhouse.close()
    finally:
        postgres.close()


if __name__ == "__main__":
    sys.exit(main())
