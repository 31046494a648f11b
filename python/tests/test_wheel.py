"""The wheel has the command beside the package: pip puts `remargin` on the path."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import remargin
from conftest import ROOT, assert_same_bytes, cli


def test_the_wheel_has_the_command(tmp_path: Path) -> None:
    try:
        files = importlib.metadata.files("remargin") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package is not installed from a wheel")
    assert [file for file in files if file.name == "remargin" and file.parent.name == "bin"]
    command = Path(sys.executable).parent / "remargin"
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    assert version.split() == ["remargin", remargin.__version__]
    ran = subprocess.run([command, "run", ROOT / "data" / "sample", "--out", tmp_path / "wheel", "--quiet"])
    assert ran.returncode == 0
    cli("run", ROOT / "data" / "sample", "--out", tmp_path / "command", "--quiet")
    assert_same_bytes(tmp_path / "wheel", tmp_path / "command")
