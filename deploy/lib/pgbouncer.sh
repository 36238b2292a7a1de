# shellcheck shell=bash
# Finding PgBouncer. Sourced, never run.

# Sets pgbouncer. Packages put it where an ordinary user's PATH does not lead.
find_pgbouncer() {
  pgbouncer=$(PATH=$PATH:/usr/sbin:/usr/local/sbin:/opt/homebrew/bin command -v pgbouncer)
}
