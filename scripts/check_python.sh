#!/usr/bin/env bash
# The Python package: built as a wheel, installed into target/venv, type-checked, tested. Part of scripts/check.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}
venv=$target/venv

step() {
    printf '\n-- %s\n' "$1"
    shift
    "$@"
}

if ! cmp -s python/requirements.txt "$venv/requirements.txt"; then
    rm -rf "$venv"
    step "virtual environment" "${PYTHON:-python3}" -m venv "$venv"
    step "requirements" "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r python/requirements.txt
    cp python/requirements.txt "$venv/requirements.txt"
fi
venv=$(cd "$venv" && pwd)
# An extension module gets its symbols from the interpreter, whoever builds it.
export PATH=$venv/bin:$PATH PYO3_PYTHON=$venv/bin/python PYO3_BUILD_EXTENSION_MODULE=1

# By name, not with the whole workspace: the extension needs the library without the features of the command. Building
# both together would compile a third set of dependencies. The wheel has the profile of the tests.
step "lints" cargo clippy --quiet --locked -p remargin-python -- -D warnings
rm -rf "$target/wheels"
step "wheel" scripts/wheel.sh --profile dev --out "$target/wheels"
step "install" python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$target"/wheels/*.whl
step "types" mypy --config-file python/pyproject.toml -p remargin
step "pytest" python -m pytest -c python/pyproject.toml --rootdir python python/tests "$@"
