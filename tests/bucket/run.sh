#!/usr/bin/env bash
# The cold archive in a bucket, against an S3 that checks signatures and keeps Object Lock (moto). Python
# packages go to tests/bucket/.venv. EXHIBIT_BIN names a binary with the feature `s3` to use instead of building one.
set -euo pipefail
cd "$(dirname "$0")/../.."

VENV=tests/bucket/.venv
if ! cmp -s tests/bucket/requirements.txt "$VENV/installed.txt"; then
  python3 -m venv "$VENV"
  "$VENV/bin/pip" install -q -r tests/bucket/requirements.txt
  cp tests/bucket/requirements.txt "$VENV/installed.txt"
fi
if [[ -z ${EXHIBIT_BIN:-} ]]; then
  cargo build --locked -p exhibit-cli --features s3
  EXHIBIT_BIN=$(realpath "${CARGO_TARGET_DIR:-target}")/debug/exhibit
fi
EXHIBIT_BIN=$EXHIBIT_BIN "$VENV/bin/python" -m pytest -q -rs -p no:cacheprovider tests/bucket
