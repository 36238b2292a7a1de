#!/usr/bin/env bash
# Which lines of the rules, the queue and the adapters the tests run, against the DATABASE_URL
# and REDIS_URL of the environment:
#
#   deploy/services.sh with test -- deploy/coverage.sh [CARGO]
#
# CARGO is how to call cargo ("cargo +nightly" as two words). Prints the share for each crate, and
# fails where it is below LINES_MIN, or where a test fails. What was found line by line stays in
# TARGET_DIR/coverage/lines.info, as lcov has it.
#
# The tests are those of the crates, those on a cluster of Redis and with Sentinels, and those of the
# whole program that export and import, adopt the tables of old, use TLS and poolers, which no
# crate does alone. Other tests of whole systems, of faults
# and simulations are left out: they take long, and kill what would have written down at its end
# where it had been.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"
# shellcheck source=lib/common.sh
. "$root/deploy/lib/common.sh"
# shellcheck source=lib/apt.sh
. "$root/deploy/lib/apt.sh"
# shellcheck source=lib/llvm.sh
. "$root/deploy/lib/llvm.sh"

readonly lines_min=${LINES_MIN:-85}
readonly crates=(domain group-commit adapters-postgres adapters-redis adapters-embedded)

cargo=("$@")
if ((${#cargo[@]} == 0)); then cargo=(cargo); fi
mkdir -p "${CARGO_TARGET_DIR:-target}/coverage"
folder=$(cd "${CARGO_TARGET_DIR:-target}/coverage" && pwd -P)

main() {
  trap 'if [[ -n ${policy_made-} ]]; then remove_policy; fi' EXIT
  need_llvm
  rm -f "$folder"/*.profraw
  # Only the crates of this workspace are built for it. Cargo keeps them apart from others.
  export RUSTC_WORKSPACE_WRAPPER=$root/deploy/lib/rustc-with-coverage.sh
  # Processes of the same program share up to four files.
  export LLVM_PROFILE_FILE=$folder/%4m.profraw

  local crate own=(-p store-contract -p api-actix)
  for crate in "${crates[@]}"; do own+=(-p "$crate"); done
  : >"$folder/programs"
  build build -p api-actix --bin utsavam
  run_tests "${own[@]}" --lib --tests
  run_tests -p utsavam-tests --test redis
  run_tests -p utsavam-tests --test system -- archive adoption tls poolers
  report
}

# Builds with cargo, and notes the programs that came of it.
build() {
  "${cargo[@]}" "$1" --all-features --message-format=json-render-diagnostics "${@:2}" |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' >>"$folder/programs"
}

run_tests() {
  build test --no-run "$@"
  if "${cargo[@]}" nextest --version >/dev/null 2>&1; then
    "${cargo[@]}" nextest run --all-features "$@"
  else
    "${cargo[@]}" test --all-features "$@"
  fi
}

report() {
  local program objects=() sources=() crate
  while IFS= read -r program; do objects+=(-object "$program"); done <"$folder/programs"
  for crate in "${crates[@]}"; do sources+=("$root/crates/$crate/src"); done
  "$llvm_profdata" merge -sparse "$folder"/*.profraw -o "$folder/all.profdata"
  rm -f "$folder"/*.profraw
  "$llvm_cov" export -format=lcov -instr-profile="$folder/all.profdata" \
    "${objects[@]}" -sources "${sources[@]}" >"$folder/lines.info"
  awk -v root="$root/" -v crates="${crates[*]}" -v lines_min="$lines_min" \
    -f "$root/deploy/lib/coverage.awk" "$folder/lines.info"
}

main
