"""Tables of results into a database."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ._remargin import Result, Table

#: The tables of a result; the last three are there if groups were asked for.
TABLES = ("accounts", "risk_units", "at_risk", "rejects", "groups", "group_units", "account_groups")


def tables_of(result: Result) -> dict[str, Table]:
    """The tables that a result has, by their names."""
    tables = {name: getattr(result, name) for name in TABLES}
    return {name: table for name, table in tables.items() if table is not None}


def result_to_duckdb(result: Result, database: Any, schema: str | None) -> Any:
    """:meth:`Result.to_duckdb`."""
    return to_duckdb(tables_of(result).items(), ":memory:" if database is None else database, schema)


def to_duckdb(tables: Iterable[tuple[str, Table]], database: Any, schema: str | None) -> Any:
    """Loads tables into DuckDB, bit by bit, and returns the connection; see :meth:`Outputs.to_duckdb`."""
    import duckdb

    connection = database if hasattr(database, "execute") else duckdb.connect(os.fspath(database))
    place = "" if schema is None else _quoted(schema) + "."
    if schema is not None:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(schema)}")
    for name, table in tables:
        connection.register("remargin_rows", table.to_pyarrow())
        connection.execute(f"CREATE OR REPLACE TABLE {place}{_quoted(name)} AS SELECT * FROM remargin_rows")
        connection.unregister("remargin_rows")
    return connection


def _quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'
