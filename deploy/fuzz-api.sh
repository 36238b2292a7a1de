#!/usr/bin/env bash
# Makes requests that nobody thought of, after what /openapi.json says, to a server of its own
# on the embedded store: in open mode and where credentials are required. An answer that the
# description does not know, and a 5xx, fail it.
#
#   deploy/fuzz-api.sh TARGET_DIR    where debug/utsavam is, and where Python's packages may go
#
#   FUZZ_SECONDS   how long in all, half of it in each mode (60)
#   FUZZ_SEED      the same requests again
#   FUZZ_FLAGS     what else to tell schemathesis, as in '--report har'
#
# Ends with 3 where there is no Python and none can be installed. tests/fuzz-api has the settings.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=lib/common.sh
. "$root/deploy/lib/common.sh"
# shellcheck source=lib/process.sh
. "$root/deploy/lib/process.sh"
# shellcheck source=lib/apt.sh
. "$root/deploy/lib/apt.sh"
# shellcheck source=lib/python.sh
. "$root/deploy/lib/python.sh"

readonly no_python=3
readonly admin_key='key of the fuzzer'
readonly start_seconds_max=60
readonly settings=$root/tests/fuzz-api
readonly fuzz_seconds=${FUZZ_SECONDS:-60} fuzz_seed=${FUZZ_SEED:-$RANDOM$RANDOM}

target='' folder='' server_pid='' server_url=''

main() {
  [[ $# -eq 1 && -x $1/debug/utsavam ]] || usage
  [[ $fuzz_seconds =~ ^[1-9][0-9]{1,4}$ ]] || die 'FUZZ_SECONDS must be between 10 and 99999'
  target=$(cd "$1" && pwd -P)
  trap on_exit EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  need_python
  install_requirements "$settings/requirements.txt" "$target/fuzz-api/venv"
  local mode failed=''
  for mode in open required; do
    fuzz "$mode" || failed+=" $mode"
  done
  [[ -z $failed ]] || die "the interface does not do what it says, with auth.mode =$failed.
To make the same requests again: make fuzz-api FUZZ_SEED=$fuzz_seed FUZZ_SECONDS=$fuzz_seconds"
}

usage() {
  sed -n '2,/^set /s/^# \{0,1\}//p' "$root/deploy/fuzz-api.sh" >&2
  exit 2
}

# ------------------------------------------------------------------------- Python

need_python() {
  # shellcheck disable=SC2310
  ! find_python || return 0
  say 'Python 3.10 or newer, with venv, not found. Install it and run this again:
  Debian, Ubuntu:  sudo apt-get install python3-venv
  Fedora:          sudo dnf install python3
  macOS:           brew install python'
  exit "$no_python"
}

# ------------------------------------------------------------------------- a round

# Fuzzes a server in this mode.
fuzz() {
  local mode=$1 code=0 flags
  read -r -a flags <<<"${FUZZ_FLAGS-}"
  folder=$(mktemp -d "$target/fuzz-api/$mode.XXXXXX")
  start_server "$mode"
  say "auth.mode = $mode, FUZZ_SEED=$fuzz_seed, $((fuzz_seconds / 2)) s"
  (
    cd "$folder"
    export FUZZ_SERVER=$server_url FUZZ_ADMIN_KEY=$admin_key PYTHONPATH=$settings
    export PYTHONDONTWRITEBYTECODE=1
    exec "$target/fuzz-api/venv/bin/schemathesis" --config-file "$settings/schemathesis.toml" \
      run "$server_url/openapi.json" --seed "$fuzz_seed" --max-time "$((fuzz_seconds / 2))" \
      ${flags[@]+"${flags[@]}"}
  ) || code=$?
  stop_server
  # A panic is not always an answer of its own.
  if grep -n 'panicked\|ERROR' "$folder/server.log" >&2; then code=1; fi
  if ((code == 0)); then
    rm -rf "$folder"
  else
    say "the server's log is $folder/server.log"
  fi
  return "$code"
}

# With nothing of our environment but where programs are: no settings of the person who runs this.
start_server() {
  local mode=$1
  : >"$folder/server.out"
  (
    cd "$folder"
    exec env -i PATH="$PATH" DATABASE_URL="sqlite://$folder/utsavam.db" HOST=127.0.0.1 PORT=0 \
      ADMIN_KEY="$admin_key" UTSAVAM__AUTH__MODE="$mode" \
      UTSAVAM__RATE_LIMIT__ENABLED=false \
      "$root/deploy/run-dev.sh" "$target/debug/utsavam"
  ) >"$folder/server.out" 2>"$folder/server.log" &
  server_pid=$!
  # shellcheck disable=SC2310
  server_url=$(
    await_in_file "$folder/server.out" 's/^listening on \(http:[^ ]*\).*/\1/p' \
      "$server_pid" "$start_seconds_max"
  ) && return 0
  cat "$folder/server.log" >&2
  die 'the server did not start'
}

stop_server() {
  [[ -z $server_pid ]] || end_process "$server_pid" 20 TERM KILL || true
  server_pid=''
}

on_exit() {
  local status=$?
  trap '' INT TERM
  if [[ -n ${policy_made-} ]]; then remove_policy; fi
  stop_server
  exit "$status"
}

main "$@"
