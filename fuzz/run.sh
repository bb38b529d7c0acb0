#!/usr/bin/env bash
# Runs every fuzz target for so many seconds (first argument, 30 unless told).
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
  echo "fuzzing needs a nightly toolchain and cargo-fuzz:"
  echo "  rustup toolchain install nightly && cargo +nightly install cargo-fuzz"
  exit 1
fi
for target in $(cargo +nightly fuzz list); do
  printf '== %s\n' "$target"
  cargo +nightly fuzz run "$target" -- -max_total_time="${1:-30}" -max_len=65536 -timeout=10
done
