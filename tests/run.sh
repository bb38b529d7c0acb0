#!/usr/bin/env bash
# Runs every check and test of the project, keeps going after a failure, and ends with a table.
#
#   ONLY="fmt clippy"   run only these steps (names as in the table)
#   EXHIBIT_BIN=path    end-to-end tests use this binary instead of building the development one
#
# Nothing outside the clone is changed, but that a missing Chromium is installed as a Debian package
# where this runs as root: Python packages go to tests/e2e/.venv and .venv-sdk, Node packages to the
# node_modules beside each package.json, everything built to target/, web/dist and sdk/typescript/dist.
set -uo pipefail
cd "$(dirname "$0")/.."

TARGET=${CARGO_TARGET_DIR:-target}
E2E=tests/e2e
LOG=$(mktemp "${TMPDIR:-/tmp}/exhibit-test.XXXXXX") || exit 1
trap 'rm -f "$LOG"' EXIT
ROWS=()
FAILED=0
BUILT=1
# Everything but the cluster store, which `make test-cluster` builds and tests; with the MongoDB sink, which
# the default build leaves out (38 crates more, all steps share them).
ROOMS="--workspace --exclude exhibit-store-cluster --features exhibit-cli/mongo-sink"

wanted() { [[ -z ${ONLY:-} || " $ONLY " == *" $1 "* ]]; }

# step NAME COUNTER COMMAND…: COUNTER is a sed expression that reads a count off the output.
step() {
  local name=$1 counter=$2 began=$SECONDS verdict count
  shift 2
  wanted "$name" || return 0
  printf '\n== %s\n' "$name"
  if "$@" 2>&1 | tee "$LOG"; then verdict=ok; else verdict=FAILED FAILED=1; fi
  count=$(sed $'s/\x1b\\[[0-9;]*m//g' "$LOG" | sed -n "$counter" | tail -1)
  ROWS+=("$(printf '%-12s %-8s %5s s   %s' "$name" "$verdict" $((SECONDS - began)) "$count")")
  [[ $verdict == ok ]]
}

none='$!d;s/.*//p'
nextest='s/.*Summary .*\] *\(.*\)/\1/p'
pytest='s/^=* *\(.*\(passed\|failed\|error\).*\) in .*/\1/p'
node_test='s/^# \(pass [0-9]*\)/\1/p'

rust_tests() {
  if cargo nextest --version >/dev/null 2>&1; then
    # shellcheck disable=SC2086
    cargo nextest run --locked $ROOMS --no-fail-fast
  else
    cargo test --locked $ROOMS --no-fail-fast 2>&1 | tee "$LOG.rust"
    local result=${PIPESTATUS[0]}
    awk '/^test result:/ { passed += $4; failed += $6 }
      END { printf "Summary [] %d passed, %d failed\n", passed, failed }' "$LOG.rust"
    rm -f "$LOG.rust"
    return "$result"
  fi
}

# The binary that the Rust tests have just built; with the same features, so nothing twice.
binary() { cargo build --locked $ROOMS --bins --tests; }

# Debian keeps venv in a package of its own.
make_venv() {
  python3 -m venv "$1" && return
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    apt-get install -y -qq python3-venv && python3 -m venv "$1"
  else
    echo "python3 has no venv module; install it (Debian: apt-get install python3-venv)"
    return 1
  fi
}

# packages VENV REQUIREMENTS: an environment with what a file names.
packages() {
  cmp -s "$2" "$1/installed.txt" && return
  make_venv "$1" && "$1/bin/pip" install -q -r "$2" && cp "$2" "$1/installed.txt"
}

python_tests() {
  local venv=$E2E/.venv
  packages "$venv" "$E2E/python/requirements.txt" || return 1
  EXHIBIT_BIN=$BIN "$venv/bin/python" -m pytest -q -rs -p no:cacheprovider "$E2E/python"
}

