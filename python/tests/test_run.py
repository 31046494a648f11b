"""Runs and explanations of a snapshot in a folder."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import remargin
from conftest import ROOT, Snapshot, cli, command


def test_a_run_writes_the_files_of_the_command(snapshot: Snapshot, out: Path, tmp_path: Path) -> None:
    summary = remargin.run(snapshot.path, tmp_path / "run", threads=2)
    assert summary == json.loads((out / "summary.json").read_text())
    names = sorted(file.name for file in out.iterdir())
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == names
    for name in names:
        if name != "manifest.json":
            assert (tmp_path / "run" / name).read_bytes() == (out / name).read_bytes(), name

    with pytest.raises(remargin.UsageError, match="exists already"):
        remargin.run(snapshot.path, tmp_path / "run")
    remargin.run(
        snapshot.path, tmp_path / "run", force=True, format="csv", rules=remargin.Rules(set={"risk_unit": "merged"})
    )
    assert (tmp_path / "run" / "accounts.csv").is_file()


def test_a_run_says_what_it_is_called_and_what_changed_since_another(tmp_path: Path) -> None:
    days, history = ROOT / "examples", tmp_path / "history.parquet"
    first = remargin.run(days / "yesterday", tmp_path / "a", label="EOD, desk B", history=history)
    assert first["label"] == "EOD, desk B" and len(first["trend"]) == 1
    second = remargin.run(days / "today", tmp_path / "b", previous=tmp_path / "a", history=history)
    assert "label" not in second and len(second["trend"]) == 2
    change = {total["figure"]: total for total in second["previous"]["totals"]}["mmr"]
    assert change["change"] == pytest.approx(change["now"] - change["before"], abs=1e-9)
    assert change["before"] == first["totals"]["mmr"]
    cli("run", days / "today", "--out", tmp_path / "c", "--previous", tmp_path / "a", "--history", history)
    assert (tmp_path / "b" / "summary.json").read_bytes() == (tmp_path / "c" / "summary.json").read_bytes()
    for label in ("two\nlines", "", "turned \u202e"):
        with pytest.raises(remargin.UsageError, match="expected a label"):
            remargin.run(days / "today", tmp_path / "d", label=label)


def test_runs_fail_with_the_words_of_the_command(snapshot: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(remargin.InvalidInput) as caught:
        remargin.run(tmp_path / "nothing", tmp_path / "out")
    assert str(caught.value) in cli("run", tmp_path / "nothing", "--out", tmp_path / "out", code=3)
    assert caught.value.file is not None and not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="`format` cannot be `xls`"):
        remargin.run(snapshot.path, tmp_path / "out", format="xls")  # type: ignore[arg-type]


def test_too_many_rejects(tmp_path: Path) -> None:
    broken = tmp_path / "snapshot"
    broken.mkdir()
    for file in (ROOT / "data" / "sample").iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    with (broken / "positions.csv").open("a") as positions:
        positions.write("somebody,NO-SUCH-SWAP,1,1\n")
    with pytest.raises(remargin.TooManyRejects, match="broken, more than"):
        remargin.run(broken, tmp_path / "out")
    assert (tmp_path / "out" / "manifest.json").is_file()
    assert remargin.run(broken, tmp_path / "out", force=True, max_rejects=1)["rejects"]["broken"] == 1


def test_an_account_is_explained(snapshot: Snapshot) -> None:
    account = snapshot.accounts["account_id"][0].as_py()
    steps = remargin.explain(snapshot.path, account)
    row = remargin.recalculate(snapshot.positions, snapshot.balances, snapshot.market, accounts=snapshot.accounts)
    first = row.accounts.to_pyarrow().slice(0, 1).to_pylist()[0]
    assert steps["account_id"] == first["account_id"] == account
    assert steps["totals"]["mmr"] == first["mmr"]
    assert remargin.explain(snapshot.path, account, format="text").startswith(f"Account {account}")
    assert "data" in remargin.explain(snapshot.path, account, format="okx")
    with pytest.raises(remargin.InvalidInput, match="no account `nobody`"):
        remargin.explain(snapshot.path, "nobody")


def test_operations_are_answered_as_by_the_command(snapshot: Snapshot, tmp_path: Path) -> None:
    operations = [
        {"op_id": 1, "account_id": "A00000001", "kind": "transfer_out", "ccy": "USDT", "qty": "1e9"},
        {"op_id": 2, "account_id": "nobody", "kind": "order"},
    ]
    answers = remargin.simulate(snapshot.path, operations)
    assert [answer["op_id"] for answer in answers] == ["1", "2"]
    assert answers[0]["verdict"] in ("adjust", "reject") and "IMR" in answers[0]["why"]
    assert answers[1]["reason"] == "unknown_account"
    file = tmp_path / "ops.jsonl"
    file.write_text("".join(json.dumps(operation) + "\n" for operation in operations))
    told = subprocess.run([command(), "simulate", snapshot.path, "--ops", file], capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in told.stdout.splitlines()] == answers
