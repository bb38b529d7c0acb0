#!/usr/bin/env bash
# The same with curl: a step that runs, the same step ended, and the trace read back.
#   AUDITTRAIL_API_KEY=sk-at-... ./quickstart.sh
set -euo pipefail
API=${AUDITTRAIL_API_URL:-http://localhost:8000}
TRACE=${1:-curl-$(date +%s)-$RANDOM}

call() {
  curl -sS --fail-with-body "$API$1" -H "Authorization: Bearer $AUDITTRAIL_API_KEY" \
    -H 'Content-Type: application/json' "${@:2}"
  echo
}
now() { date -u +%Y-%m-%dT%H:%M:%S.%NZ; }

START=$(now)
call /api/v1/ingest/spans -d '{"batch": [{"span_id": "step-1", "trace_id": "'"$TRACE"'", "name": "my_tool",
  "span_type": "tool", "start_time": "'"$START"'", "end_time": null, "status": "running",
  "input": {"query": "curl"}}]}'
call /api/v1/ingest/spans -d '{"batch": [{"span_id": "step-1", "trace_id": "'"$TRACE"'", "name": "my_tool",
  "span_type": "tool", "start_time": "'"$START"'", "end_time": "'"$(now)"'", "status": "ok",
  "output": {"result": "done"}}]}'
call "/api/v1/traces/$TRACE"
