#!/usr/bin/env bash
# Whether a release can be replaced by this one while people buy: the one before it, built from the
# commit in deploy/previous-release, on the tables of this one and beside it.
#
#   deploy/services.sh with test -- deploy/upgrade-test.sh TARGET_DIR [CARGO]
#
# TARGET_DIR is where the binaries for debugging are, CARGO how to call cargo. What is built of
# the release before stays in TARGET_DIR/previous.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"
# shellcheck source=lib/common.sh
. deploy/lib/common.sh
# shellcheck source=lib/process.sh
. deploy/lib/process.sh

readonly start_seconds_max=60 end_seconds_max=60
# Bookings a second at each version, and for how long. The tables are changed meanwhile.
readonly load_rate=50 load_seconds=20

commit='' target='' previous='' old='' new='' cargo=(cargo) folder=''
pids=() server_pid='' server_address=''

main() {
  [[ $# -ge 1 && -x $1/debug/utsavam && -n ${SERVICES_POSTGRES-} ]] || usage
  target=$(cd "$1" && pwd -P)
  if (($# > 1)); then cargo=("${@:2}"); fi
  commit=$(<deploy/previous-release)
  previous=$target/previous
  new=$target/debug/utsavam
  trap on_exit EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  folder=$(mktemp -d "$SERVICES_FOLDER/upgrade.XXXXXX")

  build_previous
  replace_while_people_buy
  test_previous_on_new_tables
}

usage() {
  sed -n '2,/^set /s/^# \{0,1\}//p' deploy/upgrade-test.sh >&2
  exit 2
}

# Leaves the program in previous/target/debug, and its tests beside it.
build_previous() {
  git cat-file -e "$commit^{commit}" 2>/dev/null ||
    die "deploy/previous-release names $commit, which this clone does not have: git fetch --unshallow"
  say "building the release before, $commit"
  rm -rf "$previous/source"
  mkdir -p "$previous/source"
  # With the times of the commit, so that nothing is built twice.
  git archive "$commit" | tar -x -C "$previous/source"
  (
    cd "$previous/source"
    CARGO_TARGET_DIR=$previous/target "${cargo[@]}" build --locked --workspace --bins
  )
  old=$previous/target/debug/utsavam
}

# ------------------------------------------------------------ while people buy

# The order of docs/operations.md: the tables first, then the processes. One that is started
# again in between is still of the release before, and so is the one to which somebody goes back.
replace_while_people_buy() {
  local old_pid old_address new_pid new_address again_pid again_address event_id loads=()
  "$old" migrate
  "$old" seed-demo >/dev/null
  start_server "$old" before
  old_pid=$server_pid old_address=$server_address
  event_id=$(
    "$SERVICES_POSTGRES/psql" -X -q -A -t "$DATABASE_URL" \
      -c "INSERT INTO events (name, start_at, capacity, seats_available)
          VALUES ('Load', '2099-06-01T18:00:00Z', 1000000, 1000000) RETURNING id"
  )

  say "$load_rate bookings a second of event $event_id at each version; utsavam migrate"
  buy "$old_address" "$event_id" before
  loads+=($!)
  "$new" migrate
  start_server "$new" new
  new_pid=$server_pid new_address=$server_address
  buy "$new_address" "$event_id" new
  loads+=($!)
  start_server "$old" again
  again_pid=$server_pid again_address=$server_address
  is_alive "${loads[0]}" ||
    die "the load on the release before ended before both were there: $(cat "$folder/before.load")"

  # Both sell the last seats of one event after the other, beside each other on the event above.
  local base
  for base in "$again_address" "$new_address"; do
    BASE=http://$base CAPACITY=50 REQUESTS=500 CONCURRENCY=50 "$target/debug/concurrency"
  done
  wait "${loads[0]}" || die "the release before did not answer as it should: $(cat "$folder/before.load")"
  wait "${loads[1]}" || die "this release did not answer as it should: $(cat "$folder/new.load")"
  check "$event_id"

  say 'each version cancels what the other one sold'
  cancel "$again_address" new
  cancel "$new_address" before
  check "$event_id" --ledger "$folder/new.cancelled" --ledger "$folder/before.cancelled"

  end_server "$old_pid"
  end_server "$new_pid"
  end_server "$again_pid"
  say 'nothing was lost, nothing sold twice, and each version reads what the other one wrote'
}

buy() {
  local address=$1 event_id=$2 name=$3
  "$target/debug/bench" load --address "$address" --work book --keyed --rate "$load_rate" \
    --seconds "$load_seconds" --event-first "$event_id" --ledger "$folder/$name.ledger" \
    >"$folder/$name.load" 2>&1 &
  pids+=($!)
}

# Takes back at ADDRESS all that was bought in the ledger NAME.
cancel() {
  local address=$1 name=$2
  "$target/debug/bench" load --address "$address" --work cancel --clients 4 \
    --requests $((load_rate * load_seconds / 2)) --seconds "$load_seconds" \
    --bookings "$folder/$name.ledger" --ledger "$folder/$name.cancelled" >"$folder/$name.cancel" 2>&1 ||
    die "cancelling at $address failed: $(cat "$folder/$name.cancel")"
}

# Holds the tables against all ledgers, and what is kept of events against their bookings.
check() {
  "$target/debug/bench" check --database "$DATABASE_URL" --event-first "$1" \
    --ledger "$folder/before.ledger" --ledger "$folder/new.ledger" "${@:2}"
  "$new" reconcile --check
}

# Starts BINARY under NAME; where it is, is in server_pid and server_address then.
start_server() {
  local binary=$1 name=$2
  HOST=127.0.0.1 PORT=0 ADMIN_KEY=${ADMIN_KEY:-change_me_admin_key} \
    "$binary" serve >"$folder/$name.out" 2>"$folder/$name.log" </dev/null &
  server_pid=$!
  pids+=("$server_pid")
  # shellcheck disable=SC2310
  server_address=$(
    await_in_file "$folder/$name.out" 's|^listening on http://\([^ ,]*\).*|\1|p' \
      "$server_pid" "$start_seconds_max"
  ) && return 0
  cat "$folder/$name.log" >&2
  die "$binary did not start"
}

end_server() {
  local code=0
  kill -s TERM "$1"
  wait "$1" || code=$?
  ((code == 0)) || die "a server ended with status $code: $(tail -n 20 "$folder"/*.log)"
}

# ---------------------------------------------------------- the tests of the release before

# Its tests of the HTTP interface make tables with what stands here for it: those of this release.
test_previous_on_new_tables() {
  local stand_in=$folder/utsavam
  cat >"$stand_in" <<STAND_IN
#!/bin/sh
case \${1-} in
  migrate) exec '$new' "\$@" ;;
  *) exec '$old' "\$@" ;;
esac
STAND_IN
  chmod +x "$stand_in"
  say 'the tests of the release before, on the tables of this one'
  (
    cd "$previous/source"
    export CARGO_TARGET_DIR=$previous/target UTSAVAM_BIN=$stand_in
    if "${cargo[@]}" nextest --version >/dev/null 2>&1; then
      "${cargo[@]}" nextest run --locked -p utsavam-tests --test http
    else
      "${cargo[@]}" test --locked -p utsavam-tests --test http
    fi
  )
}

on_exit() {
  local status=$? pid
  trap '' INT TERM
  trap - EXIT
  for pid in ${pids[@]+"${pids[@]}"}; do
    ! is_alive "$pid" || end_process "$pid" "$end_seconds_max" TERM KILL || true
  done
  exit "$status"
}

main "$@"
