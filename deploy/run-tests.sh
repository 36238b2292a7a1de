#!/usr/bin/env bash
# Every test there is, against the DATABASE_URL and REDIS_URL of the environment:
#
#   deploy/services.sh with test -- deploy/run-tests.sh [CARGO]
#
# CARGO is how to call cargo ("cargo +nightly" as two words).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo=("$@")
if ((${#cargo[@]} == 0)); then cargo=(cargo); fi

# The tests of the HTTP interface run twice: on PostgreSQL and Redis with all the others,
# and once more on the embedded store.
if "${cargo[@]}" nextest --version >/dev/null 2>&1; then
  "${cargo[@]}" nextest run --workspace --all-features
  UTSAVAM_TEST_STORE=embedded \
    "${cargo[@]}" nextest run --workspace --all-features -E 'binary_id(utsavam-tests::http)'
else
  "${cargo[@]}" test --workspace --all-features --lib --bins --tests
  UTSAVAM_TEST_STORE=embedded "${cargo[@]}" test --workspace --all-features --test http
fi
# nextest leaves these two out.
"${cargo[@]}" test --workspace --all-features --doc
for example in crates/domain/examples/*; do
  case $example in
    *.rs) ;;
    *) [[ -f $example/main.rs ]] || continue ;;
  esac
  example=${example##*/}
  "${cargo[@]}" run -q -p domain --all-features --example "${example%.rs}"
done

# The interface against its description, by the same requests each time; `make fuzz-api` looks
# further. On somebody's own machine a missing Python is no reason to fail.
code=0
FUZZ_SECONDS=30 FUZZ_SEED=1 FUZZ_FLAGS='' deploy/fuzz-api.sh "${CARGO_TARGET_DIR:-target}" || code=$?
if ((code == 3)) && [[ ${CI-} != true ]]; then
  echo 'skipped: the interface was not compared with its description, for want of Python' >&2
elif ((code != 0)); then
  exit "$code"
fi
