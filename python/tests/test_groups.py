"""Accounts put together by attributes: the bytes of the command, and the figures of a group-by elsewhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest

import remargin
from conftest import Snapshot, assert_same, assert_same_bytes, cli

BY = ["desk", "desk,region"]


@pytest.fixture
def desks(snapshot: Snapshot, tmp_path: Path) -> Path:
    """The snapshot with a desk and a region for each account; some have none."""
    folder = tmp_path / "desks"
    shutil.copytree(snapshot.path, folder)
    (folder / "checksums").unlink(missing_ok=True)
    table = pq.read_table(folder / "accounts.parquet")
    rows = range(table.num_rows)
    desk = pa.array([None if row % 7 == 2 else f"desk {row % 4}" for row in rows], pa.string())
    region = pa.array([["EU", "US", None][row % 3] for row in rows], pa.string())
    pq.write_table(table.append_column("desk", desk).append_column("region", region), folder / "accounts.parquet")
    return folder


def test_groups_have_the_bytes_of_the_command(desks: Path, tmp_path: Path) -> None:
    flags = [word for by in BY for word in ("--by", by)]
    cli("run", desks, "--out", tmp_path / "command", "--quiet", *flags)
    summary = remargin.run(desks, tmp_path / "python", by=["desk", ("desk", "region")])
    assert_same_bytes(tmp_path / "python", tmp_path / "command")
    assert [of["by"] for of in summary["groups"]] == BY
    assert summary["groups"][0]["groups"] == 5
    outputs = remargin.Outputs(tmp_path / "python")
    assert outputs.manifest["request"]["by"] == BY
    for name in ("groups", "group_units", "account_groups"):
        assert_same(outputs[name], tmp_path / "command" / f"{name}.parquet")


def test_groups_in_memory_have_the_bits_of_the_command(desks: Path, snapshot: Snapshot, tmp_path: Path) -> None:
    shocks = {"scenario": ["crash", "rise"], "base": ["*", "BTC"], "price": [-0.5, 0.2]}
    csv.write_csv(pa.table(shocks), tmp_path / "shocks.csv")
    flags = [word for by in BY for word in ("--by", by)]
    cli("run", desks, "--out", tmp_path / "out", "--shocks", tmp_path / "shocks.csv", "--quiet", *flags)
    accounts = pq.read_table(desks / "accounts.parquet")
    tables = (snapshot.positions, snapshot.balances)
    found = remargin.recalculate(*tables, snapshot.market, accounts=accounts, scenarios=shocks, by=BY)
    of_folder = remargin.recalculate_snapshot(desks, scenarios=shocks, by=["desk", ("desk", "region")])
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    for result in (found, of_folder):
        for name in ("accounts", "risk_units", "groups", "group_units", "account_groups"):
            assert_same(getattr(result, name), tmp_path / "out" / f"{name}.parquet")
        assert result.summary["groups"] == summary["groups"]
        assert "groups: " in repr(result)
        assert "account_groups" in result._repr_html_()
    plain = remargin.recalculate(*tables, snapshot.market, accounts=accounts)
    assert (plain.groups, plain.group_units, plain.account_groups) == (None, None, None)
    with pytest.raises(remargin.InvalidInput, match="is it `desk`") as raised:
        remargin.recalculate(*tables, snapshot.market, accounts=accounts, by="dsk")
    assert (raised.value.table, raised.value.column) == ("accounts", "dsk")
    with pytest.raises(remargin.InvalidInput, match="no table `accounts`"):
        remargin.recalculate(*tables, snapshot.market, by="desk")
    with pytest.raises(remargin.UsageError, match="grouped by `desk` twice"):
        remargin.recalculate_snapshot(desks, by=["desk", "desk"])


def test_groups_are_a_group_by(desks: Path, tmp_path: Path) -> None:
    remargin.run(desks, tmp_path / "out", by=BY)
    outputs = remargin.Outputs(tmp_path / "out")
    accounts, groups, members = (outputs[name].to_pyarrow() for name in ("accounts", "groups", "account_groups"))
    attributes = pq.read_table(desks / "accounts.parquet")
    assert accounts.num_rows * 2 == members.num_rows
    # The attributes as the snapshot has them, not as the run has.
    (found,) = duckdb.sql(
        """
        with known as (
            select a.*, coalesce(t.desk, '') as desk, coalesce(t.region, '') as region
            from accounts a left join attributes t using (account_id)
        ), named as (
            select 'desk' as "by", desk as "group", * from known
            union all select 'desk,region', desk || '/' || region, * from known
        ), expected as (
            select "by", "group", count(*) as accounts, sum(mmr) as mmr, sum(adj_eq) as adj_eq, sum(imr) as imr,
                count(*) filter (status = 'liquidation') as liquidation, min(margin_ratio) as worst,
                sum(greatest(0, imr - adj_eq)) as shortfall_imr
            from named group by all
        )
        select count(*), max(abs(g.mmr - e.mmr)), max(abs(g.adj_eq - e.adj_eq)), max(abs(g.imr - e.imr)),
            max(abs(g.shortfall_imr - e.shortfall_imr)),
            count(*) filter (g.accounts = e.accounts and g.liquidation = e.liquidation
                and g.worst_margin_ratio is not distinct from e.worst)
        from groups g join expected e using ("by", "group")
        """
    ).fetchall()
    assert found[0] == groups.num_rows == found[5]
    assert all(difference < 1e-5 for difference in found[1:5]), found


def test_a_stress_has_groups_in_every_scenario(desks: Path, tmp_path: Path) -> None:
    cli("stress", desks, "--out", tmp_path / "command", "--quiet", "--scenario", "crash: *=-50%", "--by", "desk")
    outputs = remargin.stress(desks, tmp_path / "python", scenarios="crash: *=-50%", by="desk")
    assert_same_bytes(tmp_path / "python", tmp_path / "command")
    groups = outputs["groups"].to_pyarrow()
    assert groups["scenario"].to_pylist() == ["base", "crash"] * 5


def test_a_column_that_is_not_there_is_named(desks: Path, tmp_path: Path) -> None:
    with pytest.raises(remargin.InvalidInput, match="is it `desk`"):
        remargin.run(desks, tmp_path / "out", by="dsk")
    with pytest.raises(remargin.UsageError, match="grouped by `desk` twice"):
        remargin.run(desks, tmp_path / "out", by=["desk", "desk"])


def test_a_group_is_margined_as_one(desks: Path, tmp_path: Path) -> None:
    file = desks / "accounts.parquet"
    table = pq.read_table(file)
    place = table.column_names.index("spot_offset")
    same = pa.array(["usdt"] * table.num_rows, pa.string())
    pq.write_table(table.set_column(place, "spot_offset", same), file)
    remargin.run(desks, tmp_path / "out", net_by="desk")
    outputs = remargin.Outputs(tmp_path / "out")
    netting, groups = outputs["netting"].to_pyarrow(), outputs["groups"].to_pyarrow()
    known = [row for row in groups.to_pylist() if row["group"]]
    assert netting["group"].to_pylist() == [row["group"] for row in known]
    assert netting["mmr_sum"].to_pylist() == [row["mmr"] for row in known]
    assert sum(netting["mmr_benefit"].to_pylist()) > 0
