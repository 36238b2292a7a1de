# shellcheck shell=bash
# The private PostgreSQL of one instance folder. Sourced by services.sh, which provides
# folder, name, is_thrown_away, postgres_bin and as_service.

# Sets the facts that differ between the two kinds of instance.
postgres_facts() {
  postgres_dir=$folder/postgres
  postgres_data=$postgres_dir/data
  postgres_log=$postgres_dir/postgres.log
  database=utsavam_$name
  # Only in dev is the role an ordinary one, as in production; tests and benchmarks make
  # databases.
  case $name in
    dev) postgres_admin=postgres ;;
    *) postgres_admin=utsavam ;;
  esac
}

# The postmaster's pid, if it runs and is the one of these data.
postmaster_pid() {
  local data=$1 pid
  pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null) || return 1
  [[ -n $pid ]] && is_alive "$pid" && process_mentions "$pid" "$data" && printf '%s' "$pid"
}

postgres_pid() { postmaster_pid "$postgres_data"; }

# The URL of the server whose port stands in FOLDER.
url_of_postgres_in() {
  printf 'postgres://utsavam:utsavam_pass@127.0.0.1:%s/%s' "$(cat "$1/port")" "$database"
}

postgres_url() { url_of_postgres_in "$postgres_dir"; }

postgres_ensure_running() {
  if ! postgres_pid >/dev/null; then
    postgres_init
    postgres_start
  fi
  postgres_ensure_database
}

# Built aside and moved, so that an interrupted attempt leaves nothing half made.
postgres_init() {
  local major options=()
  if [[ -f $postgres_data/PG_VERSION ]]; then
    major=$(cat "$postgres_data/PG_VERSION")
    find_postgres "$major" || die "the data in $postgres_data were made by PostgreSQL $major, which is not here." \
      "Install it, or throw the data away with: deploy/services.sh clean $name"
    return 0
  fi
  say "making a PostgreSQL $(postgres_major "$postgres_bin/postgres") instance in $postgres_dir"
  # C.UTF-8 is on every Debian, C is everywhere.
  if locale -a 2>/dev/null | grep -qiE '^C\.utf-?8$'; then
    options+=(--locale=C.UTF-8)
  else
    options+=(--locale=C)
  fi
  if [[ $name == test || $name == cluster ]]; then options+=(--no-sync); fi
  rm -rf "$postgres_data.new"
  # shellcheck disable=SC2310 # die tells more than errexit
  as_service "$postgres_bin/initdb" -D "$postgres_data.new" --username="$postgres_admin" \
    --encoding=UTF8 --auth=trust "${options[@]}" >"$folder/initdb.log" 2>&1 || {
    show_log "$folder/initdb.log"
    die "initdb failed in $postgres_dir"
  }
  postgres_access | write_as_service "$postgres_data.new/pg_hba.conf"
  mv "$postgres_data.new" "$postgres_data"
}

# Whoever can open the socket owns the folder around it: no password there.
postgres_access() {
  local method=trust
  if [[ $name == dev ]]; then method=scram-sha-256; fi
  printf 'local all all trust\nhost all all 127.0.0.1/32 %s\n' "$method"
  if [[ $name == cluster ]]; then
    printf 'local replication all trust\nhost replication all 127.0.0.1/32 trust\n'
  fi
}

# The whole of postgresql.conf; what is not here has PostgreSQL's own default.
postgres_settings() {
  local port=$1 socket_dir=$2
  cat <<END
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$socket_dir'
unix_socket_permissions = 0700
password_encryption = scram-sha-256
END
  "postgres_settings_of_$name"
}

postgres_settings_of_dev() { :; }

postgres_settings_of_test() {
  # The data last as long as the test run, so nothing needs to survive a crash. Each test
  # has a database and pools of its own: hence the many connections.
  cat <<END
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 400
shared_buffers = 128MB
END
}

