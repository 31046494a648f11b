"""The examples in the docs run unchanged."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, Snapshot


@pytest.mark.parametrize("page", ["README.md", "python/README.md"])
def test_the_pages_run(page: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S)
    assert blocks, page
    for block in blocks:
        done = subprocess.run([sys.executable, "-c", block], cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert "account_id" in done.stdout


def test_the_notebook_runs(snapshot: Snapshot, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    script = ROOT / "python" / "examples" / "eod.py"
    command = [sys.executable, str(script), str(snapshot.path), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    for name in ("stress.png", "margins.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
