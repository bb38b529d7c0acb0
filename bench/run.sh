#!/usr/bin/env bash
# Makes a whole benchmark report: builds, starts a server on a fresh data directory, loads it,
# queries it, restarts it, verifies it. The report goes to standard output as Markdown.
#
# Options (environment):
#   SPANS=300000      spans of the sustained load
#   CONNECTIONS=8     keep-alive connections
#   HALF_RATE=10000   spans per second of the half load
#   FULL=1            fill the store to 1,000,000 spans before queries and restarts
#   N=200             measurements per query
#   AHEAD=1024        MiB of request bodies made ready before the clock starts
#   SERVE_ARGS=       further arguments of `exhibit serve`, for instance to run without search
#   WORK=             directory for data and results; default: a new one, removed at the end
#   KEEP=1            keep the directory
#   SKIP_BUILD=1      take the binaries that are there
set -uo pipefail
cd "$(dirname "$0")/.."

SPANS=${SPANS:-300000}
CONNECTIONS=${CONNECTIONS:-8}
HALF_RATE=${HALF_RATE:-10000}
FULL=${FULL:-0}
N=${N:-200}
AHEAD=${AHEAD:-1024}
read -ra SERVE_ARGS <<<"${SERVE_ARGS:-}"
TARGET=${CARGO_TARGET_DIR:-target}
EXHIBIT=$TARGET/release/exhibit
BENCH=$TARGET/release/exhibit-bench

say() { printf '%s\n' "$*" >&2; }
die() { say "bench: $*"; exit 1; }

if [[ ${SKIP_BUILD:-0} != 1 ]]; then
  cargo build --release -p exhibit-cli -p exhibit-bench >&2 || die "the build failed"
fi

if [[ -n ${WORK:-} ]]; then
  KEEP=1
  mkdir -p "$WORK" || exit 1
else
  WORK=$(mktemp -d "${TMPDIR:-/tmp}/exhibit-bench.XXXXXX") || exit 1
fi
DATA=$WORK/data
RESULTS=$WORK/results
[[ -e $DATA ]] && die "$DATA is there already: a run needs a fresh one"
mkdir -p "$DATA" "$RESULTS" || exit 1
: >"$RESULTS/steps.txt"

SERVER_PID=
LOAD_PID=
FAILED=0

# Only processes that this script started, by their ids.
stop_server() {
  [[ -n $SERVER_PID ]] || return 0
  kill -TERM "$SERVER_PID" 2>/dev/null
  wait "$SERVER_PID" 2>/dev/null
  SERVER_PID=
}
leave() {
  [[ -n $LOAD_PID ]] && kill -TERM "$LOAD_PID" 2>/dev/null
  stop_server
  if [[ ${KEEP:-0} == 1 ]]; then say "results are in $RESULTS"; else rm -rf "$WORK"; fi
}
trap leave EXIT
trap 'exit 130' INT TERM

free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    [[ " ${TAKEN:-} " == *" $port "* ]] && continue
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      TAKEN="${TAKEN:-} $port"
      PORT=$port
      return
    fi
  done
}
free_port; MAIN=127.0.0.1:$PORT
free_port; HTTP=127.0.0.1:$PORT
free_port; GRPC=127.0.0.1:$PORT
BASE=http://$MAIN
TRACES=http://$HTTP/v1/traces
HEALTH=$BASE/api/v1/health
SERVE=("$EXHIBIT" serve --data-dir "$DATA" --listen "$MAIN" --otlp-http "$HTTP"
  --otlp-grpc "$GRPC" ${SERVE_ARGS[@]+"${SERVE_ARGS[@]}"})

# step NAME COMMAND…: standard output becomes NAME.json, standard error NAME.log.
step() {
  local name=$1 started=$SECONDS
  shift
  say "bench: $name"
  if "$@" >"$RESULTS/$name.json" 2>"$RESULTS/$name.log"; then
    printf '%-10s ok      %5d s\n' "$name" $((SECONDS - started)) >>"$RESULTS/steps.txt"
  else
    FAILED=1
    printf '%-10s FAILED  %5d s: %s\n' "$name" $((SECONDS - started)) \
      "$(tail -n 1 "$RESULTS/$name.log" | cut -c1-300)" >>"$RESULTS/steps.txt"
    say "bench: $name failed: $(tail -n 1 "$RESULTS/$name.log")"
  fi
}

