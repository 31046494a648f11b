"""Stress, comparison and distances: the bytes of the command."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import remargin
from conftest import ROOT, Snapshot, assert_same, assert_same_bytes, cli, with_broken_rows

SHOCKS = {
    "scenario": ["crash", "crash", "depeg"],
    "base": ["BTC", "*", None],
    "price": [-0.4, -0.3, None],
    "fx_ccy": [None, None, "USDT"],
    "fx": [None, None, -0.05],
}


def test_a_stress_writes_the_files_of_the_command(snapshot: Snapshot, tmp_path: Path) -> None:
    scenarios = ["grid *=-50%..50%/25%", "depeg USDT=-5%", "crypto-historical"]
    flags = ["--grid", "*=-50%..50%/25%", "--scenario", "depeg USDT=-5%", "--preset", "crypto-historical"]
    flags += ["--distribution", "accounts", "--fund", "50_000", "--detail", "all"]
    cli("stress", snapshot.path, "--out", tmp_path / "command", "--quiet", *flags)
    outputs = remargin.stress(
        snapshot.path, tmp_path / "python", scenarios=scenarios, distribution="accounts", fund_usd=5e4, detail="all"
    )
    assert_same_bytes(tmp_path / "python", tmp_path / "command")
    assert outputs.path == tmp_path / "python" and not outputs.is_temporary
    assert outputs.summary == json.loads((tmp_path / "command" / "summary.json").read_text())
    written = {file.stem for file in (tmp_path / "command").glob("*.parquet")}
    assert set(outputs) == written
    for name in written:
        assert_same(outputs[name], tmp_path / "command" / f"{name}.parquet")

    with pytest.raises(remargin.UsageError, match="exists already"):
        remargin.stress(snapshot.path, tmp_path / "python", scenarios="crypto-historical")


def test_a_stress_without_a_folder_leaves_nothing_behind(snapshot: Snapshot, tmp_path: Path) -> None:
    outputs = remargin.stress(snapshot.path, scenarios="crash: *=-50%")
    folder = outputs.path
    assert outputs.is_temporary and "a temporary folder" in repr(outputs)
    assert not (folder / "report.html").exists()
    cli("stress", snapshot.path, "--out", tmp_path / "command", "--quiet", "--scenario", "crash: *=-50%")
    for name in ("scenarios", "worst", "distances"):
        assert_same(outputs[name], tmp_path / "command" / f"{name}.parquet")
    del outputs
    gc.collect()
    assert not folder.exists()


@pytest.mark.parametrize("convert", [dict, pa.table, pl.DataFrame, lambda rows: pl.LazyFrame(rows)])
def test_scenarios_come_as_a_table(snapshot: Snapshot, tmp_path: Path, convert: object) -> None:
    pl.DataFrame(SHOCKS).write_csv(tmp_path / "shocks.csv")
    # The page names the file of the shocks, where there is one.
    flags = ["--shocks", tmp_path / "shocks.csv", "--no-report", "--quiet"]
    cli("stress", snapshot.path, "--out", tmp_path / "command", *flags)
    table = convert(SHOCKS)  # type: ignore[operator]
    outputs = remargin.stress(snapshot.path, tmp_path / "python", scenarios=table, report=False)
    assert_same_bytes(tmp_path / "python", tmp_path / "command")
    # They stand in the manifest, so that the stress can be verified.
    assert [scenario["name"] for scenario in outputs.manifest["request"]["stress"]["scenarios"]] == ["crash", "depeg"]
    assert remargin.verify(outputs.path)["differing"] == 0

    of_file = remargin.stress(snapshot.path, shocks=tmp_path / "shocks.csv")
    assert of_file.summary == outputs.summary


def test_a_stress_fails_with_the_words_of_the_command(snapshot: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(remargin.UsageError, match="there is no scenario"):
        remargin.stress(snapshot.path)
    with pytest.raises(remargin.InvalidInput, match="XYZ"):
        remargin.stress(snapshot.path, scenarios="XYZ=-50%")
    with pytest.raises(ValueError, match="`detail` cannot be `some`: expected `all`, `at-risk`, `none`"):
        remargin.stress(snapshot.path, scenarios="*=-50%", detail="some")  # type: ignore[arg-type]
    with_broken_rows(snapshot, tmp_path / "broken")
    with pytest.raises(remargin.TooManyRejects) as caught:
        remargin.stress(tmp_path / "broken", scenarios="*=-50%")
    outputs = caught.value.outputs
    assert outputs is not None and outputs.rows["rejects"] == len(outputs["rejects"]) > 3
    assert remargin.stress(tmp_path / "broken", scenarios="*=-50%", max_rejects=3).rows == outputs.rows


def test_distances_are_those_of_a_run(snapshot: Snapshot) -> None:
    for whose in ("all", "at-risk"):
        out = snapshot.run("--distance", whose)
        assert_same(remargin.distances(snapshot.path, whose), out / "distances.parquet")  # type: ignore[arg-type]
    every = pq.read_table(snapshot.run("--distance", "all") / "distances.parquet")
    ids = every["account_id"].unique().to_pylist()[3:40:9]
    found = pa.table(remargin.distances(snapshot.path, [*reversed(ids), ids[0]]))
    assert found.equals(every.filter(pc.is_in(every["account_id"], pa.array(ids))).combine_chunks())
    merged = remargin.Rules(set={"risk_unit": "merged"})
    out = snapshot.run("--distance", "at-risk", "--set", "risk_unit=merged")
    assert_same(remargin.distances(snapshot.path, rules=merged, threads=1), out / "distances.parquet")


def test_distances_of_accounts_that_are_not_there(snapshot: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(remargin.InvalidInput, match="no such account in the snapshot") as caught:
        remargin.distances(snapshot.path, ["nobody"])
    assert (caught.value.column, caught.value.value) == ("account_id", "nobody")
    with pytest.raises(ValueError, match="`accounts` cannot be `some`"):
        remargin.distances(snapshot.path, "some")  # type: ignore[arg-type]
    positions = with_broken_rows(snapshot, tmp_path / "broken")
    broken = tmp_path / "broken"
    with pytest.raises(remargin.TooManyRejects, match=r"remargin\.check"):
        remargin.distances(broken)
    with pytest.raises(remargin.InvalidInput, match="cannot be margined: account_unmargined|cannot be margined"):
        remargin.distances(broken, [positions["account_id"][90].as_py()], max_rejects=3)
    assert len(remargin.distances(broken, max_rejects=3)) > 0


def test_rule_sets_are_compared_as_by_the_command(snapshot: Snapshot, tmp_path: Path) -> None:
    cli("compare", snapshot.path, "--b", "risk_unit=merged", "--out", tmp_path / "command", "--quiet")
    outputs = remargin.compare(snapshot.path, b={"risk_unit": "merged"}, out=tmp_path / "python")
    assert_same_bytes(tmp_path / "python", tmp_path / "command")
    assert_same(outputs["changes"], tmp_path / "command" / "changes.parquet")
    same = remargin.compare(snapshot.path, a=remargin.Rules(), b=remargin.Rules(set={"risk_unit": "merged"}))
    assert same.is_temporary and same.summary == outputs.summary

    cli("compare", snapshot.path, "--a", "spot_offset=none", "--out", tmp_path / "modes", "--quiet")
    modes = remargin.compare(snapshot.path, a={"spot_offset": "none"})
    assert modes.summary == json.loads((tmp_path / "modes" / "summary.json").read_text())
    with pytest.raises(ValueError, match="`spot_offset` cannot be `all`"):
        remargin.compare(snapshot.path, a={"spot_offset": "all"})
    for wrong in ({}, {"b": {}}, {"plain": True}, {"b": {"rate": 0.01}, "snapshot_a": "x"}):
        with pytest.raises(remargin.UsageError):
            remargin.compare(snapshot.path, **wrong)  # type: ignore[arg-type]


def test_runs_are_compared_as_by_the_command(snapshot: Snapshot, out: Path, tmp_path: Path) -> None:
    after = snapshot.run("--set", "mr4.floor.major=0.012")
    cli("compare", out, after, "--out", tmp_path / "command", "--quiet")
    outputs = remargin.compare(out, after, out=tmp_path / "python")
    assert_same_bytes(tmp_path / "python", tmp_path / "command")
    assert outputs.summary["not_attributed"] is None and outputs.summary["causes"]

    plain = remargin.compare(out, after, plain=True)
    assert plain.summary["causes"] is None
    assert "plain differences were asked for" in plain.summary["not_attributed"]
    with pytest.raises(remargin.UsageError, match="two finished runs have their own"):
        remargin.compare(out, after, b={"rate": 0.01})


def test_outputs_are_a_mapping_of_tables(out: Path, tmp_path: Path) -> None:
    outputs = remargin.Outputs(out)
    assert list(outputs) == list(outputs.rows) and len(outputs) == len(outputs.rows)
    assert outputs.rows["accounts"] == len(outputs["accounts"]) == outputs.summary["accounts"]["margined"]
    for name in outputs:
        assert_same(outputs[name], out / f"{name}.parquet")
    with pytest.raises(KeyError, match="no table `nothing`, but accounts"):
        outputs["nothing"]
    with pytest.raises(remargin.InvalidInput, match="not a finished folder") as caught:
        remargin.Outputs(tmp_path)
    assert caught.value.file == str(tmp_path)

    arrow = remargin.stress(ROOT / "data" / "sample", scenarios="*=-50%", format="arrow")
    assert arrow["scenarios"].column_names[0] == "scenario"
    csv = remargin.stress(ROOT / "data" / "sample", scenarios="*=-50%", format="csv")
    with pytest.raises(remargin.InvalidInput, match="CSV file does not say the types"):
        csv["scenarios"]
    assert "tables: scenarios (2 rows)" in csv._repr_html_()
    (tmp_path / "damaged").mkdir()
    for file in out.iterdir():
        (tmp_path / "damaged" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "damaged" / "accounts.parquet").write_bytes(b"PAR1 and nothing else PAR1")
    with pytest.raises(remargin.InvalidInput, match=r"accounts\.parquet"):
        remargin.Outputs(tmp_path / "damaged")["accounts"]
