# shellcheck shell=bash
# Finding the programs of PostgreSQL, Redis, HAProxy and PgBouncer, and installing them where that is
# possible without asking. Sourced, never run; install_with_apt comes from apt.sh, find_haproxy and
# find_pgbouncer from files of their own.

readonly postgres_major_min=15 redis_major_min=7

# Sets postgres_bin to the folder with a usable server: the one on PATH, else the newest.
# Existing data need the very version that wrote them: WANTED.
find_postgres() {
  local wanted=${1-} on_path folder major newest=0
  postgres_bin='' postgres_too_old=''
  on_path=$(command -v postgres || true)
  while IFS= read -r folder; do
    [[ -x $folder/initdb && -x $folder/pg_ctl && -x $folder/psql ]] || continue
    major=$(postgres_major "$folder/postgres") || continue
    if ((major < postgres_major_min)); then
      postgres_too_old="PostgreSQL $major in $folder"
      continue
    fi
    if [[ -n $wanted ]]; then
      if [[ $major == "$wanted" ]]; then postgres_bin=$folder; fi
    elif [[ $folder/postgres == "$on_path" ]]; then
      postgres_bin=$folder
      break
    elif ((major > newest)); then
      postgres_bin=$folder newest=$major
    fi
  done < <(postgres_folders)
  [[ -n $postgres_bin ]]
}

# Sets redis_server and redis_cli, Redis before Valkey.
find_redis() {
  local name path pattern='v=([0-9]+)'
  redis_server='' redis_cli='' redis_too_old=''
  for name in redis valkey; do
    path=$(PATH=$PATH:/usr/sbin:/usr/local/bin:/opt/homebrew/bin command -v "$name-server") || continue
    [[ $("$path" --version 2>/dev/null) =~ $pattern ]] || continue
    if ((BASH_REMATCH[1] < redis_major_min)); then
      redis_too_old="$name ${BASH_REMATCH[1]} at $path"
      continue
    fi
    redis_cli=$(PATH=${path%/*}:$PATH command -v "$name-cli") || continue
    redis_server=$path
    return 0
  done
  return 1
}

# A standby is run by the programs of the primary.
find_standby() { find_postgres; }

# Makes sure that the programs for the services named ("postgres", "redis", …) are there.
need_programs() {
  local service packages=()
  for service in "$@"; do
    if ! "find_$service"; then
      case $service in
        postgres) packages+=(postgresql) ;;
        redis) packages+=(redis-server) ;;
        haproxy) packages+=(haproxy) ;;
        pgbouncer) packages+=(pgbouncer) ;;
        *) ;;
      esac
    fi
  done
  ((${#packages[@]} > 0)) || return 0

  if ((EUID == 0)) && command -v apt-get >/dev/null; then
    install_with_apt "${packages[@]}"
  fi
  for service in "$@"; do
    "find_$service" || die_what_to_install "$@"
  done
}

die_what_to_install() {
  local missing=() found='' service debian='' fedora='' brew='' variables=''
  for service in "$@"; do
    case $service in
      postgres)
        find_postgres && continue
        missing+=("PostgreSQL $postgres_major_min or newer")
        found+=${postgres_too_old:+" ($postgres_too_old is too old)"}
        debian+=' postgresql' fedora+=' postgresql-server' brew+=' postgresql@17'
        variables+=' DATABASE_URL'
        ;;
      redis)
        find_redis && continue
        missing+=("Redis $redis_major_min or newer")
        found+=${redis_too_old:+" ($redis_too_old is too old)"}
        debian+=' redis-server' fedora+=' valkey' brew+=' redis'
        variables+=' REDIS_URL'
        ;;
      haproxy)
        find_haproxy && continue
        missing+=("HAProxy $haproxy_min or newer")
        found+=${haproxy_too_old:+" ($haproxy_too_old is too old)"}
        debian+=' haproxy' fedora+=' haproxy' brew+=' haproxy'
        ;;
      pgbouncer)
        find_pgbouncer && continue
        missing+=(PgBouncer)
        debian+=' pgbouncer' fedora+=' pgbouncer' brew+=' pgbouncer'
        ;;
      *) ;;
    esac
  done
  local names
  printf -v names ' and %s' "${missing[@]}"
  names=${names# and }
  die "$names not found$found. Install what is missing and run this again:
  Debian 12, Ubuntu 24.04 or newer:  sudo apt-get install$debian
  Fedora:                            sudo dnf install$fedora
  macOS:                             brew install$brew${variables:+
To use instances of your own instead, set${variables/ DATABASE_URL REDIS_URL/ DATABASE_URL and REDIS_URL} (not for the tests and the cluster).}"
}
