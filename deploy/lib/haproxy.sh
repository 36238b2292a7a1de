# shellcheck shell=bash
# Finding HAProxy. Sourced, never run.

readonly haproxy_min=2.4

# Sets haproxy. Packages put it where an ordinary user's PATH does not lead.
find_haproxy() {
  local path pattern='version ([0-9]+)\.([0-9]+)'
  haproxy='' haproxy_too_old=''
  path=$(PATH=$PATH:/usr/sbin:/usr/local/sbin:/opt/homebrew/bin command -v haproxy) || return 1
  [[ $("$path" -v 2>/dev/null) =~ $pattern ]] || return 1
  if ((BASH_REMATCH[1] * 100 + BASH_REMATCH[2] < 204)); then
    haproxy_too_old="HAProxy ${BASH_REMATCH[1]}.${BASH_REMATCH[2]} at $path"
    return 1
  fi
  haproxy=$path
}
