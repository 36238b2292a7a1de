# shellcheck shell=bash
# Ports of this machine at which nobody listens. Sourced, never run.

# Away from the standard ports and below those that the system gives to clients.
readonly port_first=21000 ports_count=4000

is_port_taken() { (: 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A port where nobody listens now: that of the last time, which FILE remembers, else any.
pick_port() {
  local file=$1 port=''
  if [[ -f $file ]]; then port=$(cat "$file"); fi
  # shellcheck disable=SC2310 # a refused connection is an answer
  until [[ -n $port ]] && ! is_port_taken "$port"; do
    port=$((port_first + RANDOM % ports_count))
  done
  printf '%s' "$port" >"$file"
  printf '%s' "$port"
}
