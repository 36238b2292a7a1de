#!/usr/bin/env bash
# Runs a command with a PostgreSQL and a Redis of its own, and cleans up after it.
#
#   deploy/services.sh with NAME -- COMMAND ARGS…   NAME is dev (kept), or thrown away: test
#                                                   (PgBouncer is looked for), bench (writes as
#                                                   safely as dev), cluster (with a standby, and
#                                                   HAProxy is looked for)
#   deploy/services.sh status NAME                  what runs, and who uses it
#   deploy/services.sh stop NAME                    ends what a kill -9 left behind
#   deploy/services.sh clean NAME                   the same, and removes the data
#   deploy/services.sh others                       names what other checkouts of this user left in
#                                                   /var/tmp
#
# `with` sets DATABASE_URL and REDIS_URL for the command, in cluster STANDBY_URL too. In dev one that is set already,
# in the environment or in .env, is used as it is, and only what is missing is started.
# The others always get private instances. See lib/ for the parts.
set -euo pipefail

# A shell that starts us in the background makes us ignore Ctrl-C for good, and the command
# too; being stopped is our business, so begin again without that.
if [[ $(trap -p INT) == *"''"* ]] && env --default-signal=INT true 2>/dev/null; then
  exec env --default-signal=INT,QUIT "$0" "$@"
fi

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=lib/common.sh
. "$root/deploy/lib/common.sh"
# shellcheck source=lib/process.sh
. "$root/deploy/lib/process.sh"
# shellcheck source=lib/apt.sh
. "$root/deploy/lib/apt.sh"
# shellcheck source=lib/haproxy.sh
. "$root/deploy/lib/haproxy.sh"
# shellcheck source=lib/pgbouncer.sh
. "$root/deploy/lib/pgbouncer.sh"
# shellcheck source=lib/programs.sh
. "$root/deploy/lib/programs.sh"
# shellcheck source=lib/ports.sh
. "$root/deploy/lib/ports.sh"
# shellcheck source=lib/postgres.sh
. "$root/deploy/lib/postgres.sh"
# shellcheck source=lib/standby.sh
. "$root/deploy/lib/standby.sh"
# shellcheck source=lib/redis.sh
. "$root/deploy/lib/redis.sh"
# shellcheck source=lib/leftovers.sh
. "$root/deploy/lib/leftovers.sh"

# How long a command may take to end after it was asked to, before it is killed.
readonly drain_seconds=${DRAIN_SECONDS:-60}
readonly start_attempts_max=10
# Where the folders are of checkouts that cannot have them within.
readonly base_parent=${SERVICES_PARENT:-/var/tmp}

folder='' # of the instance: $base/dev, or $base/NAME/XXXXXX of one that is thrown away

