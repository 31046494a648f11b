#!/usr/bin/env bash
# Runs random commands on random books, with signals, full disks, changed inputs and failing system calls, for an hour
# or as long as --seconds says. See soak.py. Without --binary it builds the release binary first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ " $* " != *" --binary"* ]]; then
    cargo build --release --locked
    set -- --binary target/release/remargin "$@"
fi
exec python3 scripts/soak.py "$@"
