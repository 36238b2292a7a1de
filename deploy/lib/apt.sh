# shellcheck shell=bash
# Installing Debian's packages, as root. Sourced, never run. Whoever installs calls
# remove_policy on every way out when policy_made is set.

readonly policy_file=/usr/sbin/policy-rc.d
readonly policy_mark='put here by deploy/lib/apt.sh for the time of one installation'

# Debian's packages start their services on the standard ports unless policy-rc.d says no.
# An administrator's own policy stays as it is.
install_with_apt() {
  say "installing $* with apt-get, without starting the services that the packages bring"
  if [[ ! -e $policy_file ]] || is_our_policy; then
    printf '#!/bin/sh\n# %s\nexit 101\n' "$policy_mark" >"$policy_file"
    chmod 755 "$policy_file"
    policy_made=yes
  fi
  local apt=(env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
    apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
  # Stale lists may still do, so that only the second failure counts.
  "${apt[@]}" update </dev/null >&2 || say "apt-get update failed; trying with the lists that are there"
  "${apt[@]}" install -y --no-install-recommends "$@" </dev/null >&2 ||
    say "apt-get install failed, see above"
  remove_policy
}

is_our_policy() { grep -qsF "$policy_mark" "$policy_file"; }

# Called on every exit after an installation, and before each start: a kill -9 may have
# left it.
remove_policy() {
  if ((EUID == 0)) && is_our_policy; then rm -f "$policy_file"; fi
}