main() {
  local verb=${1-} name=${2-}
  if [[ $verb == others && $# -eq 1 ]]; then
    choose_base
    name_leftovers
    return 0
  fi
  case $name in
    dev | test | bench | cluster) ;;
    *) usage ;;
  esac
  case $verb in
    with)
      [[ ${3-} == -- && $# -ge 4 ]] || usage
      shift 3
      with "$@"
      ;;
    status | stop | clean)
      [[ $# -eq 2 ]] || usage
      choose_base
      "$verb"_all
      ;;
    *) usage ;;
  esac
}

# Whether the instance exists for one command only.
is_thrown_away() { [[ $name != dev ]]; }

usage() {
  sed -n '2,/^set /s/^# \{0,1\}//p' "$root/deploy/services.sh" >&2
  exit 2
}

# ---------------------------------------------------------------------------- with

with() {
  local wanted=()
  if [[ $name == dev ]]; then load_env_file "$root/.env"; fi
  if is_thrown_away || [[ -z ${DATABASE_URL-} ]]; then wanted+=(postgres); fi
  if [[ $name == cluster ]]; then wanted+=(standby); fi
  if is_thrown_away || [[ -z ${REDIS_URL-} ]]; then wanted+=(redis); fi
  raise_open_files

  if ((${#wanted[@]} == 0)); then
    say 'using the PostgreSQL of DATABASE_URL and the Redis of REDIS_URL'
    exec "$@"
  fi
  trap on_exit EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 131' QUIT
  trap 'exit 143' TERM
  choose_base
  start_services "${wanted[@]}"
  run_command "$@"
}

start_services() {
  local service
  lock
  remove_policy
  if is_thrown_away; then sweep_folders; fi
  open_folder
  case $name in
    test) need_programs "$@" pgbouncer ;;
    cluster) need_programs "$@" haproxy ;;
    *) need_programs "$@" ;;
  esac
  choose_service_user
  for service in "$@"; do
    make_service_folder "$folder/$service"
    "${service}_ensure_running"
  done
  unlock
  for service in "$@"; do
    case $service in
      postgres) DATABASE_URL=$(postgres_url) && export DATABASE_URL ;;
      standby) STANDBY_URL=$(standby_url) && export STANDBY_URL ;;
      redis) REDIS_URL=$(redis_url) && export REDIS_URL ;;
    esac
  done
  # For tests that start and kill servers of their own: what to run, as whom, and where.
  export SERVICES_FOLDER=$folder SERVICES_USER=$service_user
  export SERVICES_POSTGRES=${postgres_bin-} SERVICES_REDIS=${redis_server-}
  export SERVICES_HAPROXY=${haproxy-} SERVICES_PGBOUNCER=${pgbouncer-}
  if [[ $name == dev ]]; then say_where_to_look "$@"; fi
}

say_where_to_look() {
  local started=" $* "
  if [[ $started == *' postgres '* ]]; then
    say "PostgreSQL: data in $postgres_data, log in $postgres_log; look inside with"
    say "    $(postgres_hint)"
  else
    say 'PostgreSQL: the one of DATABASE_URL'
  fi
  if [[ $started == *' redis '* ]]; then
    say "Redis: log in $redis_log; look inside with"
    say "    $(redis_hint)"
  else
    say 'Redis: the one of REDIS_URL'
  fi
}

# Runs the command so that each signal reaches it once, and ends with its status.
run_command() {
  local pid target code status signalled='' stop_signal=''
  trap 'signalled=yes stop_signal=TERM' HUP QUIT TERM
  if in_terminal_foreground; then
    # The command stays in our process group, so that it may use the terminal, which sends
    # Ctrl-C to both of us. It would send HUP too, which leaves no time to drain.
    trap '' INT QUIT
    (
      trap - INT QUIT
      trap '' HUP
      exec "$@"
    ) <&0 9>&- &
    pid=$! target=$pid
  else
    # A group of its own: a signal to our group comes from us alone.
    trap 'signalled=yes stop_signal=INT' INT
    set -m
    (exec "$@") <&0 9>&- &
    set +m
    pid=$! target=-$pid
  fi
  printf 'command %s %s\n' "$target" "$(process_started "$pid")" >>"$folder/runs/$$"

  while :; do
    signalled=''
    if [[ -n $stop_signal ]]; then
      if ! end_process "$target" "$drain_seconds" "$stop_signal"; then
        say "the command did not end within $drain_seconds s: killing it"
        end_process "$target" 10 KILL || true
      fi
      stop_signal=''
    fi
    wait "$pid" && code=0 || code=$?
    # Of a command that ends in the moment of a signal, bash may have lost the status: it
    # says -1, and 128 + signal, from the wait that was interrupted, is kept.
    if ((code >= 0)); then status=$code; fi
    [[ -n $signalled ]] || break
  done
  exit "$status"
}

