"""Any Arrow table is accepted, and results equal the files of the command."""

from __future__ import annotations

import json
import pickle
import threading
import time
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import remargin
from conftest import Snapshot, assert_as_run, with_broken_rows


def to_duckdb(table: pa.Table) -> Any:
    return duckdb.from_arrow(table)


LIBRARIES = {
    "pyarrow": lambda table: table,
    "pyarrow_reader": lambda table: table.to_reader(max_chunksize=100),
    "polars": pl.from_arrow,
    "pandas": lambda table: table.to_pandas(),
    "duckdb": to_duckdb,
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_library_gives_what_the_command_writes(snapshot: Snapshot, out: Path, library: str) -> None:
    convert = LIBRARIES[library]
    tables = [convert(table) for table in (snapshot.positions, snapshot.balances)]
    result = remargin.recalculate(*tables, snapshot.market, accounts=convert(snapshot.accounts))
    assert_as_run(result, out)
    assert result.summary == json.loads((out / "summary.json").read_text())


def test_results_go_to_every_library(snapshot: Snapshot, out: Path) -> None:
    result = remargin.recalculate(snapshot.positions, snapshot.balances, snapshot.market, accounts=snapshot.accounts)
    expected = pq.read_table(out / "accounts.parquet")
    accounts = result.accounts
    assert len(accounts) == accounts.num_rows == expected.num_rows
    assert accounts.column_names == expected.column_names
    assert accounts.to_pyarrow().equals(expected)
    assert accounts.to_polars().equals(pl.from_arrow(expected))
    pd.testing.assert_frame_equal(accounts.to_pandas(), expected.to_pandas())
    [(total,)] = duckdb.from_arrow(pa.table(accounts)).aggregate("sum(mmr)").fetchall()
    assert total == pytest.approx(pc.sum(expected["mmr"]).as_py(), rel=1e-12)
    # A table can be read any number of times.
    assert pa.table(accounts).equals(pa.table(accounts))


def test_a_market_from_tables_is_the_market_of_the_folder(snapshot: Snapshot, out: Path) -> None:
    tables = {name: pq.read_table(snapshot.path / f"{name}.parquet") for name in ("instruments", "marks", "indices")}
    market = remargin.Market(snapshot.market.as_of, **tables)
    assert market.as_of_ns == snapshot.market.as_of_ns
    assert len(market.instruments) == tables["instruments"].num_rows
    result = remargin.recalculate(snapshot.positions, snapshot.balances, market, accounts=snapshot.accounts)
    assert_as_run(result, out)


def test_market_and_rules_can_be_pickled(snapshot: Snapshot) -> None:
    rules = remargin.Rules(set={"risk_unit": "merged", "mr4.floor.major": 0.012})
    market, again = pickle.loads(pickle.dumps((snapshot.market, rules)))
    assert again == rules and hash(again) == hash(rules) and again.hash == rules.hash
    assert again != remargin.Rules()
    expected = snapshot.run("--set", "risk_unit=merged", "--set", "mr4.floor.major=0.012")
    result = remargin.recalculate(snapshot.positions, snapshot.balances, market, again, snapshot.accounts)
    assert_as_run(result, expected)


def test_rules_say_what_they_are() -> None:
    rules = remargin.Rules(set={"mr4.floor.major": 0.012})
    assert rules.name == "okx-pm2-2025-01"
    assert rules.values["mr4.floor.major"] == "0.012"
    assert remargin.Rules.from_toml(rules.to_toml()) == rules


def test_scenarios_as_table_and_as_words(snapshot: Snapshot, tmp_path: Path) -> None:
    shocks = tmp_path / "shocks.csv"
    shocks.write_text("scenario,base,price\nfall,*,-0.3\nbtc,BTC,0.2\n")
    expected = snapshot.run("--shocks", shocks)
    table = pa.table({"scenario": ["fall", "btc"], "base": ["*", "BTC"], "price": [-0.3, 0.2]})
    words = ["fall: *=-30%", "btc: BTC=20%"]
    for scenarios in (table, pl.from_arrow(table), words):
        result = remargin.recalculate(
            snapshot.positions, snapshot.balances, snapshot.market, accounts=snapshot.accounts, scenarios=scenarios
        )
        assert_as_run(result, expected)
    named = remargin.recalculate(
        snapshot.positions,
        snapshot.balances,
        snapshot.market,
        scenarios=["crypto-historical", "grid BTC=-10%..10%/10%"],
    )
    names = pc.unique(named.accounts.to_pyarrow()["scenario"]).to_pylist()
    assert names[0] == "base" and len(names) >= 9 and named.summary["scenarios"] == len(names)


def test_rejects_are_those_of_the_command(snapshot: Snapshot, tmp_path: Path) -> None:
    positions = with_broken_rows(snapshot, tmp_path / "snapshot")
    expected = Snapshot(tmp_path / "snapshot").run("--max-rejects", "3")
    result = remargin.recalculate(positions, snapshot.balances, snapshot.market, accounts=snapshot.accounts)
    assert_as_run(result, expected)
    reasons = set(result.rejects.to_pyarrow()["reason"].to_pylist())
    assert {"unknown_instrument", "missing_quantity", "missing_account_id", "account_unmargined"} == reasons
    assert result.summary["rejects"]["broken"] == 3


def test_missing_values_of_pandas_are_missing(snapshot: Snapshot) -> None:
    positions = snapshot.positions.to_pandas()
    positions.loc[3, "qty"] = float("nan")
    rejects = remargin.recalculate(positions, snapshot.balances, snapshot.market).rejects.to_pyarrow()
    broken = rejects.filter(pc.field("reason") != "account_unmargined").to_pylist()
    assert [(row["table"], row["row"], row["reason"]) for row in broken] == [("positions", 4, "missing_quantity")]


def test_an_empty_book_has_empty_tables(snapshot: Snapshot) -> None:
    result = remargin.recalculate(snapshot.positions.slice(0, 0), snapshot.balances.slice(0, 0), snapshot.market)
    assert len(result.accounts) == 0 and "margin_ratio" in result.accounts.column_names
    assert result.accounts.to_pyarrow().num_rows == 0


def test_errors_are_typed_and_say_where(snapshot: Snapshot) -> None:
    balances, market = snapshot.balances, snapshot.market
    with pytest.raises(remargin.InvalidInput) as caught:
        remargin.recalculate(snapshot.positions.drop_columns(["qty"]), balances, market)
    error = caught.value
    assert isinstance(error, remargin.RemarginError) and isinstance(error, ValueError)
    assert (error.table, error.column, error.file, error.exit_code) == ("positions", "qty", None, 3)
    assert str(error).startswith("missing column\n  at:       table `positions`, column `qty`\n")

    floats = snapshot.positions.set_column(2, "qty", snapshot.positions["qty"].cast(pa.float32()))
    with pytest.raises(remargin.InvalidInput, match="wrong type of column"):
        remargin.recalculate(floats, balances, market)
    with pytest.raises(remargin.InvalidInput, match="not a table that Arrow can read") as caught:
        remargin.recalculate([1, 2], balances, market)  # type: ignore[arg-type]
    assert (caught.value.table, caught.value.value) == ("positions", "list")
    with pytest.raises(remargin.InvalidInput, match="unknown currency"):
        remargin.recalculate(snapshot.positions, balances, market, scenarios="NOPE=-10%")
    with pytest.raises(remargin.InvalidInput, match="unknown key"):
        remargin.Rules(set={"mr4.flor": 1})
    with pytest.raises(remargin.FileError, match="cannot read"):
        remargin.Rules("no-such-rules.toml")
    with pytest.raises(remargin.InvalidInput, match="the valuation time cannot be read"):
        remargin.Market("yesterday", market.instruments, market.marks, market.indices)
    old = remargin.Market("2024-01-01T00:00:00Z", market.instruments, market.marks, market.indices)
    with pytest.raises(remargin.InvalidInput, match="not yet in force"):
        remargin.recalculate(snapshot.positions, balances, old)


def test_duplicates_in_a_market_name_the_row(snapshot: Snapshot) -> None:
    market = snapshot.market
    marks = market.marks.to_pyarrow()
    with pytest.raises(remargin.InvalidInput) as caught:
        remargin.Market(market.as_of, market.instruments, pa.concat_tables([marks, marks]), market.indices)
    assert (caught.value.table, caught.value.row) == ("marks", marks.num_rows + 1)


def test_the_check_of_marks_can_be_switched_off(snapshot: Snapshot) -> None:
    market = snapshot.market
    marks = market.marks.to_pyarrow()
    percent = pc.multiply(marks["mark_vol"].cast(pa.float64()), 100.0)
    marks = marks.set_column(marks.schema.get_field_index("mark_vol"), "mark_vol", percent)
    with pytest.raises(remargin.InvalidInput, match="volatilit"):
        remargin.recalculate(
            snapshot.positions,
            snapshot.balances,
            remargin.Market(market.as_of, market.instruments, marks, market.indices),
        )
    taken = remargin.Market(market.as_of, market.instruments, marks, market.indices, mark_check="off")
    for given in (taken, pickle.loads(pickle.dumps(taken))):
        assert len(remargin.recalculate(snapshot.positions, snapshot.balances, given).rejects) == 0
    with pytest.raises(remargin.UsageError, match="no bound of prices"):
        remargin.Market(market.as_of, market.instruments, marks, market.indices, mark_check="half")


def test_threads_do_not_change_anything(snapshot: Snapshot, out: Path) -> None:
    for threads in (1, 3):
        result = remargin.recalculate(
            snapshot.positions, snapshot.balances, snapshot.market, accounts=snapshot.accounts, threads=threads
        )
        assert_as_run(result, out)


def big(snapshot: Snapshot) -> dict[str, Any]:
    """Enough work to take a noticeable time."""
    moves = ",".join(f"{coin}=-60%..60%/20%" for coin in ("BTC", "ETH"))
    return {
        "positions": snapshot.positions,
        "balances": snapshot.balances,
        "market": snapshot.market,
        "scenarios": [f"grid {moves},vol=0%..200%/20%"],
    }


def test_progress_is_told(snapshot: Snapshot) -> None:
    heard: list[tuple[str, int, int, str]] = []
    remargin.recalculate(**big(snapshot), progress=lambda *event: heard.append(event))
    stages = list(dict.fromkeys(stage for stage, *_ in heard))
    assert stages[-1] == "compute" and "price" in stages
    last = heard[-1]
    assert last[1] == last[2] > 300 and last[3] == "rows"


def test_an_exception_in_the_callback_ends_the_work(snapshot: Snapshot) -> None:
    class Enough(Exception):
        pass

    def stop(*_: object) -> None:
        raise Enough

    with pytest.raises(Enough):
        remargin.recalculate(**big(snapshot), progress=stop)


def test_the_interpreter_runs_on_meanwhile(snapshot: Snapshot) -> None:
    """Another thread counts while the library works, which it could not if the lock were held."""
    done = threading.Event()
    counted = 0

    def count() -> None:
        nonlocal counted
        while not done.is_set():
            counted += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    before = counted
    try:
        remargin.recalculate(**big(snapshot))
        during = counted - before
    finally:
        done.set()
        thread.join()
    assert during > 3


def test_ctrl_c_ends_the_work(snapshot: Snapshot) -> None:
    import _thread

    timer = threading.Timer(0.05, _thread.interrupt_main)
    work = big(snapshot)
    work["scenarios"] = ["grid BTC=-60%..60%/5%,ETH=-60%..60%/5%,vol=0%..200%/20%"]
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        remargin.recalculate(**work)
    timer.join()
