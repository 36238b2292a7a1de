#!/usr/bin/env bash
# Looks whether what is in this folder for other programs is what they understand. A program that
# is not installed is named, and its files are left alone; Python and Prometheus are installed where
# that is possible in continuous integration (CI=true), and must be there:
#
#   deploy/check-deployment.sh TARGET_DIR    where Python's packages may go
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=lib/common.sh
. "$root/deploy/lib/common.sh"
# shellcheck source=lib/haproxy.sh
. "$root/deploy/lib/haproxy.sh"
# shellcheck source=lib/apt.sh
. "$root/deploy/lib/apt.sh"
# shellcheck source=lib/python.sh
. "$root/deploy/lib/python.sh"

# What `systemd-analyze security` may say at most, in tenths: 10 is "safe", 100 "unsafe".
readonly exposure_max=15
# The oldest version of Kubernetes that the manifests are for.
readonly kubernetes=1.30

folder='' venv=''

main() {
  local failed=''
  [[ $# -eq 1 ]] || die 'usage: deploy/check-deployment.sh TARGET_DIR'
  venv=$1/deployment/venv
  folder=$(mktemp -d)
  trap on_exit EXIT
  # shellcheck disable=SC2310
  check_haproxy || failed+=' deploy/haproxy'
  # shellcheck disable=SC2310
  check_systemd || failed+=' deploy/systemd'
  # shellcheck disable=SC2310
  check_manifests || failed+=' deploy/kubernetes or deploy/compose.yaml'
  # shellcheck disable=SC2310
  check_prometheus || failed+=' deploy/prometheus'
  [[ -z $failed ]] || die "wrong:$failed"
}

check_haproxy() {
  # shellcheck disable=SC2310
  if ! find_haproxy; then
    say "HAProxy $haproxy_min or newer is not installed${haproxy_too_old:+ ($haproxy_too_old)}: its configuration was not checked"
    return 0
  fi
  say 'haproxy -c -f deploy/haproxy/haproxy.cfg'
  BALANCER=127.0.0.1:8000 BALANCER_STATISTICS=127.0.0.1:8404 \
    API_1=127.0.0.1:1 API_2=127.0.0.1:2 API_3=127.0.0.1:3 \
    "$haproxy" -c -q -f "$root/deploy/haproxy/haproxy.cfg"
}

# It wants the program to be there, and says what it does not know without failing.
check_systemd() {
  local said
  if ! command -v systemd-analyze >/dev/null; then
    say 'systemd is not installed: its unit was not checked'
    return 0
  fi
  say "systemd-analyze verify deploy/systemd/utsavam.service, and security"
  sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' "$root/deploy/systemd/utsavam.service" \
    >"$folder/utsavam.service"
  said=$(systemd-analyze verify "$folder/utsavam.service" 2>&1) || return 1
  if [[ $said == *"$folder"* ]]; then
    say "$said"
    return 1
  fi
  systemd-analyze security --offline=true --no-pager --threshold="$exposure_max" \
    "$folder/utsavam.service" >"$folder/security" 2>&1 || {
    cat "$folder/security" >&2
    return 1
  }
}

check_manifests() {
  # shellcheck disable=SC2310
  if ! has_python && ! { [[ ${CI-} == true ]] && find_python; }; then
    say 'Python 3.10 or newer, with venv, is not installed: the manifests of Kubernetes and compose.yaml were not checked'
    [[ ${CI-} != true ]]
    return
  fi
  mkdir -p "${venv%/*}"
  install_requirements "$root/deploy/requirements.txt" "$venv" || return 1
  say "kubernetes-validate --strict -k $kubernetes deploy/kubernetes/*.yaml"
  "$venv/bin/kubernetes-validate" --strict --quiet -k "$kubernetes" "$root"/deploy/kubernetes/*.yaml ||
    return 1
  say 'check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml'
  quietly "$venv/bin/check-jsonschema" --builtin-schema vendor.compose-spec "$root/deploy/compose.yaml"
}

check_prometheus() {
  local alert tested missing=''
  if ! command -v promtool >/dev/null && [[ ${CI-} == true ]] && ((EUID == 0)) &&
    command -v apt-get >/dev/null; then
    install_with_apt prometheus
  fi
  if ! command -v promtool >/dev/null; then
    say 'promtool of Prometheus is not installed: the alerts were not checked'
    [[ ${CI-} != true ]]
    return
  fi
  say 'promtool check config deploy/prometheus/prometheus.yaml'
  quietly promtool check config "$root/deploy/prometheus/prometheus.yaml" || return 1
  say 'promtool test rules deploy/prometheus/alerts-test.yaml'
  quietly promtool test rules "$root/deploy/prometheus/alerts-test.yaml" || return 1
  # A test in which it fires says what it looks like then.
  tested=$(awk '/alertname:/ { name = $NF } /exp_alerts:/ { print name }' \
    "$root/deploy/prometheus/alerts-test.yaml")
  while read -r alert; do
    [[ $'\n'$tested$'\n' == *$'\n'"$alert"$'\n'* ]] || missing+=" $alert"
  done < <(awk '/- alert:/ { print $NF }' "$root/deploy/prometheus/alerts.yaml")
  if [[ -n $missing ]]; then
    say "no test has these fire:$missing"
    return 1
  fi
}

# Runs a command, and shows what it said only if it failed.
quietly() {
  if ! "$@" >"$folder/said" 2>&1; then
    cat "$folder/said" >&2
    return 1
  fi
}

on_exit() {
  local status=$?
  if [[ -n ${policy_made-} ]]; then remove_policy; fi
  rm -rf "$folder"
  exit "$status"
}

main "$@"
