#!/usr/bin/env bash
# Buys seats of an event of its own at the server at BASE, as many a second as RATE says, for
# LOAD_SECONDS, whatever happens meanwhile, and says what became of it:
#
#   BASE=… RATE=… LOAD_SECONDS=… deploy/load.sh BENCH
#   BASE=… RATE=… LOAD_SECONDS=… deploy/load.sh --check    only looks whether they will do
#
# BENCH is the path of that binary. ADMIN_KEY is the server's. With CHECK=postgres://… the answers
# are compared with that database in the end.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=lib/common.sh
. "$root/deploy/lib/common.sh"

readonly json='Content-Type: application/json'

main() {
  if [[ $# -eq 1 && $1 == --check ]]; then
    check_variables
    return 0
  fi
  [[ $# -eq 1 && -x $1 ]] || usage
  check_variables
  local bench=$1 code=0 address event_id user_id email password
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  # The key is in a file, and not for everybody to read in the list of processes.
  printf 'X-Admin-Key: %s\n' "${ADMIN_KEY:-change_me_admin_key}" >"$folder/admin"

  address=$(find_server)
  event_id=$(post /admin/events id -H "@$folder/admin" \
    -d '{"name":"Load","venue":"Everywhere","start_at":"2099-06-01T18:00:00Z","capacity":1000000}')
  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  email="load.$event_id.${password:0:8}@example.com"
  printf '{"email":"%s","password":"%s"}' "$email" "$password" >"$folder/login"
  user_id=$(post /users id -d "@$folder/login")
  post /auth/login access_token -d "@$folder/login" >"$folder/tokens"

  say "$RATE bookings a second of event $event_id by user $user_id for $LOAD_SECONDS s"
  # The program asks for more when it finds one of these.
  env -u DATABASE_URL -u REDIS_URL "$bench" load --address "$address" --work book \
    --rate "$RATE" --seconds "$LOAD_SECONDS" --event-first "$event_id" --user-first "$user_id" \
    --tokens "$folder/tokens" --keyed --ledger "$folder/ledger" --expect 200,201,409 \
    --through-faults --allow-503 || code=$?
  if [[ -n ${CHECK-} ]]; then
    if ! env -u DATABASE_URL -u REDIS_URL "$bench" check --database "$CHECK" \
      --ledger "$folder/ledger" --event-first "$event_id"; then
      code=1
      trap - EXIT
      rm -f "$folder/admin" "$folder/login" "$folder/tokens"
      say "the answers are in $folder/ledger; to compare them again: $bench check --database '…' --ledger $folder/ledger --event-first $event_id"
    fi
  fi
  return "$code"
}

usage() {
  sed -n '2,/^set /s/^# \{0,1\}//p' "$root/deploy/load.sh" >&2
  exit 2
}

check_variables() {
  local base_pattern='^http://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?/?$'
  local database_pattern='^(postgres(ql)?|sqlite)://.'
  [[ ${BASE-} =~ $base_pattern ]] || die "BASE=${BASE-} must be as in BASE=http://127.0.0.1:8000"
  refuse_unless_positive RATE 'bookings a second, as in RATE=50'
  refuse_unless_positive LOAD_SECONDS 'a number of seconds, as in LOAD_SECONDS=60'
  # Without its value, which may have a password.
  [[ -z ${CHECK-} || $CHECK =~ $database_pattern ]] ||
    die "CHECK must be the URL of the server's database, as in CHECK=postgres://user@127.0.0.1:5432/utsavam"
  command -v curl >/dev/null || die 'curl not found: install it (Debian: sudo apt-get install curl)'
}

refuse_unless_positive() {
  local variable=$1 meaning=$2 value=${!1-}
  [[ $value =~ ^[0-9]+([.][0-9]+)?$ && $value == *[1-9]* ]] || die "$variable=$value must be $meaning"
}

# The address and port at which BASE is served.
find_server() {
  local found address port
  found=$(curl -sS --noproxy '*' -o "$folder/health" -w '%{remote_ip} %{remote_port}' "${BASE%/}/health") ||
    die "nobody answers at BASE=$BASE: start the server, or say where it is"
  read -r address port <<<"$found"
  if [[ $address == *:* ]]; then address="[$address]"; fi
  printf '%s:%s' "$address" "$port"
}

# Posts to PATH what the other arguments say; writes that MEMBER of the answer.
post() {
  local path=$1 member=$2 answer value
  shift 2
  answer=$(curl -sS -H "$json" "$@" "${BASE%/}$path") || die "$BASE does not answer"
  value=$(sed -n "s/.*\"$member\":\"\{0,1\}\([^\",}]*\).*/\1/p" <<<"$answer")
  [[ $answer != *'"admin_key_required"'* ]] ||
    die "ADMIN_KEY is not the admin key of $BASE: set it to that (make cluster says which it is)"
  [[ -n $value && $answer != *'"code":'* ]] || die "POST $path was answered: $answer"
  printf '%s' "$value"
}

main "$@"
