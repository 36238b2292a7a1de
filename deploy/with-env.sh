#!/usr/bin/env bash
# Runs a command with the settings of .env, where the environment does not have them:
#
#   deploy/with-env.sh COMMAND ARGS…
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=lib/common.sh
. "$root/deploy/lib/common.sh"

load_env_file "$root/.env"
raise_open_files
exec "$@"
