# shellcheck shell=bash
# The private Redis (or Valkey) of one instance folder. Sourced by services.sh, which
# provides folder, name, redis_server, redis_cli and as_service.

redis_facts() {
  redis_dir=$folder/redis
  redis_log=$redis_dir/redis.log
}

# The server's pid, if it runs and is the one of this folder.
redis_pid() {
  local pid
  pid=$(head -n 1 "$redis_dir/redis.pid" 2>/dev/null) || return 1
  [[ -n $pid ]] && is_alive "$pid" && process_mentions "$pid" "$redis_dir" && printf '%s' "$pid"
}

redis_url() { printf 'redis://127.0.0.1:%s' "$(cat "$redis_dir/port")"; }

# Through the socket in our folder: on the port somebody else's might answer.
redis_ping() {
  [[ $(as_service "$redis_cli" -s "$redis_dir/redis.sock" ping 2>/dev/null) == PONG ]]
}

# Nothing in here must survive: the seat gate is rebuilt from the database.
redis_settings() {
  local port=$1 databases=16
  # A database number for each test.
  if [[ $name == test || $name == cluster ]]; then databases=4096; fi
  cat <<END
bind 127.0.0.1
port $port
unixsocket $redis_dir/redis.sock
unixsocketperm 700
dir $redis_dir
pidfile $redis_dir/redis.pid
logfile $redis_log
databases $databases
save ""
appendonly no
# A session of its own, where no Ctrl-C reaches it.
daemonize yes
# Keeps the path of this file in the command line, by which we recognise the process.
set-proc-title no
END
}

redis_ensure_running() {
  redis_pid >/dev/null || redis_start
  redis_ping || die "Redis (process $(redis_pid)) does not answer; to start afresh: deploy/services.sh stop $name"
}

redis_start() {
  local attempt port
  for ((attempt = 1; attempt <= start_attempts_max; attempt++)); do
    port=$(pick_port "$redis_dir/port")
    rm -f "$redis_log" "$redis_dir/redis.pid"
    redis_settings "$port" | write_as_service "$redis_dir/redis.conf"
    # shellcheck disable=SC2310
    if as_service "$redis_server" "$redis_dir/redis.conf" >"$folder/redis-start.log" 2>&1 &&
      redis_wait_until_ready; then
      return 0
    fi
    grep -qs 'Address already in use' "$redis_log" || break
    say "port $port was taken meanwhile, trying another one"
    rm -f "$redis_dir/port"
  done
  show_log "$folder/redis-start.log"
  show_log "$redis_log"
  die "Redis did not start, its log is $redis_log"
}

redis_wait_until_ready() {
  local tenths
  for ((tenths = 0; tenths < 100; tenths++)); do
    if redis_ping; then return 0; fi
    # It says so in its log and ends when it cannot have its port.
    if ((tenths > 10)) && ! redis_pid >/dev/null; then return 1; fi
    if grep -qs 'exiting' "$redis_log"; then return 1; fi
    ((tenths != patience_tenths)) || say 'waiting for Redis to answer'
    sleep 0.1
  done
  return 1
}

redis_stop() {
  local pid
  pid=$(redis_pid) || return 0
  end_process "$pid" 10 TERM KILL || say "Redis (process $pid) does not end"
}

# The line with which an operator looks into it.
redis_hint() {
  local cli=${redis_cli##*/}
  command -v "$cli" >/dev/null || cli=$redis_cli
  printf '%s -p %s' "$cli" "$(cat "$redis_dir/port")"
}
