"""Clients that clash with each other run in environments of their own.

Each environment is made once from `clients/<name>.txt`, every version pinned; a test hands a script
of `clients/` to its Python and reads the JSON that the script prints last.
"""

import hashlib
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

from exhibit import environment

HERE = Path(__file__).resolve().parent
WANTS = HERE / "clients"
PLACE = Path(os.environ.get("EXHIBIT_CLIENT_ENVS") or HERE.parent / ".venv" / "clients")


def python(name):
    """The interpreter of an environment, made where it is missing or out of date."""
    wants = WANTS / f"{name}.txt"
    place = PLACE / name
    stamp = place / "installed.txt"
    digest = hashlib.sha256(wants.read_bytes()).hexdigest()
    interpreter = place / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != digest:
        venv.create(place, with_pip=True, clear=place.exists())
        subprocess.run([interpreter, "-m", "pip", "install", "-q", "-r", wants], check=True)
        stamp.write_text(digest)
    return interpreter


def run(name, script, *args, env=None, timeout=120):
    """Runs a script of `clients/`; the JSON of its last line, and everything it printed."""
    done = subprocess.run(
        [python(name), WANTS / script, *map(str, args)],
        capture_output=True, text=True, timeout=timeout, env=environment(env), cwd=WANTS,
    )  # fmt: skip
    if done.returncode != 0:
        raise AssertionError(f"{script} gave {done.returncode}:\n{done.stdout}{done.stderr}")
    lines = done.stdout.strip().splitlines()
    try:
        return json.loads(lines[-1]) if lines else None
    except json.JSONDecodeError:
        print(done.stdout, done.stderr, file=sys.stderr)
        raise
