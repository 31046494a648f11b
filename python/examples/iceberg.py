"""Margins of a book that lies in Iceberg tables, by pyiceberg and DuckDB.

    python python/examples/iceberg.py           # the catalog `default` of ~/.pyiceberg.yaml, tables book.positions, ...
    python python/examples/iceberg.py FOLDER    # a catalog of its own in FOLDER, with the book of `data/sample`

The market is the one of `data/sample`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.csv as csv
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.expressions import In

import remargin

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
TABLES = ("positions", "balances", "accounts")


def fill(folder: Path) -> Catalog:
    """A catalog in a folder, with the book of `data/sample`."""
    catalog = load_catalog("local", type="sql", uri=f"sqlite:///{folder}/catalog.db", warehouse=folder.as_uri())
    catalog.create_namespace("book")
    for name in TABLES:
        rows = csv.read_csv(SAMPLE / f"{name}.csv")
        catalog.create_table(f"book.{name}", schema=rows.schema).append(rows)
    return catalog


def margins(catalog: Catalog, snapshots: dict[str, int] | None = None) -> remargin.Result:
    """Margins every account: the tables as they are, or as they were in a snapshot of each, by the table's name."""
    positions, balances, accounts = (
        catalog.load_table(f"book.{name}").scan(snapshot_id=(snapshots or {}).get(name)).to_arrow() for name in TABLES
    )
    return remargin.recalculate(positions, balances, remargin.Market.open(SAMPLE), accounts=accounts)


def margins_of_some(catalog: Catalog, ids: list[str]) -> remargin.Result:
    """Margins some accounts: Iceberg reads of the files only what the filter needs; DuckDB hands the rows on."""
    positions, balances, accounts = (
        catalog.load_table(f"book.{name}").scan(row_filter=In("account_id", ids)).to_duckdb(name).table(name)
        for name in TABLES
    )
    return remargin.recalculate(positions, balances, remargin.Market.open(SAMPLE), accounts=accounts)


if __name__ == "__main__":
    book = fill(Path(sys.argv[1]).resolve()) if len(sys.argv) > 1 else load_catalog("default")
    print(margins(book))
    print(margins_of_some(book, ["A00000001", "A00000002"]).accounts.to_pyarrow().select(["account_id", "status"]))
