#!/bin/sh
# Makes an empty migration for PostgreSQL:
#
#   deploy/new-migration.sh add_ticket_types
set -eu
cd "$(dirname "$0")/.."

name=${1:-}
case $name in
  '' | [!a-z]* | *[!a-z0-9_]*)
    echo 'error: name the migration, in small letters, digits and _: make migration NAME=add_ticket_types' >&2
    exit 2
    ;;
esac
folder=migrations/postgres/$(date -u +%Y-%m-%d-%H%M%S)_$name
mkdir "$folder"
echo '-- What changes, and why. Other processes serve while this runs: only add, lock briefly.' >"$folder/up.sql"
echo '-- Undoes up.sql.' >"$folder/down.sql"
echo "$folder"
