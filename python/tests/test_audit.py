"""Checks of snapshots and runs, and the functions that write snapshots: the answers and bytes of the command."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import pytest

import remargin
from conftest import ROOT, Snapshot, answer, assert_same_bytes, cli, with_broken_rows

OKX = ROOT / "data" / "okx-sample"


def test_a_check_answers_what_the_command_answers(snapshot: Snapshot, tmp_path: Path) -> None:
    found = remargin.check(snapshot.path)
    assert found == answer("check", snapshot.path, "--format", "json")
    assert found["accounts"] > 0 and found["rejected"] == []

    with_broken_rows(snapshot, tmp_path / "broken")
    found = remargin.check(tmp_path / "broken", threads=1)
    assert found == answer("check", tmp_path / "broken", "--format", "json", code=4)
    assert sum(group["rows"] for group in found["rejected"]) > 3 and found["unmargined"]
    with pytest.raises(remargin.InvalidInput) as caught:
        remargin.check(tmp_path / "nothing")
    assert str(caught.value) in cli("check", tmp_path / "nothing", code=3)


def test_a_run_is_verified(out: Path, tmp_path: Path) -> None:
    found = remargin.verify(out)
    assert found == answer("verify", out, "--format", "json")
    assert found["differing"] == 0 and found["derived"]["accounts"] > 0
    few = remargin.verify(out, sample=5, seed=3)
    assert few == answer("verify", out, "--sample", "5", "--seed", "3", "--format", "json")
    assert few["rebuilt"] is None and few["derived"]["accounts"] == 5

    edited = tmp_path / "edited"
    shutil.copytree(out, edited)
    summary = json.loads((edited / "summary.json").read_text())
    summary["accounts"]["margined"] += 1
    (edited / "summary.json").write_text(json.dumps(summary))
    found = remargin.verify(edited, sample=0)
    assert found == answer("verify", edited, "--sample", "0", "--format", "json", code=1)
    assert found["differing"] > 0 and found["differences"]
    with pytest.raises(remargin.UsageError, match="contradict each other"):
        remargin.verify(out, all=True, sample=3)
    with pytest.raises(remargin.InvalidInput):
        remargin.verify(tmp_path)


def test_answers_of_the_exchange_are_imported_and_reconciled(tmp_path: Path) -> None:
    ours, theirs, run = tmp_path / "python", tmp_path / "command", tmp_path / "run"
    imported = remargin.import_okx(OKX, ours)
    cli("import", "okx", OKX, "--out", theirs)
    assert_same_bytes(ours, theirs)
    assert imported == json.loads((theirs / "import.json").read_text())
    with pytest.raises(remargin.UsageError, match="exists already"):
        remargin.import_okx(OKX, ours)
    time = dt.datetime.fromisoformat(imported["as_of"].replace("Z", "+00:00")) + dt.timedelta(hours=1)
    later = remargin.import_okx(OKX, ours, as_of=time, format="parquet", force=True)
    cli("import", "okx", OKX, "--out", theirs, "--as-of", time.isoformat(), "--format", "parquet", "--force")
    assert_same_bytes(ours, theirs)
    assert dt.datetime.fromisoformat(later["as_of"].replace("Z", "+00:00")) == time

    remargin.import_okx(OKX, ours, force=True)
    remargin.run(ours, run, max_rejects="100%")
    found = remargin.reconcile(run, OKX)
    assert found == answer("reconcile", run, "--against", OKX, "--format", "json", code=int(found["breaks"] > 0))
    assert len(found["comparisons"]) > 0
    exact = remargin.reconcile(run, OKX, tolerance=0.0, abs_tolerance=0.0)
    assert exact["breaks"] >= found["breaks"]
    with pytest.raises(remargin.UsageError, match="`tolerance` cannot be -1"):
        remargin.reconcile(run, OKX, tolerance=-1.0)


def test_a_generated_snapshot_has_the_bytes_of_the_command(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "python", tmp_path / "command"
    rows = remargin.generate(ours, 40, seed=5, positions_per_account=3.5, format="csv")
    flags = ["--accounts", "40", "--seed", "5", "--positions-per-account", "3.5", "--format", "csv"]
    cli("generate", *flags, "--out", theirs, "--quiet")
    assert_same_bytes(ours, theirs)
    assert rows["accounts"] == 40 and rows["positions"] > 40
    for wrong in ({"accounts": 40}, {"accounts": 40, "positions_per_account": -1.0, "force": True}):
        with pytest.raises(remargin.UsageError):
            remargin.generate(ours, seed=5, **wrong)  # type: ignore[arg-type]
