# shellcheck shell=bash
# Recognising and ending processes by their number alone, never by name. Sourced, never run; say
# comes from common.sh.

# After so many tenths of a second it is time to say what is being waited for.
readonly patience_tenths=50

# One letter for what the process does ("S", "Z", …), nothing when there is none. /proc
# first: a minimal Debian has no ps.
process_state() {
  local stat
  if [[ -d /proc/self ]]; then
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    stat=${stat##*) } # the name before it may hold blanks and brackets
    printf '%s' "${stat%% *}"
  else
    ps -o stat= -p "$1" 2>/dev/null || true
  fi
}

# A zombie counts as gone: in a container nobody may ever collect it.
is_alive() {
  local state
  state=$(process_state "$1")
  [[ -n $state && $state != [ZX]* ]]
}

# When the process began, so that another one with its old number is not mistaken for it.
process_started() {
  local stat fields
  if [[ -d /proc/self ]]; then
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    read -r -a fields <<<"${stat##*) }"
    # Ticks since the machine started (field 22 of proc(5), the state being field 3).
    printf '%s@%s' "${fields[19]}" "$(cat /proc/sys/kernel/random/boot_id)"
  else
    ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' '_' || true
  fi
}

is_same_process() {
  local pid=$1 started=$2
  is_alive "$pid" && [[ $(process_started "$pid") == "$started" ]]
}

# Whether the command line of the process contains TEXT.
process_mentions() {
  local pid=$1 text=$2 command_line
  if [[ -d /proc/self ]]; then
    command_line=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || return 1
  else
    command_line=$(ps -ww -o args= -p "$pid" 2>/dev/null) || return 1
  fi
  [[ $command_line == *"$text"* ]]
}

# Sends each signal in turn and gives the process SECONDS to obey before the next one.
# TARGET is a process, or -PID for the process group that it leads.
end_process() {
  local target=$1 seconds=$2 signal tenths
  shift 2
  for signal in "$@"; do
    kill -s "$signal" -- "$target" 2>/dev/null || true
    for ((tenths = 1; tenths <= seconds * 10; tenths++)); do
      is_alive "${target#-}" || return 0
      ((tenths != patience_tenths)) || say "waiting for process ${target#-} to end"
      sleep 0.1
    done
  done
  ! is_alive "${target#-}"
}

# Prints what the sed program SCRIPT finds in FILE, as soon as it finds something; fails when the
# process PID, which writes it, has ended before, or SECONDS are over.
await_in_file() {
  local file=$1 script=$2 pid=$3 tenths found
  for ((tenths = 1; tenths <= $4 * 10; tenths++)); do
    found=$(sed -n "$script" "$file")
    if [[ -n $found ]]; then
      printf '%s' "$found"
      return 0
    fi
    is_alive "$pid" || return 1
    ((tenths != patience_tenths)) || say "waiting for process $pid to say in $file that it is ready"
    sleep 0.1
  done
  return 1
}

# Whether Ctrl-C in a terminal reaches this process group without our doing.
in_terminal_foreground() {
  local stat fields group terminal_group
  if [[ -d /proc/self ]]; then
    stat=$(cat "/proc/$$/stat")
    read -r -a fields <<<"${stat##*) }"
    group=${fields[2]} terminal_group=${fields[5]}
  else
    read -r group terminal_group <<<"$(ps -o pgid=,tpgid= -p $$)"
  fi
  [[ $group == "$terminal_group" ]]
}