# Every way out comes through here. (What this calls must say `return 0`: within a trap a
# bare `return` gives the status that the script is about to end with.)
on_exit() {
  local status=$?
  trap '' HUP INT QUIT TERM
  trap - EXIT
  if [[ -n ${policy_made-} ]]; then remove_policy; fi
  if [[ -n $folder && -f $folder/runs/$$ ]]; then
    lock
    rm -f "$folder/runs/$$"
    sweep_runs
    if [[ -n $users ]]; then
      say "leaving PostgreSQL and Redis to process$users, which uses them too"
    else
      stop_instance
      if is_thrown_away; then throw_away "$status"; fi
    fi
  fi
  exit "$status"
}

# Removes the folder; of a run that failed its logs stay, which messages have pointed to, until the
# next one. Who is ended by a signal, as by Ctrl-C, has not failed.
throw_away() {
  local file kept=''
  case $1 in
    0 | 129 | 130 | 131 | 143) ;;
    *)
      find "$folder" ! -type d ! \( -type f -name '*.log' \) -exec rm -f {} + || true
      while IFS= read -r file; do
        rmdir "$file" 2>/dev/null || true
      done < <(find "$folder" -depth -type d)
      if [[ -d $folder ]]; then kept=yes; fi
      ;;
  esac
  if [[ -z $kept ]]; then
    rm -rf "$folder"
    return 0
  fi
  say "the logs of this run stay in $folder until the next one, or: deploy/services.sh clean $name"
  return 0
}

# --------------------------------------------------------------- status, stop, clean

status_all() {
  local service pid code=3
  while IFS= read -r folder; do
    facts
    printf '%s\n' "$folder"
    for service in postgres standby redis; do
      [[ -d $folder/$service ]] || continue
      if pid=$("${service}_pid"); then
        code=0
        printf '  %-9s process %s, port %s\n' "$service" "$pid" "$(cat "$folder/$service/port")"
      else
        printf '  %-9s stopped\n' "$service"
      fi
    done
    list_runs
  done < <(instance_folders)
  # As for init scripts: 0 is running, 3 is not.
  if ((code == 3)); then say "no instance of $name is running"; fi
  exit "$code"
}

stop_all() {
  local in_use=''
  lock
  remove_policy
  while IFS= read -r folder; do
    facts
    sweep_runs
    if [[ -n $users ]]; then
      in_use+=$users
      continue
    fi
    stop_instance
    if is_thrown_away; then rm -rf "$folder"; fi
  done < <(instance_folders)
  [[ -z $in_use ]] || die "$name is in use by process$in_use; end that one first"
}

clean_all() {
  stop_all
  while IFS= read -r folder; do
    rm -rf "$folder"
    say "removed $folder"
  done < <(instance_folders)
}

# ------------------------------------------------------------------------- folders

