#!/bin/sh
# Prepares the store that the settings name, seeds the demo data and serves. Takes the path of
# the binary. What the first two have to say is of no interest when they succeed: the first line
# that a person reads is the server's. `exec` at the end, so that signals reach the server itself.
set -eu

utsavam=$1

"$utsavam" migrate >/dev/null
"$utsavam" seed-demo >/dev/null
exec "$utsavam" serve
