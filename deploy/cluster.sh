#!/usr/bin/env bash
# Three processes of the server behind HAProxy, until Ctrl-C:
#
#   deploy/services.sh with cluster -- deploy/cluster.sh UTSAVAM
#   deploy/cluster.sh --check       only looks whether HOST, PORT and STATISTICS_PORT will do
#
# UTSAVAM is the path of the binary. The primary, its standby and Redis come from services.sh.
# HAProxy listens at HOST and PORT (127.0.0.1:8000) and shows its statistics at STATISTICS_PORT
# (8404); the processes listen on free ports of the loopback address, with their metrics beside
# them. ADMIN_KEY is made up where there is none. A process that ends is started again at its
# old place, after a pause that grows as long as it does not stay; SIGUSR1 replaces all of them,
# one after the other, with the settings that are in their file by then. Of primary and standby
# they use the one that takes writes.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=lib/common.sh
. "$root/deploy/lib/common.sh"
# shellcheck source=lib/ports.sh
. "$root/deploy/lib/ports.sh"
# shellcheck source=lib/process.sh
. "$root/deploy/lib/process.sh"

readonly start_seconds_max=60 balancer_seconds_max=30 drain_seconds=40
# The longest pause before a process is started again; who was started that long ago and listens has
# settled.
readonly pause_seconds_max=30 settled_seconds=60
readonly balancer_host=${HOST:-127.0.0.1} balancer_port=${PORT:-8000} statistics_port=${STATISTICS_PORT:-8404}

# By number, from 1. Of a process that runs: when it began, how many lines its log had by then,
# and whether it listens. Of one that has ended the pid is empty: when to start it, and how long
# the pause after the next end is.
pids=('') ports=('') metrics_ports=('') began=('') lines_before=('') listening=('')
starts_at=('') pauses=('')
folder='' utsavam='' balancer_pid='' wanted='' settings_file='' admin_key='' primary_url=''

