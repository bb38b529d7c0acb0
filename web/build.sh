#!/usr/bin/env bash
# Builds the dashboard into web/dist, from where the binary takes it. Does nothing when nothing has
# changed since, and nothing but a notice where Node is missing: the binary then has its plain pages.
set -euo pipefail
cd "$(dirname "$0")"

if ! command -v node >/dev/null || ! command -v npm >/dev/null ||
  ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
  echo "No Node 20.19 or newer here: the dashboard is left out, plain pages stand in."
  exit 0
fi
if [[ -f dist/index.html ]] && [[ -z $(find src ../verifiers/typescript/src ../examples ../sdk/python/pyproject.toml ../sdk/typescript/package.json public index.html package-lock.json vite.config.ts -newer dist/index.html -print -quit) ]]; then
  exit 0
fi
if ! cmp -s package-lock.json node_modules/installed.json; then
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/installed.json
fi
npm run --silent build
