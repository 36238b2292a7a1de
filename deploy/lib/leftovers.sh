# shellcheck shell=bash
# Folders that services.sh made for other checkouts, which may be gone by now. Sourced by
# services.sh, which provides base, base_parent, folder, facts, try_lock and unlock.

# Removes those in which nothing runs. Data that somebody wanted to keep, those of dev, stay as long
# as their checkout is there or nobody knows which one it was.
clean_leftovers() {
  local own_base=$base candidate
  for candidate in "$base_parent/utsavam-$EUID-"*; do
    [[ $candidate != "$own_base" && -d $candidate && ! -L $candidate && -O $candidate ]] || continue
    base=$candidate
    clean_leftover
  done
  base=$own_base
}

# The same for base. Whoever holds its lock is starting or stopping something there.
clean_leftover() {
  local kind checkout=''
  # shellcheck disable=SC2310
  if ! try_lock || has_running_parts; then
    say "left $base: something runs there"
    unlock
    return 0
  fi
  for kind in test bench cluster; do rm -rf "${base:?}/$kind"; done
  checkout=$(cat "$base/checkout" 2>/dev/null) || true
  if [[ -d $base/dev/postgres/data && (-z $checkout || -d $checkout) ]]; then
    say "left $base/dev: it has the data of \`make run-postgres\`${checkout:+ in $checkout}; to remove them: rm -r $base"
    unlock
    return 0
  fi
  rm -rf "$base"
  say "removed $base"
  unlock
}

# Whether a run, PostgreSQL or Redis is alive in one of the instances of base.
has_running_parts() {
  local run key target started
  for folder in "$base"/dev "$base"/test/* "$base"/bench/* "$base"/cluster/*; do
    [[ -d $folder ]] || continue
    facts
    ! postgres_pid >/dev/null || return 0
    ! standby_pid >/dev/null || return 0
    ! redis_pid >/dev/null || return 0
    ! has_postmaster_below "$folder" || return 0
    for run in "$folder"/runs/*; do
      [[ -f $run ]] || continue
      while read -r key target started; do
        ! is_same_process "${target#-}" "$started" || return 0
      done <"$run"
    done
  done
  return 1
}

# Tests start instances of their own, deeper down, and may call them otherwise than we do: a process
# that only has the number of one is spared, too.
has_postmaster_below() {
  local file pid
  while IFS= read -r file; do
    pid=$(head -n 1 "$file" 2>/dev/null) || continue
    [[ -z $pid ]] || ! is_alive "$pid" || return 0
  done < <(find "$1" -name postmaster.pid)
  return 1
}
