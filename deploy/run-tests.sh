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

if "${cargo[@]}" nextest --version >/dev/null 2>&1; then
  "${cargo[@]}" nextest run --workspace --all-features
else
  "${cargo[@]}" test --workspace --all-features --lib --bins --tests
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
