#!/usr/bin/env bash
# The gate: everything a change must pass. Tests run last, so that their summary ends the output.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() {
    local title=$1 start=$SECONDS
    shift
    printf '\n== %s\n' "$title"
    "$@"
    printf '== %s: passed in %d s\n' "$title" "$((SECONDS - start))"
}

started=$SECONDS
step "format" cargo fmt --all --check
step "lints" cargo clippy --all-targets --locked -- -D warnings
step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked
step "python" scripts/check_python.sh
printf '\n== tests, %d s after the start\n' "$((SECONDS - started))"
exec cargo test --locked --no-fail-fast
