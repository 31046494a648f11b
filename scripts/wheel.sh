#!/usr/bin/env bash
# One wheel with the Python package and the command `remargin`, which pip puts on the path.
#   scripts/wheel.sh [--profile dist] [--out target/wheels] [--target TRIPLE] [--zig]
# Both parts are built with the same cargo profile. maturin takes programs from `python/remargin._remargin.data/scripts`,
# which is there only while it works. It checks which glibc the package needs, not the command: without --zig both are
# built here, on one machine, and need the same. REMARGIN_PROGRAM names a program that is built already, and
# REMARGIN_BUILT=1 says that the one of the profile is. With --zig the package is linked for glibc 2.17; the program
# that goes with it should be static, as that of scripts/release.sh is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}
profile=dist out=$target/wheels flags=()
while [ $# -gt 0 ]; do
    case $1 in
        --profile) profile=$2 && shift 2 ;;
        --out) out=$2 && shift 2 ;;
        --target) flags+=(--target "$2") && shift 2 ;;
        --zig) flags+=(--zig --compatibility manylinux2014) && shift ;;
        *) echo "usage: scripts/wheel.sh [--profile NAME] [--out DIR] [--target TRIPLE] [--zig]" >&2 && exit 2 ;;
    esac
done
command -v maturin >/dev/null || { echo "maturin is missing: pip install 'maturin>=1.9.4,<2'" >&2 && exit 2; }

# The gate has built the command with its tests, which takes no second set of features of the dependencies.
program=${REMARGIN_PROGRAM:-}
if [ -z "$program" ]; then
    if [ -z "${REMARGIN_BUILT:-}" ]; then
        cargo build --quiet --locked --profile "$profile" --bin remargin
    fi
    folder=$profile
    [ "$profile" != dev ] || folder=debug
    program=$target/$folder/remargin
fi
data=python/remargin._remargin.data
trap 'rm -rf "$data"' EXIT
rm -rf "$data"
mkdir -p "$data/scripts"
# Names of functions are for debuggers and would be most of the wheel.
strip -o "$data/scripts/remargin" "$program"
maturin build --quiet --profile "$profile" --manifest-path python/Cargo.toml --locked --out "$out" "${flags[@]}"