# number NAME KEY: the first value of a key in NAME.json, 0 if there is none.
number() {
  local value
  value=$(sed -n "s/^ *\"$2\": \([0-9.][0-9.]*\),*\$/\1/p" "$RESULTS/$1.json" 2>/dev/null | head -n 1)
  echo "${value:-0}"
}

{
  printf 'date      %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  printf 'commit    %s\n' "$(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
  printf 'processor %s × %s\n' "$(nproc)" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
  printf 'SHA-NI    %s\n' "$(grep -qw sha_ni /proc/cpuinfo && echo yes || echo no)"
  printf 'memory    %s\n' "$(sed -n 's/^MemTotal: *//p' /proc/meminfo)"
  printf 'kernel    %s\n' "$(uname -r)"
  printf 'disk      %s\n' "$(df -T "$DATA" | awk 'NR==2 {print $1, $2}')"
  printf 'load      %s before the run\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
  printf 'spans     %s sustained, %s connections, FULL=%s\n' "$SPANS" "$CONNECTIONS" "$FULL"
} >"$RESULTS/environment.txt"

"${SERVE[@]}" >"$RESULTS/server.log" 2>&1 &
SERVER_PID=$!
for _ in $(seq 300); do
  curl -fsS -o /dev/null "$HEALTH" 2>/dev/null && break
  kill -0 "$SERVER_PID" 2>/dev/null || { tail -n 20 "$RESULTS/server.log" >&2; die "the server ended"; }
  sleep 0.1
done
curl -fsS -o /dev/null "$HEALTH" || die "the server did not become healthy"

EXHIBIT_KEY=$("$EXHIBIT" keys create --data-dir "$DATA" --name bench --scopes ingest,read --json |
  sed -n 's/.*"key": *"\([^"]*\)".*/\1/p')
[[ -n $EXHIBIT_KEY ]] || die "no key was created"
export EXHIBIT_KEY

LOAD=("$BENCH" load --url "$TRACES" --check-url "$BASE" --server-pid "$SERVER_PID"
  --data-dir "$DATA" --connections "$CONNECTIONS" --ahead "$AHEAD")

sleep 3
step idle "$BENCH" measure --pid "$SERVER_PID" --seconds 10
step sustained "${LOAD[@]}" --seed 1001 --spans "$SPANS"
step single "$BENCH" single --url "$TRACES" --n 500

# probed NAME RATE PROBES PAUSE: a paced load, with probes beside it whose proofs and finding are timed.
probed() {
  say "bench: $1"
  "${LOAD[@]}" --seed "$SEED" --spans $(($2 * 15)) --rate "$2" ${5:-} \
    >"$RESULTS/$1.json" 2>"$RESULTS/$1.log" &
  LOAD_PID=$!
  sleep 2
  step "$1_probes" "$BENCH" freshness --url "$TRACES" --base "$BASE" --n "$3" --pause-ms "$4"
  wait "$LOAD_PID" || { FAILED=1; echo "$1      FAILED" >>"$RESULTS/steps.txt"; }
  LOAD_PID=
}
SEED=1002 probed half "$HALF_RATE" 15 100
SEED=1003 probed paced 5000 15 100 --now

stored() {
  local sum=0 name
  for name in sustained half paced fill; do
    sum=$((sum + $(number "$name" spans_acked)))
  done
  echo "$sum"
}
if [[ $FULL == 1 ]]; then
  MISSING=$((1000000 - $(stored)))
  ((MISSING > 0)) && step fill "${LOAD[@]}" --seed 1004 --spans "$MISSING"
fi

step query "$BENCH" query --base "$BASE" --n "$N"
step rest "$BENCH" measure --pid "$SERVER_PID" --seconds 5
stop_server

step cold "$BENCH" cold-start --health "$HEALTH" --runs 5 --log "$RESULTS/server.log" -- "${SERVE[@]}"

STARTED=$(date +%s.%N)
step verify_output "$EXHIBIT" verify --data-dir "$DATA" --json
awk -v from="$STARTED" -v to="$(date +%s.%N)" -v records="$(stored)" 'BEGIN {
  seconds = to - from
  printf "{\"seconds\": %.3f, \"records\": %d, \"records_per_second\": %.0f}\n",
    seconds, records, records / seconds
}' >"$RESULTS/verify.json"
# A verification that failed has no rate.
grep -q '^verify_output ok' "$RESULTS/steps.txt" || rm -f "$RESULTS/verify.json"

"$BENCH" report --dir "$RESULTS"
exit "$FAILED"
