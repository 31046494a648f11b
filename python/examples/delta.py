"""Margins of a book that lies in Delta tables, by deltalake and DuckDB.

    python python/examples/delta.py LAKE        # LAKE/positions, LAKE/balances, LAKE/accounts

The market is the one of `data/sample`. Without an argument the book of `data/sample` is written to a lake first.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import duckdb
import pyarrow.csv as csv
from deltalake import DeltaTable, write_deltalake

import remargin

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
TABLES = ("positions", "balances", "accounts")


def fill(lake: Path) -> None:
    """Writes the book of `data/sample` as Delta tables."""
    for name in TABLES:
        write_deltalake(str(lake / name), csv.read_csv(SAMPLE / f"{name}.csv"), mode="overwrite")


def margins(lake: Path, version: int | None = None) -> remargin.Result:
    """Margins every account: the tables as they are, or as they were in a version of each."""
    positions, balances, accounts = (
        DeltaTable(str(lake / name), version=version).to_pyarrow_table() for name in TABLES
    )
    return remargin.recalculate(positions, balances, remargin.Market.open(SAMPLE), accounts=accounts)


def margins_of_some(lake: Path, ids: list[str]) -> remargin.Result:
    """Margins some accounts: DuckDB reads of the files only what the query needs."""
    connection = duckdb.connect()
    relations = []
    for name in TABLES:
        connection.register(name, DeltaTable(str(lake / name)).to_pyarrow_dataset())
        query = f"SELECT * FROM {name} WHERE account_id IN (SELECT unnest($1))"
        relations.append(connection.sql(query, params=[ids]))
    positions, balances, accounts = relations
    return remargin.recalculate(positions, balances, remargin.Market.open(SAMPLE), accounts=accounts)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        if len(sys.argv) == 1:
            fill(place)
        print(margins(place))
        print(margins_of_some(place, ["A00000001", "A00000002"]).accounts.to_pyarrow().select(["account_id", "status"]))
