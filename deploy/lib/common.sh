# shellcheck shell=bash
# What the scripts of this folder share: messages, the .env file, where PostgreSQL's programs
# are. Sourced, never run.

say() { printf '%s\n' "$*" >&2; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Thousands of simultaneous connections need more than the usual 1,024 open files.
# The cap is there because some programs walk through all that they might have.
raise_open_files() {
  local wanted=65536 hard
  hard=$(ulimit -H -n)
  if [[ $hard != unlimited ]] && ((hard < wanted)); then wanted=$hard; fi
  ulimit -S -n "$wanted" 2>/dev/null || true
}

# Exports the KEY=VALUE lines of a .env file as docker compose reads them. What the
# environment has already wins; of a key that is there twice, the last one does.
load_env_file() {
  local env_file=$1 env_line env_number=0 env_key env_value env_loaded=' '
  [[ -f $env_file ]] || return 0
  # In variables, because bash 3.2 (macOS) reads quoted patterns differently.
  local blank_pattern='^[[:space:]]*(#.*)?$'
  local pair_pattern='^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_]*)[[:space:]]*=[[:space:]]*(.*)$'

  while IFS= read -r env_line || [[ -n $env_line ]]; do
    env_number=$((env_number + 1))
    env_line=${env_line%$'\r'}
    [[ $env_line =~ $blank_pattern ]] && continue
    # The line itself is not shown: it may hold a secret.
    [[ $env_line =~ $pair_pattern ]] ||
      die "$env_file line $env_number: expected KEY=VALUE, a comment or nothing"
    env_key=${BASH_REMATCH[2]}
    env_value=${BASH_REMATCH[3]}
    parse_env_value "$env_value" "$env_file line $env_number" # sets env_value
    if [[ -z ${!env_key+set} || $env_loaded == *" $env_key "* ]]; then
      export "$env_key=$env_value"
      env_loaded+="$env_key "
    fi
  done <"$env_file"
}

# Takes the quotes and the trailing comment off TEXT; leaves the result in env_value.
parse_env_value() {
  local text=$1 where=$2
  local single_pattern="^'(([^'\\\\]|\\\\.)*)'[[:space:]]*(#.*)?\$"
  local double_pattern='^"(([^"\\]|\\.)*)"[[:space:]]*(#.*)?$'

  case $text in
    \'*)
      [[ $text =~ $single_pattern ]] ||
        die "$where: the value opens with ' and needs exactly one more ' at its end (\\' within)"
      env_value=${BASH_REMATCH[1]//"\\'"/"'"}
      ;;
    \"*)
      [[ $text =~ $double_pattern ]] ||
        die "$where: the value opens with \" and needs exactly one more \" at its end (\\\" within)"
      text=${BASH_REMATCH[1]}
      refuse_expansion "${text//\\\$/}" "$where"
      unescape_env_value "$text"
      ;;
    *)
      text=" $text"
      text=${text%%[[:space:]]#*}
      refuse_expansion "$text" "$where"
      text=${text#"${text%%[![:space:]]*}"}
      env_value=${text%"${text##*[![:space:]]}"}
      ;;
  esac
}

# compose would put a variable's value there, we would not: better to refuse than to differ.
refuse_expansion() {
  local expansion_pattern='\$[A-Za-z_{]'
  [[ ! $1 =~ $expansion_pattern ]] || die "$2: put a value with a dollar sign in single quotes"
}

# Resolves the backslashes of a double-quoted value; leaves the result in env_value.
unescape_env_value() {
  local text=$1 character
  env_value=''
  while [[ -n $text ]]; do
    character=${text:0:1}
    text=${text:1}
    if [[ $character == \\ ]]; then
      character=${text:0:1}
      text=${text:1}
      case $character in
        n) character=$'\n' ;;
        r) character=$'\r' ;;
        t) character=$'\t' ;;
        \\ | \" | \$) ;;
        *) character="\\$character" ;;
      esac
    fi
    env_value+=$character
  done
}

# Folders in which PostgreSQL's programs are looked for: PATH, then where packages put them.
postgres_folders() {
  local program folder
  for program in postgres pg_dump; do
    if program=$(command -v "$program"); then dirname "$program"; fi
  done
  for folder in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql/bin \
    /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
    if [[ -d $folder ]]; then printf '%s\n' "$folder"; fi
  done
}

# "18" for "pg_dump (PostgreSQL) 18.1 (Debian …)".
postgres_major() {
  local pattern='PostgreSQL\) ([0-9]+)'
  [[ $("$1" --version 2>/dev/null) =~ $pattern ]] && printf '%s' "${BASH_REMATCH[1]}"
}