# Our own SDKs, installed as they would be published; the compatibility package never stands beside
# the products whose names it carries.
sdk_python() {
  local venv=$E2E/.venv-sdk
  packages "$venv" "$E2E/sdk-python/requirements.txt" || return 1
  "$venv/bin/pip" install -q --force-reinstall --no-deps sdk/python sdk/python-compat || return 1
  EXHIBIT_BIN=$BIN "$venv/bin/python" -m pytest -q -rs -p no:cacheprovider \
    "$E2E/sdk-python" && EXHIBIT_BIN=$BIN "$venv/bin/python" -m pytest -q -rs \
    -p no:cacheprovider "$E2E/sdk-python-compat"
}

sdk_js() (
  for folder in sdk/typescript "$E2E/sdk-js"; do
    (cd "$folder" && { cmp -s package-lock.json node_modules/installed.json ||
      { npm ci --no-audit --no-fund && cp package-lock.json node_modules/installed.json; }; }) || exit 1
  done
  (cd sdk/typescript && npm run --silent build) || exit 1
  cd "$E2E/sdk-js" && node install.mjs && EXHIBIT_BIN=$BIN node --test --test-reporter=tap
)

node_tests() (
  for folder in "$E2E/js" "$E2E/js-genkit"; do
    cmp -s "$folder/package-lock.json" "$folder/node_modules/installed.json" && continue
    # What is optional for Genkit are 230 MB of cloud clients.
    (cd "$folder" && npm ci --omit=optional --no-audit --no-fund &&
      cp package-lock.json node_modules/installed.json) || exit 1
  done
  cd "$E2E" && EXHIBIT_BIN=$BIN node --test --test-reporter=tap js/*.test.js js-genkit/*.test.js
)

# The verifier in TypeScript, which the Rust tests ask about the same bundles.
typescript() (
  cd verifiers/typescript || exit 1
  if ! cmp -s package-lock.json node_modules/installed.json; then
    npm ci --no-audit --no-fund || exit 1
    cp package-lock.json node_modules/installed.json
  fi
  npm run --silent build
)

# The dashboard is built first, so that the binary embeds it.
web_build() (
  web/build.sh || exit 1
  cd web && npm run --silent lint && npx vitest run && node --test --test-reporter=tap e2e/budget.test.mjs
)

have_chromium() {
  [[ -n ${CHROMIUM:-} ]] || command -v chromium >/dev/null || command -v google-chrome >/dev/null && return
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    apt-get install -y -qq chromium
  else
    echo "no Chromium; install it (Debian: apt-get install chromium) or name one in CHROMIUM"
    return 1
  fi
}

web_tests() {
  have_chromium || return 1
  (cd web && EXHIBIT_BIN=$BIN node --test --test-concurrency=1 --test-reporter=tap e2e/*.test.mjs)
}

step web "$node_test" web_build
step fmt "$none" cargo fmt --all --check
step typescript "$none" typescript
step clippy "$none" cargo clippy --locked $ROOMS --all-targets -- -D warnings
step rust "$nextest" rust_tests
if [[ -n ${EXHIBIT_BIN:-} ]]; then
  BIN=$(realpath "$EXHIBIT_BIN")
elif wanted e2e-python || wanted e2e-js || wanted sdk-python || wanted sdk-js || wanted e2e-web; then
  ONLY='' step binary "$none" binary || BUILT=0
  BIN=$(realpath "$TARGET")/debug/exhibit
fi
if [[ $BUILT == 1 ]]; then
  step e2e-python "$pytest" python_tests
  step e2e-js "$node_test" node_tests
  step sdk-python "$pytest" sdk_python
  step sdk-js "$node_test" sdk_js
  step e2e-web "$node_test" web_tests
fi

printf '\n%-12s %-8s %7s   %s\n' step verdict time counts
printf '%s\n' "${ROWS[@]}"
[[ $BUILT == 1 ]] || echo "end-to-end tests did not run: no binary"
exit "$FAILED"
