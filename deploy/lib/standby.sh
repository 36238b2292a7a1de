# shellcheck shell=bash
# A hot standby of the private PostgreSQL, for which every commit waits. Sourced by services.sh
# behind postgres.sh, and used in `with cluster` alone.

standby_facts() {
  standby_dir=$folder/standby
  standby_data=$standby_dir/data
  standby_log=$standby_dir/postgres.log
}

standby_pid() { postmaster_pid "$standby_data"; }

standby_url() { url_of_postgres_in "$standby_dir"; }

standby_ensure_running() {
  standby_pid >/dev/null || {
    standby_init
    standby_start
  }
  standby_wait_until_waited_for
}

# A copy of the primary, which says of itself whose standby it is (-R).
standby_init() {
  say "making a standby in $standby_dir"
  # shellcheck disable=SC2310 # die tells more than errexit
  as_service "$postgres_bin/pg_basebackup" -D "$standby_data" -R -X stream -c fast --no-sync \
    -d "host=$postgres_dir port=$(cat "$postgres_dir/port") user=$postgres_admin application_name=standby" \
    >"$folder/standby-init.log" 2>&1 || {
    show_log "$folder/standby-init.log"
    die "the standby could not be made"
  }
}

standby_start() { start_postgres_in "$standby_dir" 'the standby'; }

# From here on what is committed is in two places before anybody is told.
standby_wait_until_waited_for() {
  local tenths state=''
  postgres_psql <<<"ALTER SYSTEM SET synchronous_standby_names = 'standby';" >/dev/null
  postgres_psql <<<'SELECT pg_reload_conf();' >/dev/null
  for ((tenths = 0; tenths < 300; tenths++)); do
    state=$(postgres_psql <<<'SELECT sync_state FROM pg_stat_replication;')
    if [[ $state == sync ]]; then return 0; fi
    ((tenths != patience_tenths)) || say 'waiting for the standby to follow the primary'
    sleep 0.1
  done
  show_log "$standby_log"
  die "the standby does not follow the primary: ${state:-it is not connected}"
}

standby_stop() {
  local pid
  pid=$(standby_pid) || return 0
  end_process "$pid" 10 QUIT KILL || say "the standby (process $pid) does not end"
}
