#!/usr/bin/env bash
# Ends with what to install, unless Compose 2 can be called by this command:
#
#   deploy/need-compose.sh docker compose
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=lib/common.sh
. "$root/deploy/lib/common.sh"

# The first one was a program of its own, without `up --wait`.
version=$("$@" version --short 2>/dev/null) || version=none
version=${version#v}
[[ $version =~ ^[2-9]|^[1-9][0-9] ]] ||
  die "\`$*\` is no Compose 2 or newer (found: $version). Install it and run this again:
  Debian 13 or newer:  sudo apt-get install docker.io docker-cli docker-compose
  Ubuntu 24.04:        sudo apt-get install docker.io docker-compose-v2
  Debian 12:           sudo apt-get install docker-compose-plugin, from Docker's own repository
                       (https://docs.docker.com/engine/install/debian); Debian's docker-compose is too old
Where it is a program of its own: make compose-up COMPOSE=docker-compose"