# Sets base, the folder of this checkout's instances. PostgreSQL refuses to run as root, and
# the user that it runs as instead must reach its folder even if the checkout is below /root.
# A long or odd path goes there too: a socket's path has 107 bytes at most.
choose_base() {
  base=$root/.services
  if ((EUID == 0 || ${#base} > 60)) || [[ ! -w $root || ! $base =~ ^[A-Za-z0-9/._@+-]+$ ]]; then
    base=$base_parent/utsavam-$EUID-$(printf '%s' "$root" | cksum | tr -s ' ' '-')
  fi
  mkdir -m 711 "$base" 2>/dev/null || true
  # Anybody may make a folder in /var/tmp: ours must be ours.
  [[ -d $base && ! -L $base && -O $base ]] ||
    die "$base cannot be used: it must be a folder that belongs to you"
  chmod 711 "$base"
}

instance_folders() {
  local candidate
  for candidate in "$base/dev" "$base"/test/* "$base"/bench/* "$base"/cluster/*; do
    if [[ $candidate == "$base/$name"* && -d $candidate ]]; then printf '%s\n' "$candidate"; fi
  done
}

# Makes the instance folder, or joins that of dev, and enters us as a user of it.
open_folder() {
  mkdir -p "$base/$name"
  chmod 711 "$base/$name"
  case $name in
    dev) folder=$base/dev ;;
    *) folder=$(mktemp -d "$base/$name/XXXXXX") && chmod 711 "$folder" ;;
  esac
  facts
  mkdir -p "$folder/runs"
  sweep_runs
  printf 'script %s %s\n' $$ "$(process_started $$)" >"$folder/runs/$$"
}

facts() {
  postgres_facts
  standby_facts
  redis_facts
}

# Sets service_user: whom the servers run as, when that is not ourselves.
choose_service_user() {
  service_user=''
  ((EUID == 0)) || return 0
  service_user=postgres
  if ! id "$service_user" >/dev/null 2>&1; then
    service_user=nobody
    say 'there is no user postgres, so the servers run as nobody'
  fi
  command -v setpriv >/dev/null || die 'setpriv not found: install util-linux, or run this as an ordinary user'
}

# Runs a program as the user of the servers, in the plainest environment: English messages,
# none of psql's variables, not holding our lock.
as_service() (
  unset "${!PG@}"
  cd "$folder"
  umask 077
  if [[ -n $service_user ]]; then
    exec setpriv --reuid="$service_user" --regid="$(id -g "$service_user")" --init-groups \
      env HOME="$folder" LC_ALL=C "$@" 9>&-
  fi
  exec env LC_ALL=C "$@" 9>&-
)

write_as_service() { as_service tee "$1" >/dev/null; }

make_service_folder() {
  mkdir -p "$1"
  chmod 700 "$1"
  if [[ -n $service_user ]]; then chown "$service_user:" "$1"; fi
}

show_log() {
  [[ -s $1 ]] || return 0
  say "--- the last lines of $1"
  tail -n 20 "$1" >&2
  say '---'
}

stop_instance() {
  standby_stop
  postgres_stop
  redis_stop
}

# ---------------------------------------------------------------------------- runs
#
# Each `with` has a file in $folder/runs, named for its pid, with one line for the script
# and one for its command, "script PID STARTED" and "command TARGET STARTED". The last one
# to leave stops the servers.

# Sets users to the living runs. Forgets those whose script is gone, which only kill -9
# brings about, and ends the command that they left behind: it may hold the port.
sweep_runs() {
  local run key target started script_alive
  users=''
  for run in "$folder"/runs/*; do
    [[ -f $run ]] || continue
    script_alive=''
    while read -r key target started; do
      is_same_process "${target#-}" "$started" || continue
      if [[ $key == script ]]; then
        script_alive=yes
        users+=" $target"
      elif [[ -z $script_alive ]]; then
        say "ending process ${target#-}, which a killed run left behind"
        end_process "$target" "$drain_seconds" TERM KILL || true
      fi
    done <"$run"
    if [[ -z $script_alive ]]; then rm -f "$run"; fi
  done
}

list_runs() {
  local run key target started
  for run in "$folder"/runs/*; do
    [[ -f $run ]] || continue
    while read -r key target started; do
      if is_same_process "${target#-}" "$started"; then
        printf '  %-9s process %s\n' "$key" "${target#-}"
      fi
    done <"$run"
  done
}

# Removes what killed runs of tests or benchmarks left behind; living ones are none of our
# business.
sweep_folders() {
  while IFS= read -r folder; do
    facts
    sweep_runs
    if [[ -z $users ]]; then
      stop_instance
      rm -rf "$folder"
    fi
  done < <(instance_folders)
  folder=''
}

# One script at a time starts or stops things in this checkout. The lock ends with us, so
# even kill -9 leaves none behind; file 9 is closed for everything that we start.
lock() {
  exec 9>"$base/lock"
  if command -v flock >/dev/null; then
    flock -w 3 9 && return 0
    say 'waiting for another run that is starting or stopping its services'
    flock 9
  else
    perl -e 'use Fcntl ":flock"; open(my $file, ">&=", 9) && flock($file, LOCK_EX) or exit 1'
  fi
}

unlock() { exec 9>&-; }

main "$@"
