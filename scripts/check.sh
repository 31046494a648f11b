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
if command -v cargo-deny >/dev/null; then
    step "licences, bans, sources" cargo deny --log-level error check licenses bans sources
else
    printf '\n== licences, bans, sources: not checked, cargo-deny is not installed\n'
fi
# The page in a browser: the same binary that the tests below use.
browser_tests() {
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        echo "no node: .ci/run installs it (apt-get install nodejs npm)" >&2
        return 1
    fi
    npm ci --prefix tests/browser --no-audit --no-fund --silent
    (cd tests/browser && node --test --test-reporter=spec report.test.mjs)
}
step "build" cargo build --locked
step "browser" browser_tests
step "python" scripts/check_python.sh
printf '\n== tests, %d s after the start\n' "$((SECONDS - started))"
exec cargo test --locked --no-fail-fast
