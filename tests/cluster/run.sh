#!/usr/bin/env bash
# The cluster store on real engines: Clippy, the contract's suite and the crash tests on PostgreSQL and
# ClickHouse, then several nodes of the real binary. Installs what is missing where it runs as root; Python
# packages go to tests/cluster/.venv. CLICKHOUSE_URL names a server to use instead of the engine as a library.
set -euo pipefail
cd "$(dirname "$0")/../.."

TARGET=${CARGO_TARGET_DIR:-target}
VENV=tests/cluster/.venv

missing=()
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null || missing+=(postgresql)
command -v nginx >/dev/null || missing+=(nginx-light)
if ((${#missing[@]})); then
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -y -qq "${missing[@]}"
  else
    echo "missing: ${missing[*]} (Debian: apt-get install ${missing[*]})"
    exit 1
  fi
fi
if ! cmp -s tests/cluster/requirements.txt "$VENV/installed.txt"; then
  python3 -m venv "$VENV"
  "$VENV/bin/pip" install -q -r tests/cluster/requirements.txt
  cp tests/cluster/requirements.txt "$VENV/installed.txt"
fi

cargo clippy --locked -p exhibit-store-cluster --all-targets -- -D warnings
cargo build --locked -p exhibit-cli --features cluster
# One process for all of them: they share the engines and keep apart by databases of their own.
"$VENV/bin/python" tests/cluster/engines.py cargo test --locked -q -p exhibit-store-cluster
EXHIBIT_BIN=$(realpath "$TARGET")/debug/exhibit \
  "$VENV/bin/python" -m pytest -q -rs -p no:cacheprovider tests/cluster
