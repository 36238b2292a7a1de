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

# Whether TEXT can be the number of a port, and not 0, which is any.
is_port() { [[ $1 =~ ^[1-9][0-9]{0,4}$ ]] && (($1 <= 65535)); }

# Ends with a sentence that names the variables whose values HOST and PORT are, unless one can
# listen there.
refuse_unusable_port() {
  local host_variable=$1 host=$2 port_variable=$3 port=$4 why
  is_port "$port" || die "$port_variable=$port is no port: a number from 1 to 65535 is needed"
  why=$(why_not_listen "$host" "$port")
  case $why in
    '') ;;
    taken) die "somebody listens at port $port already: choose another one, as in $port_variable=$(another_port "$port")" ;;
    forbidden) die "you may not listen at port $port: choose one above 1023, as in $port_variable=$(another_port 8000)" ;;
    unknown | elsewhere) die "$host_variable=$host is no address of this machine: 127.0.0.1 is for programs on it, 0.0.0.0 for everybody" ;;
    *) die "nobody can listen at $host_variable=$host, $port_variable=$port: $why" ;;
  esac
}

another_port() { printf '%s' "$(($1 > 65000 ? 8000 : $1 + 100))"; }

# Says in a word why nobody can listen at HOST and PORT, nothing when one can. By Perl, which tries
# it as bash cannot; without Perl only who listens at the loopback address is noticed.
why_not_listen() {
  if ! command -v perl >/dev/null; then
    # shellcheck disable=SC2310 # a refused connection is an answer
    ! is_port_taken "$2" || printf 'taken'
    return 0
  fi
  perl - "$1" "$2" <<'END'
use strict;
use Errno;
use Socket qw(getaddrinfo AI_PASSIVE SOCK_STREAM SOL_SOCKET SO_REUSEADDR);
my ($host, $port) = @ARGV;
my ($unknown, $found) = getaddrinfo($host, $port, {socktype => SOCK_STREAM, flags => AI_PASSIVE});
if ($unknown) { print 'unknown'; exit; }
socket(my $socket, $found->{family}, SOCK_STREAM, 0) or do { print lc $!; exit; };
setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1);
exit if bind($socket, $found->{addr}) && listen($socket, 1);
print $!{EADDRINUSE} ? 'taken' : $!{EACCES} ? 'forbidden' : $!{EADDRNOTAVAIL} ? 'elsewhere' : lc $!;
END
}
