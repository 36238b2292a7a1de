#!/usr/bin/env bash
# Changes the rules and the queue in one place at a time, and counts the changes that the tests of
# their crate notice:
#
#   deploy/mutants.sh [CARGO]
#
# CARGO is how to call cargo ("cargo +nightly" as two words). Fails where fewer are noticed than
# MUTANTS_MIN of 100. MUTANTS_FLAGS is what else to tell cargo-mutants, as in
# '--shard 0/4 --sharding round-robin' for a quarter of them. A change after which a test does not
# end counts as noticed, one that does not compile does not count. What became of each is in
# TARGET_DIR/mutants/CRATE/mutants.out. Which changes are left out, and why, stands in
# .cargo/mutants.toml.
#
# Installs cargo-mutants with `cargo install` where it is missing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"
# shellcheck source=lib/common.sh
. "$root/deploy/lib/common.sh"

readonly mutants_min=${MUTANTS_MIN:-90}
readonly crates=(group-commit domain)
# As cargo-mutants says that some were not noticed, or that tests did not end.
readonly code_missed=2 code_timed_out=3

cargo=("$@")
if ((${#cargo[@]} == 0)); then cargo=(cargo); fi
folder=${CARGO_TARGET_DIR:-target}/mutants

main() {
  local crate flags below=''
  read -r -a flags <<<"${MUTANTS_FLAGS-}"
  if ! "${cargo[@]}" mutants --version >/dev/null 2>&1; then
    say 'installing cargo-mutants with cargo install'
    "${cargo[@]}" install --locked cargo-mutants
  fi
  for crate in "${crates[@]}"; do
    mkdir -p "$folder/$crate"
    run "$crate" ${flags[@]+"${flags[@]}"}
  done
  printf '%-14s %8s %8s %8s %8s %9s %8s\n' crate mutants caught endless missed unviable noticed
  for crate in "${crates[@]}"; do
    count "$crate" || below+=" $crate"
  done
  [[ -z $below ]] || die "fewer than $mutants_min of 100 are noticed:$below"
}

run() {
  local crate=$1 code=0
  shift
  "${cargo[@]}" mutants --package "$crate" --output "$folder/$crate" "$@" || code=$?
  ((code == 0 || code == code_missed || code == code_timed_out)) || exit "$code"
}

# Prints the line of a crate; fails where too few are noticed.
count() {
  local caught endless missed unviable noticed viable
  caught=$(lines_of "$1" caught)
  endless=$(lines_of "$1" timeout)
  missed=$(lines_of "$1" missed)
  unviable=$(lines_of "$1" unviable)
  noticed=$((caught + endless))
  viable=$((noticed + missed))
  printf '%-14s %8d %8d %8d %8d %9d %7s%%\n' "$1" $((viable + unviable)) "$caught" "$endless" \
    "$missed" "$unviable" "$((viable > 0 ? 100 * noticed / viable : 100))"
  ((100 * noticed >= mutants_min * viable))
}

lines_of() { wc -l <"$folder/$1/mutants.out/$2.txt"; }

main
