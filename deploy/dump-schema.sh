#!/usr/bin/env bash
# Prints the schema of the database in DATABASE_URL, in words that do not depend on the
# version of PostgreSQL: docs/schema.sql is made with it, and a test compares.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=lib/common.sh
. "$root/deploy/lib/common.sh"

# pg_dump reads servers of its own age and older ones, so the newest one is the best.
find_pg_dump() {
  local candidate major newest=0
  pg_dump=''
  while IFS= read -r candidate; do
    candidate+=/pg_dump
    [[ -x $candidate ]] || continue
    major=$(postgres_major "$candidate") || continue
    if ((major > newest)); then
      pg_dump=$candidate newest=$major
    fi
  done < <(postgres_folders)
  [[ -n $pg_dump ]] || die "pg_dump not found: install PostgreSQL's client programs"
}

# Takes out what pg_dump adds for psql and for the reader, which changes from version to
# version, but nothing from within a function's body ($$ … $$), and folds blank lines.
normalise() {
  awk '
    function toggles(line,  count) { count = gsub(/\$[A-Za-z_]*\$/, "", line); return count % 2 }
    {
      if (!body) {
        if (/^--$/ || /^-- (Name: |PostgreSQL database dump|Dumped )/) next
        if (/^\\(un)?restrict / || /^SELECT pg_catalog\.set_config\(/) next
        if (/^SET (statement_timeout|lock_timeout|idle_in_transaction_session_timeout|transaction_timeout|client_encoding|standard_conforming_strings|check_function_bodies|xmloption|client_min_messages|row_security|default_tablespace|default_table_access_method) = /) next
        if ($0 == "") { blank = 1; next }
      }
      if (blank && printed) print ""
      print
      printed = 1
      blank = 0
      if (toggles($0)) body = !body
    }'
}

: "${DATABASE_URL:?set it to the database to dump}"
# Clients of other languages name their driver in the scheme: postgresql+asyncpg://.
url=$(printf '%s' "$DATABASE_URL" | sed -E 's|^(postgres(ql)?)\+[a-z0-9]+://|\1://|')

find_pg_dump
"$pg_dump" --dbname="$url" --schema-only --no-owner --no-privileges | normalise