# The end of a process is survived, not that of the machine: nobody waits for a disk, but every
# commit waits until the standby has it.
postgres_settings_of_cluster() {
  cat <<END
fsync = off
synchronous_commit = on
full_page_writes = on
max_connections = 400
shared_buffers = 128MB
wal_level = replica
max_wal_senders = 4
END
}

# As safe as in production, and with the memory that a small machine would give it.
postgres_settings_of_bench() {
  cat <<END
fsync = on
synchronous_commit = on
full_page_writes = on
max_connections = 200
shared_buffers = 1GB
min_wal_size = 2GB
max_wal_size = 4GB
END
  # Counts the pages that statements touch, where that is asked for. Debian's package
  # brings it along, others have it in one of their own.
  if [[ -f ${postgres_bin%/bin}/lib/pg_stat_statements.so ]]; then
    printf "shared_preload_libraries = 'pg_stat_statements'\npg_stat_statements.track = 'none'\n"
  fi
}

postgres_start() {
  local environment=(env)
  # A benchmark may put something between PostgreSQL and its disk.
  if [[ $name == bench && -n ${BENCH_PRELOAD-} ]]; then
    environment+=("LD_PRELOAD=$BENCH_PRELOAD")
  fi
  # After a crash PostgreSQL would take any process with the old number for the old server,
  # even a zombie. We know better, and its check of the shared memory remains.
  rm -f "$postgres_data/postmaster.pid" "$postgres_dir"/.s.PGSQL.*
  start_postgres_in "$postgres_dir" PostgreSQL "${environment[@]}"
}

# Starts the server whose data and log are in FOLDER, at a port of its own. WHAT is how to call
# it, and behind that comes by what to run it.
start_postgres_in() {
  local dir=$1 what=$2 attempt port
  shift 2
  for ((attempt = 1; attempt <= start_attempts_max; attempt++)); do
    port=$(pick_port "$dir/port")
    postgres_settings "$port" "$dir" | write_as_service "$dir/data/postgresql.conf"
    rm -f "$dir/postgres.log"
    # pg_ctl puts the server into a session of its own, where no Ctrl-C reaches it.
    # shellcheck disable=SC2310
    if as_service "$@" "$postgres_bin/pg_ctl" start \
      -D "$dir/data" -l "$dir/postgres.log" -w -t 60 -s >/dev/null 2>&1; then
      return 0
    fi
    grep -qs 'Address already in use' "$dir/postgres.log" || break
    say "port $port was taken meanwhile, trying another one"
    rm -f "$dir/port"
  done
  show_log "$dir/postgres.log"
  die "$what did not start, its log is $dir/postgres.log"
}

postgres_psql() {
  as_service "$postgres_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$postgres_dir" \
    -p "$(cat "$postgres_dir/port")" -U "$postgres_admin" -d postgres
}

# Safe to repeat: the run before may have been killed half-way.
postgres_ensure_database() {
  # shellcheck disable=SC2310
  if ! postgres_psql >"$folder/psql.log" 2>&1 <<END; then
SELECT 'CREATE ROLE utsavam LOGIN CREATEDB'
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'utsavam') \gexec
ALTER ROLE utsavam PASSWORD 'utsavam_pass';
SELECT 'CREATE DATABASE $database OWNER utsavam'
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '$database') \gexec
END
    show_log "$folder/psql.log"
    show_log "$postgres_log"
    die "could not make the database $database; to start afresh: deploy/services.sh stop $name"
  fi
}

# INT is PostgreSQL's fast shutdown, QUIT the immediate one, which is fine for data that
# nobody wants to keep.
postgres_stop() {
  local pid
  pid=$(postgres_pid) || return 0
  if is_thrown_away; then
    end_process "$pid" 10 QUIT KILL
  else
    end_process "$pid" 60 INT || end_process "$pid" 10 QUIT KILL
  fi || say "PostgreSQL (process $pid) does not end"
}

# The line with which an operator looks into the database.
postgres_hint() {
  local psql=psql
  command -v psql >/dev/null || psql=$postgres_bin/psql
  printf '%s %s' "$psql" "$(postgres_url)"
}
