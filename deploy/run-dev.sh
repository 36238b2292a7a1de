#!/bin/sh
# Prepares the database of DATABASE_URL, seeds the demo data and serves. Takes the path of
# the binary. `exec` at the end, so that signals reach the server itself.
set -eu

utsavam=$1

"$utsavam" migrate
"$utsavam" seed-demo

host=${HOST:-127.0.0.1}
case $host in
  0.0.0.0 | ::) host=127.0.0.1 ;;
  *:*) host="[$host]" ;;
esac
url=http://$host:${PORT:-8000}
if [ -n "${ADMIN_KEY:-}" ]; then
  key='the ADMIN_KEY that you set'
else
  key='change_me_admin_key, until you set ADMIN_KEY'
fi
cat >&2 <<END

Utsavam:     $url
Swagger UI:  $url/docs
Admin key:   $key
Ctrl-C stops the server and what was started for it.

END
exec "$utsavam" serve
