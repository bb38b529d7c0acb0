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
command -v openssl >/dev/null || missing+=(openssl)
# Debian keeps venv in a package of its own.
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
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

# The whole workspace is named, and always a test with it, so that crates which others build too get the features that
# `make test` gives them: then only the cluster's own clients, this crate and the binary are compiled.
WHOLE=(--locked --workspace --features exhibit-cli/cluster,exhibit-cli/mongo-sink)
SECONDS=0
say() { printf '\n== %s (after %s s)\n' "$1" "$SECONDS"; }

say clippy
cargo clippy "${WHOLE[@]}" --all-targets -- -D warnings
say build
cargo build "${WHOLE[@]}" --bin exhibit --test engines
# One process for all of them: they share the engines and keep apart by databases of their own.
mapfile -t TESTS < <(cargo test "${WHOLE[@]}" --no-run --lib --test engines --message-format=json |
  "$VENV/bin/python" -c '
import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("executable") and "store-cluster" in built.get("manifest_path", ""):
        print(built["executable"])')
[[ ${#TESTS[@]} == 2 ]] || { echo "the tests of exhibit-store-cluster were not built"; exit 1; }
say "the contract's suite and the crash tests"
(
  cd crates/store-cluster
  ENGINES=../../tests/cluster/engines.py
  ../../"$VENV/bin/python" "$ENGINES" bash -c 'for test in "$@"; do "$test" -q || exit 1; done' - "${TESTS[@]}"
)
say "several nodes"
EXHIBIT_BIN=$(realpath "$TARGET")/debug/exhibit \
  "$VENV/bin/python" -m pytest -q -rs -p no:cacheprovider --durations=5 tests/cluster
say done
