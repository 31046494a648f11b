"""The notebook of the documentation runs from start to end and has the outputs that are checked in."""

from __future__ import annotations

import os
from pathlib import Path

import notebook
import pytest
from conftest import ROOT

NOTEBOOK = ROOT / "docs" / "how-to" / "notebook.ipynb"


def test_the_notebook_gives_the_outputs_that_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    kept = notebook.read(NOTEBOOK)
    now = notebook.executed(kept)
    if os.environ.get("REMARGIN_BLESS"):
        NOTEBOOK.write_text(notebook.text(now), encoding="utf-8")
        kept = now
    for before, after in zip(kept["cells"], now["cells"], strict=True):
        assert after == before, "".join(before["source"])
    assert NOTEBOOK.read_text(encoding="utf-8") == notebook.text(kept)
    # Nothing of this machine is in it.
    assert str(tmp_path) not in notebook.text(now) and str(ROOT) not in notebook.text(now)
