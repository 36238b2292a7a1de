#!/usr/bin/env bash
# What `make cluster` runs, tried: what HAProxy does with requests, processes killed and replaced
# under load, the HTTP interface by way of it, and the script itself from its start to Ctrl-C.
#
#   deploy/services.sh with cluster -- deploy/cluster-test.sh TARGET_DIR [CARGO]
#
# TARGET_DIR is where the binaries for debugging are, CARGO how to call cargo.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=lib/common.sh
. deploy/lib/common.sh
# shellcheck source=lib/ports.sh
. deploy/lib/ports.sh
# shellcheck source=lib/process.sh
. deploy/lib/process.sh

# Bookings a second, and for how long: all processes are replaced meanwhile.
readonly load_rate=100 load_seconds=40

# Tests of the HTTP interface that are not about what clients of a cluster see.
readonly skipped=(
  # Each server has metrics of its own.
  metrics::a_client_that_goes_away_is_counted
  metrics::bookings_count_by_what_became_of_them
  metrics::the_overview_tells_of_events_by_name_and_of_what_the_server_stands_on
  metrics::readers_that_hold_on_keep_nobody_from_buying_or_reading
  metrics::refusals_count_by_their_policy
  metrics::requests_count_by_route_method_and_status
  metrics::transactions_are_timed_by_name
  metrics::what_clients_write_makes_no_label
  # Each server sends its own traces, and only one of them is told to end.
  traces::a_transaction_that_is_no_batch_lies_in_its_request
  traces::refusals_are_no_failures
  traces::no_secret_and_no_address_is_sent
  traces::a_collector_that_is_away_or_silent_keeps_nobody_from_buying
  traces::what_was_sent_is_counted
  traces::whether_a_request_is_traced_is_up_to_its_caller_and_then_to_the_ratio
  # The size of heads, connections, and where requests come from are HAProxy's business.
  edge::a_head_has_a_size_and_a_number_of_fields
  edge::more_connections_than_may_be_wait_until_one_ends
  rate_limits::clients_do_not_take_from_one_another
  rate_limits::each_policy_counts_what_it_is_for
  # They are about a server without anything before it, or without Redis.
  open_mode::a_page_of_somebody_elses_is_refused_in_open_mode
  open_mode::on_this_machine_alone_strangers_may_book_and_the_server_says_so
  open_mode::who_comes_by_way_of_a_proxy_is_refused_in_open_mode
  rate_limits::programs_on_the_same_machine_are_not_limited
  rate_limits::without_redis_the_process_counts
  # At once in the process that did it, within two seconds in the others.
  accounts::a_new_password_needs_the_current_one_and_ends_other_sessions
  api_keys::a_rotated_key_has_a_new_secret_and_a_revoked_one_none
)

target='' cargo=(cargo) folder='' cluster_pid='' occupier_pid=''
# What the cluster had said before the last thing that we did to it.
lines_seen=0

