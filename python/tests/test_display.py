"""What notebooks show, and tables that are no Arrow tables."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import remargin
from conftest import Snapshot, assert_as_run, cli


class Reader(HTMLParser):
    """Checks that every tag is closed, and gathers the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.rows = 0
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        self.rows += tag == "tr"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_result_shows_the_book_and_its_accounts(snapshot: Snapshot) -> None:
    result = remargin.recalculate(snapshot.positions, snapshot.balances, snapshot.market, accounts=snapshot.accounts)
    shown = Reader(result._repr_html_())
    text = " ".join(shown.texts)
    assert f"{len(result.accounts):,} accounts, as of {result.summary['as_of']}" in text
    for status, accounts in result.summary["accounts"]["by_status"].items():
        assert (f"{status}: {accounts:,} (" in text) == (accounts > 0)
    assert shown.rows == 11 and "the first 10 are shown" in text
    assert f"risk_units ({len(result.risk_units):,} rows)" in text
    assert "script" not in result._repr_html_()


def test_a_table_shows_its_first_rows(snapshot: Snapshot) -> None:
    result = remargin.recalculate(snapshot.positions, snapshot.balances, snapshot.market)
    table = result.accounts
    rows = table.to_pylist()
    assert rows == table.to_pyarrow().to_pylist()
    assert table.to_pylist(3) == rows[:3] and table.to_pylist(0) == []
    assert Reader(table._repr_html_()).rows == 11
    nothing = Reader(result.rejects._repr_html_())
    assert nothing.rows == 1 and "0 rows, 7 columns" in nothing.texts
    market = snapshot.market.instruments
    assert [row["inst_id"] for row in market.to_pylist(2)] == market.to_pyarrow()["inst_id"][:2].to_pylist()


def test_what_is_shown_is_escaped(snapshot: Snapshot) -> None:
    evil = "<script>alert('&')</script>"
    positions = {"account_id": [evil], "inst_id": ["BTC-USDT-SWAP"], "qty": [1.0], "avg_px": [75_000.0]}
    balances = {"account_id": [evil], "ccy": ["USDT"], "cash": [20_000.0]}
    html = remargin.recalculate(positions, balances, snapshot.market)._repr_html_()
    assert "<script>" not in html and evil in Reader(html).texts


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.25, "-0.25"), (1.23456789, "1.23457"), (999.5, "999.5"), (1234567.891, "1,234,567.89")]
    + [(-2e-7, "-2e-07"), (3.21e18, "3.21e+18")],
)
def test_numbers(value: float, text: str) -> None:
    assert remargin._html.number(value) == text  # type: ignore[attr-defined]


def test_rules_show_mark_and_origin() -> None:
    shown = Reader(remargin.Rules(set={"mr4.floor.major": 0.012})._repr_html_())
    assert "--set" in shown.texts and "built-in okx-pm2-2025-01" in shown.texts
    assert shown.rows == 1 + len(remargin.Rules().values)


def test_outputs_show_what_there_is(snapshot: Snapshot, out: Path, tmp_path: Path) -> None:
    run = Reader(remargin.Outputs(out)._repr_html_())
    assert any("healthy: " in text for text in run.texts) and run.rows == 11
    stress = Reader(remargin.stress(snapshot.path, scenarios="crash: *=-50%")._repr_html_())
    assert "crash" in stress.texts and any("healthy: " in text for text in stress.texts)
    compared = Reader(remargin.compare(snapshot.path, b={"risk_unit": "merged"})._repr_html_())
    assert any("tables: " in text and "changes" in text for text in compared.texts)
    (tmp_path / "ops.csv").write_text(
        "op_id,account_id,kind,inst_id,side,qty,px\n1,A00000001,order,BTC-USDT-SWAP,buy,1,75000\n"
    )
    cli("simulate", snapshot.path, "--ops", tmp_path / "ops.csv", "--out", tmp_path / "checks")
    simulated = Reader(remargin.Outputs(tmp_path / "checks")._repr_html_())
    assert any("checks (1 row)" in text for text in simulated.texts)


def lazy(table: pa.Table) -> Any:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame.lazy()


def arrays(table: pa.Table) -> dict[str, Any]:
    """Numpy arrays: a cell that is missing is `None`."""
    kind = {name: object if table[name].null_count else None for name in table.column_names}
    return {name: np.array(table[name].to_pylist(), dtype=kind[name]) for name in table.column_names}


def lists(table: pa.Table) -> dict[str, Any]:
    return table.to_pydict()


@pytest.mark.parametrize("convert", [lazy, arrays, lists])
def test_lazy_frames_and_columns_are_tables(snapshot: Snapshot, out: Path, convert: Any) -> None:
    tables = [convert(table) for table in (snapshot.positions, snapshot.balances)]
    result = remargin.recalculate(*tables, snapshot.market, accounts=convert(snapshot.accounts))
    assert_as_run(result, out)


def test_nan_is_a_broken_number_and_not_a_missing_one(snapshot: Snapshot) -> None:
    positions = {"account_id": ["a"], "inst_id": ["BTC-USDT-SWAP"], "qty": [1.0], "avg_px": [75_000.0]}
    balances = {"account_id": ["a"], "ccy": ["USDT"], "cash": [20_000.0]}
    for interest, margined in ((np.array([np.nan]), 0), ([None], 1), (np.array([0.0]), 1)):
        result = remargin.recalculate(positions, {**balances, "interest": interest}, snapshot.market)
        assert len(result.accounts) == margined, interest


def test_a_market_of_columns(snapshot: Snapshot, out: Path) -> None:
    tables = [lists(pa.table(getattr(snapshot.market, name))) for name in ("instruments", "marks", "indices")]
    market = remargin.Market(snapshot.market.as_of, *tables)
    result = remargin.recalculate(snapshot.positions, snapshot.balances, market, accounts=snapshot.accounts)
    assert_as_run(result, out)


def test_columns_without_pyarrow_are_made_by_polars(
    snapshot: Snapshot, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = [lists(table) for table in (snapshot.positions, snapshot.balances, snapshot.accounts)]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = remargin.recalculate(tables[0], tables[1], snapshot.market, accounts=tables[2])
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(remargin.InvalidInput, match="pip install pyarrow"):
        remargin.recalculate(tables[0], tables[1], snapshot.market)
    monkeypatch.undo()
    assert_as_run(result, out)


def test_what_is_no_table_says_so(snapshot: Snapshot) -> None:
    ragged = {"account_id": ["a", "b"], "ccy": ["USDT"], "cash": [1.0]}
    for wrong in (ragged, pl.LazyFrame({"a": [1]}).select("b"), {"account_id": np.array(["a"])}, [1, 2], 7):
        with pytest.raises(remargin.InvalidInput) as caught:
            remargin.recalculate(snapshot.positions, wrong, snapshot.market)  # type: ignore[arg-type]
        assert caught.value.table == "balances", wrong

    class Stopped:
        __module__ = "polars.stopped"

        def collect(self) -> None:
            raise KeyboardInterrupt

    Stopped.__name__ = "LazyFrame"
    with pytest.raises(KeyboardInterrupt):
        remargin.recalculate(snapshot.positions, Stopped(), snapshot.market)  # type: ignore[arg-type]