main() {
  if [[ $# -eq 1 && $1 == --check ]]; then
    check_ports
    return 0
  fi
  [[ $# -eq 1 && -x $1 && -n ${SERVICES_HAPROXY-} ]] || usage
  utsavam=$1
  check_ports
  folder=$SERVICES_FOLDER/cluster
  mkdir "$folder"
  chmod 700 "$folder"
  trap on_exit EXIT
  trap 'wanted=end' HUP INT TERM
  trap 'wanted=replace' USR1

  choose_settings
  name_both_servers
  "$utsavam" migrate >/dev/null
  "$utsavam" seed-demo >/dev/null
  local number
  for number in 1 2 3; do
    ports[number]=$(pick_port "$folder/port-$number")
    metrics_ports[number]=$(pick_port "$folder/metrics-port-$number")
    pauses[number]=0
    launch_api "$number"
  done
  for number in 1 2 3; do
    # shellcheck disable=SC2310 # die tells more than errexit
    await_api "$number" || [[ $wanted == end ]] ||
      die "api-$number did not start, $(log_end "$number")"
  done
  [[ $wanted != end ]] || return 0
  start_balancer
  [[ $wanted != end ]] || return 0
  write_prometheus_settings
  say_where_to_look
  watch
}

usage() {
  sed -n '2,/^set /s/^# \{0,1\}//p' "$root/deploy/cluster.sh" >&2
  exit 2
}

# HAProxy shares a port with another one, and each would get some of the other's clients.
check_ports() {
  refuse_unusable_port HOST "$balancer_host" PORT "$balancer_port"
  refuse_unusable_port HOST 127.0.0.1 STATISTICS_PORT "$statistics_port"
  [[ $balancer_port != "$statistics_port" ]] ||
    die "PORT and STATISTICS_PORT are both $balancer_port: they must differ"
}

# What a process needs to know that is one of several behind a balancer on this machine. All
# clients here have one address to the rate limits: room for `make concurrency`.
choose_settings() {
  admin_key=${ADMIN_KEY:-$(random_key)}
  settings_file=${UTSAVAM_CONFIG:-}
  if [[ -z $settings_file && -e utsavam.toml ]]; then settings_file=utsavam.toml; fi
  if [[ -n $settings_file ]]; then
    export ADMIN_KEY=$admin_key
  else
    settings_file=$folder/utsavam.toml
    export UTSAVAM_CONFIG=$settings_file
    (umask 077 && : >"$settings_file")
    # A key that we make up stands there: nobody could change it in our environment any more.
    if [[ -z ${ADMIN_KEY-} ]]; then
      printf '[admin]\nkey = "%s"\n' "$admin_key" >"$settings_file"
      unset ADMIN_KEY
    fi
  fi
  export UTSAVAM__AUTH__MODE=${UTSAVAM__AUTH__MODE-required}
  export UTSAVAM__HTTP__TRUSTED_PROXIES=127.0.0.1
  export UTSAVAM__HTTP__SHUTDOWN_DELAY=${UTSAVAM__HTTP__SHUTDOWN_DELAY-3s}
  export UTSAVAM__RATE_LIMIT__BOOK__QUOTA=${UTSAVAM__RATE_LIMIT__BOOK__QUOTA-60000}
  # Lists and figures come from the standby.
  export REPLICA_URL=$STANDBY_URL
  # `migrate` did it.
  export UTSAVAM__DATABASE__MIGRATE_ON_START=false
}

random_key() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# After a failover the processes find the standby by themselves.
name_both_servers() {
  local primary=${DATABASE_URL#*@} standby=${STANDBY_URL#*@}
  primary_url=$DATABASE_URL
  export DATABASE_URL=${DATABASE_URL%%@*}@${primary%%/*},${standby%%/*}/${primary#*/}
}

# ------------------------------------------------------------------------ processes

# Runs a program in a process group of its own, so that Ctrl-C reaches it by us alone, and lets
# the kernel end it if we are killed. Its number is then in `$!`.
run_apart() {
  local log=$1 apart=()
  shift
  if setpriv --pdeathsig TERM true 2>/dev/null; then apart=(setpriv --pdeathsig TERM --); fi
  set -m
  (exec ${apart[@]+"${apart[@]}"} "$@") >>"$log" 2>&1 </dev/null &
  set +m
}

# Starts process NUMBER at its place.
launch_api() {
  local number=$1 log=$folder/api-$1.log
  touch "$log"
  lines_before[number]=$(wc -l <"$log")
  HOST=127.0.0.1 PORT=${ports[number]} UTSAVAM__METRICS__PORT=${metrics_ports[number]} \
    run_apart "$log" "$utsavam" serve
  pids[number]=$! began[number]=$SECONDS listening[number]=''
}

# Waits until process NUMBER listens; fails when it ends, takes too long or is not wanted any more.
await_api() {
  local number=$1 tenths
  for ((tenths = 1; tenths <= start_seconds_max * 10; tenths++)); do
    # shellcheck disable=SC2310
    if has_begun_to_listen "$number"; then return 0; fi
    is_alive "${pids[number]}" || return 1
    [[ $wanted != end ]] || return 1
    ((tenths != patience_tenths)) || say "waiting for api-$number to listen"
    sleep 0.1
  done
  return 1
}

# Sees to `listening`.
has_begun_to_listen() {
  local number=$1
  [[ -n $(sed -n "$((lines_before[number] + 1)),\$ s/^listening on//p" "$folder/api-$number.log") ]] ||
    return 1
  listening[number]=yes
}

# Where the log of process NUMBER is, and what that said last.
log_end() {
  local log=$folder/api-$1.log
  printf 'its log is %s, its last line: %s' "$log" "$(last_line "$log" "${lines_before[$1]}")"
}

# The beginning of the last line of FILE, of those behind the first LINES.
last_line() {
  local line
  line=$(tail -n "+$(($2 + 1))" "$1" | tail -n 1 | cut -c 1-400)
  printf '%s' "${line:-none}"
}

start_balancer() {
  local log=$folder/haproxy.log tenths
  BALANCER=$balancer_host:$balancer_port BALANCER_STATISTICS=127.0.0.1:$statistics_port \
    API_1=127.0.0.1:${ports[1]} API_2=127.0.0.1:${ports[2]} API_3=127.0.0.1:${ports[3]} \
    run_apart "$log" "$SERVICES_HAPROXY" -db -f "$root/deploy/haproxy/haproxy.cfg"
  balancer_pid=$!
  for ((tenths = 1; tenths <= balancer_seconds_max * 10; tenths++)); do
    is_alive "$balancer_pid" || break
    if [[ $(status_of "$balancer_host" "$balancer_port") == 200 ]]; then return 0; fi
    [[ $wanted != end ]] || return 0
    ((tenths != patience_tenths)) || say 'waiting for HAProxy to find the processes ready'
    sleep 0.1
  done
  [[ $wanted != end ]] || return 0
  if is_alive "$balancer_pid"; then
    die "HAProxy finds no process ready, the logs are in $folder"
  fi
  die "HAProxy did not start, its log is $log, its last line: $(last_line "$log" 0)"
}

# What GET /ready is answered with; nothing when nobody answers.
status_of() (
  exec 2>/dev/null 3<>"/dev/tcp/$1/$2" || exit 0
  printf 'GET /ready HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n' "$1" "$2" >&3
  read -r -t 5 _ status _ <&3 || exit 0
  printf '%s' "$status"
)

# For who wants to watch: Prometheus with the alerts, which this script does not start.
write_prometheus_settings() {
  local number
  {
    printf 'global: {scrape_interval: 5s, scrape_timeout: 4s, evaluation_interval: 5s}\n'
    printf 'rule_files: ["%s/deploy/prometheus/alerts.yaml"]\nscrape_configs:\n' "$root"
    printf -- '- job_name: utsavam\n  static_configs:\n'
    for number in 1 2 3; do
      printf -- '  - {targets: ["127.0.0.1:%s"], labels: {instance: api-%s}}\n' \
        "${metrics_ports[number]}" "$number"
    done
    printf -- '- job_name: haproxy\n  static_configs:\n'
    printf -- '  - {targets: ["127.0.0.1:%s"], labels: {instance: balancer}}\n' "$statistics_port"
  } >"$folder/prometheus.yaml"
}

say_where_to_look() {
  local number
  say "HAProxy (process $balancer_pid):  http://$balancer_host:$balancer_port  statistics at http://127.0.0.1:$statistics_port/"
  for number in 1 2 3; do
    say "api-$number (process ${pids[number]}):    http://127.0.0.1:${ports[number]}  metrics at http://127.0.0.1:${metrics_ports[number]}/metrics"
  done
  say "primary:  $primary_url"
  say "standby:  $STANDBY_URL"
  say "database: $DATABASE_URL"
  say "Redis:    $REDIS_URL"
  say "logs:     $folder"
  say "to watch: prometheus --config.file=$folder/prometheus.yaml --storage.tsdb.path=$folder/prometheus --web.listen-address=127.0.0.1:9090"
  say "settings: $settings_file"
  say "admin:    export ADMIN_KEY=$admin_key"
  say "Replace the processes one after the other: kill -USR1 $$; end: Ctrl-C or kill $$"
  say 'ready'
}

# ----------------------------------------------------------------------------- life

# Starts again what ends, until we are told to end.
watch() {
  local number
  while [[ $wanted != end ]]; do
    if [[ $wanted == replace ]]; then
      wanted=''
      replace_all
    fi
    for number in 1 2 3; do
      look_after "$number"
    done
    is_alive "$balancer_pid" 2>/dev/null || [[ -n $wanted ]] || die_of_balancer
    # Here and below bash itself would say who was killed.
    { sleep 0.2; } 2>/dev/null
  done
}

die_of_balancer() {
  local end log=$folder/haproxy.log
  describe_end "$balancer_pid"
  die "HAProxy (process $balancer_pid) $end, its log is $log, its last line: $(last_line "$log" 0)"
}

# Does what is due about process NUMBER. Nothing here waits: the others may need us.
look_after() {
  local number=$1 pid=${pids[$1]}
  if [[ -z $pid ]]; then
    ((SECONDS < starts_at[number])) || launch_api "$number"
  elif ! is_alive "$pid" 2>/dev/null; then
    # A signal to our whole group ends what is_alive asks, too: then nothing is known.
    [[ -n $wanted ]] || plan_restart "$number"
  elif [[ -z ${listening[number]} ]]; then
    # shellcheck disable=SC2310
    if has_begun_to_listen "$number"; then
      say "api-$number is process $pid now"
    elif ((SECONDS - began[number] >= start_seconds_max)); then
      say "api-$number (process $pid) does not listen after $start_seconds_max s: killing it"
      kill -s KILL "$pid" 2>/dev/null || true
    fi
  fi
}

# Sets `end` to how our child PID has ended.
describe_end() {
  local code=0 signal
  wait "$1" 2>/dev/null || code=$?
  end="ended with status $code"
  if ((code > 128)) && signal=$(kill -l "$code" 2>/dev/null); then end="was ended by SIG$signal"; fi
}

# Says what became of process NUMBER, which has ended, and when it is started again: at once if it
# had been there for a while, later and later if it does not stay.
plan_restart() {
  local number=$1 pid=${pids[$1]} end pause soon='now'
  describe_end "$pid"
  [[ $wanted != end ]] || return 0
  if [[ -n ${listening[number]} ]] && ((SECONDS - began[number] >= settled_seconds)); then
    pauses[number]=0
  fi
  pause=${pauses[number]}
  if ((pause > 0)); then soon="in $pause s"; fi
  say "api-$number (process $pid) $end, starting it again $soon; $(log_end "$number")"
  pids[number]='' starts_at[number]=$((SECONDS + pause))
  pauses[number]=$((pause == 0 ? 1 : pause * 2 > pause_seconds_max ? pause_seconds_max : pause * 2))
}

# One after the other leaves, and the next one only when its successor is there. None does
# where the settings have been changed to what no successor would start with, or the first does not
# come for another reason.
replace_all() {
  local number tenths
  if ! "$utsavam" config >/dev/null 2>"$folder/config.log"; then
    say "nothing is replaced: $(cat "$folder/config.log")"
    return 0
  fi
  for number in 1 2 3; do
    if [[ -n ${pids[number]} ]] && ! end_process "${pids[number]}" "$drain_seconds" TERM; then
      say "api-$number (process ${pids[number]}) did not end within $drain_seconds s: killing it"
      end_process "${pids[number]}" 10 KILL || true
    fi
    launch_api "$number"
    # shellcheck disable=SC2310
    if ! await_api "$number"; then
      [[ $wanted == end ]] || say "api-$number did not start: those after it are not replaced"
      return 0
    fi
    for ((tenths = 1; tenths <= start_seconds_max * 10; tenths++)); do
      ((tenths != patience_tenths)) || say "waiting for api-$number to be ready"
      [[ $(status_of 127.0.0.1 "${ports[number]}") != 200 ]] || break
      sleep 0.1
    done
    # Two looks of HAProxy's.
    sleep 1.5
    say "api-$number is process ${pids[number]} now"
    [[ $wanted != end ]] || return 0
  done
  say 'all processes are new'
}

# Every way out comes through here. New clients are turned away first; who is being served is
# served to the end. (What this calls must say `return 0`.)
on_exit() {
  local status=$? pid
  trap '' HUP INT TERM USR1
  trap - EXIT
  if [[ -n $balancer_pid ]]; then kill -s USR1 "$balancer_pid" 2>/dev/null || true; fi
  # Ctrl-C's signal: nobody has to be told any more. A second one would cut off what is under way.
  for pid in "${pids[@]}"; do
    if [[ -n $pid ]]; then kill -s INT "$pid" 2>/dev/null || true; fi
  done
  for pid in "${pids[@]}"; do
    if [[ -n $pid ]]; then outlast "$pid" "$drain_seconds"; fi
  done
  if [[ -n $balancer_pid ]]; then outlast "$balancer_pid" 2; fi
  exit "$status"
}

# Waits until the process has ended, and ends it when it takes too long.
outlast() {
  local pid=$1 tenths
  for ((tenths = 1; tenths <= $2 * 10; tenths++)); do
    is_alive "$pid" || return 0
    ((tenths != patience_tenths)) || say "waiting for process $pid to answer what it has begun, at most $2 s"
    sleep 0.1
  done
  end_process "$pid" 5 KILL || say "process $pid does not end"
  return 0
}

main "$@"