main() {
  [[ $# -ge 1 && -x $1/debug/utsavam && -n ${SERVICES_HAPROXY-} ]] || usage
  target=$1
  if (($# > 1)); then cargo=("${@:2}"); fi
  trap on_exit EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  run_tests
  try_the_script
}

usage() {
  sed -n '2,/^set /s/^# \{0,1\}//p' deploy/cluster-test.sh >&2
  exit 2
}

run_tests() {
  local test expression='' skips=()
  for test in "${skipped[@]}"; do
    expression+=" - test(=$test)"
    skips+=(--skip "$test")
  done
  if "${cargo[@]}" nextest --version >/dev/null 2>&1; then
    "${cargo[@]}" nextest run -p utsavam-tests --test cluster
    UTSAVAM_TEST_LAYOUT=cluster \
      "${cargo[@]}" nextest run -p utsavam-tests --test http -E "all()$expression"
  else
    "${cargo[@]}" test -p utsavam-tests --test cluster
    UTSAVAM_TEST_LAYOUT=cluster "${cargo[@]}" test -p utsavam-tests --test http -- "${skips[@]}"
  fi
}

# -------------------------------------------------------------------- the script itself

try_the_script() {
  local port event_id load_pid pids pid
  folder=$(mktemp -d "$SERVICES_FOLDER/cluster-test.XXXXXX")
  port=$(pick_port "$folder/port")
  : >"$folder/cluster.log"
  start_cluster "$port"
  pids=$(sed -n 's/^\(HAProxy\|api-[1-3]\) (process \([0-9]*\)).*/\2/p' "$folder/cluster.log")

  event_id=$(
    "$SERVICES_POSTGRES/psql" -X -q -A -t "$DATABASE_URL" \
      -c "INSERT INTO events (name, start_at, capacity, seats_available)
          VALUES ('Load', '2099-06-01T18:00:00Z', 1000000, 1000000) RETURNING id"
  )
  say "$load_rate bookings a second of event $event_id for $load_seconds s, while all processes are replaced"
  "$target/debug/bench" load --address "127.0.0.1:$port" --work book --rate "$load_rate" \
    --seconds "$load_seconds" --event-first "$event_id" --keyed --ledger "$folder/ledger" \
    >"$folder/load.out" &
  load_pid=$!
  kill -s USR1 "$cluster_pid"
  wait_for_line 'all processes are new' "$load_seconds"
  is_alive "$load_pid" || die 'the load ended before all processes were new'
  wait "$load_pid" || die 'the load was not answered as it should be'
  "$target/debug/bench" check --database "$DATABASE_URL" --ledger "$folder/ledger" \
    --event-first "$event_id"
  try_a_taken_port "$port"
  pids+=" $(sed -n 's/^api-[1-3] is process \([0-9]*\) now/\1/p' "$folder/cluster.log")"

  BASE=http://127.0.0.1:$port CAPACITY=50 REQUESTS=500 CONCURRENCY=100 "$target/debug/concurrency"
  "$target/debug/utsavam" reconcile --check

  say 'ending it'
  kill -s INT "$cluster_pid"
  wait "$cluster_pid" || die "it ended with status $?: $(cat "$folder/cluster.log")"
  cluster_pid=''
  for pid in $pids; do
    ! is_alive "$pid" || die "process $pid is still there"
  done
  say 'nothing was lost, nobody noticed, and nothing is left'
}

# A process that cannot start leaves the others to it, and is there again when it can.
try_a_taken_port() {
  local api_port pid
  api_port=$(sed -n 's/^api-2 (process .*:\([0-9]*\)  metrics .*/\1/p' "$folder/cluster.log")
  pid=$(sed -n 's/^api-2 is process \([0-9]*\) now/\1/p' "$folder/cluster.log" | tail -n 1)
  say "killing api-2 and taking its port, $api_port"
  lines_seen=$(wc -l <"$folder/cluster.log")
  take_port "$api_port" &
  occupier_pid=$!
  kill -s KILL "$pid"
  wait_for_line 'api-2 .* was ended by SIGKILL, starting it again now; .*' 30
  wait_for_line 'api-2 .* ended with status 1, starting it again in 2 s; .* cannot listen on .*' 60
  HOST=127.0.0.1 PORT=$1 "$target/debug/utsavam" health >/dev/null || die 'the others do not serve'
  end_process "$occupier_pid" 5 TERM
  occupier_pid=''
  wait_for_line 'api-2 is process [0-9]+ now' 60
}

# Listens at PORT as soon as nobody else does, and hangs up on everybody, until it is ended.
take_port() {
  exec perl -MSocket -e '
    my $at = sockaddr_in($ARGV[0], INADDR_LOOPBACK);
    socket(my $socket, PF_INET, SOCK_STREAM, 0) or die;
    setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1);
    select(undef, undef, undef, 0.001) until bind($socket, $at) && listen($socket, 8);
    while (accept(my $caller, $socket)) { close $caller }' "$1"
}

# Strangers may book, so that the load needs no passwords; the load has one address.
start_cluster() {
  export ADMIN_KEY='key of the cluster test'
  local statistics_port
  statistics_port=$(pick_port "$folder/statistics-port")
  set -m
  HOST=127.0.0.1 PORT=$1 STATISTICS_PORT=$statistics_port \
    UTSAVAM__AUTH__MODE=open UTSAVAM__AUTH__OPEN_BEYOND_LOOPBACK=true \
    UTSAVAM__RATE_LIMIT__ENABLED=false \
    deploy/cluster.sh "$target/debug/utsavam" >"$folder/cluster.log" 2>&1 </dev/null &
  set +m
  cluster_pid=$!
  wait_for_line 'ready' 60
}

# Waits until the cluster has said a line that matches LINE.
wait_for_line() {
  local line=$1 tenths found
  for ((tenths = 1; tenths <= $2 * 10; tenths++)); do
    found=$(tail -n "+$((lines_seen + 1))" "$folder/cluster.log" | grep -xE "$line") || true
    if [[ -n $found ]]; then return 0; fi
    is_alive "$cluster_pid" || break
    ((tenths != patience_tenths)) || say "waiting for the cluster to say '$line'"
    sleep 0.1
  done
  cat "$folder/cluster.log" >&2
  die "the cluster did not say '$line' in time"
}

on_exit() {
  local status=$?
  trap '' INT TERM
  trap - EXIT
  if [[ -n $occupier_pid ]]; then end_process "$occupier_pid" 5 TERM KILL || true; fi
  if [[ -n $cluster_pid ]]; then end_process "$cluster_pid" 60 TERM KILL || true; fi
  exit "$status"
}

main "$@"
