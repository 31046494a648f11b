"""Tables in DuckDB: the same figures, bit by bit; and what `remargin export` writes for it."""

from __future__ import annotations

import pathlib
import shutil
import struct

import duckdb
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest

import remargin
from remargin.errors import InvalidInput

SAMPLE = pathlib.Path(__file__).resolve().parents[2] / "data" / "sample"


def bits(value: object) -> object:
    return struct.pack(">d", value) if isinstance(value, float) else value


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    out = tmp_path_factory.mktemp("warehouse") / "out"
    remargin.run(SAMPLE, out)
    return out


@pytest.mark.parametrize("schema", [None, 'desk "B"'])
def test_figures_are_the_same_bits(run: pathlib.Path, tmp_path: pathlib.Path, schema: str | None) -> None:
    outputs = remargin.Outputs(run)
    database = tmp_path / "margin.duckdb"
    for _ in range(2):  # the second time tables are replaced
        outputs.to_duckdb(database, schema=schema).close()
    place = "" if schema is None else '"desk ""B""".'
    with duckdb.connect(str(database)) as connection:
        for name in ("accounts", "risk_units", "at_risk", "rejects"):
            expected = pq.read_table(run / f"{name}.parquet")
            found = connection.execute(f"SELECT * FROM {place}{name}")
            assert [column[0] for column in found.description] == expected.column_names
            rows = [tuple(map(bits, row)) for row in found.fetchall()]
            assert rows == [tuple(map(bits, row.values())) for row in expected.to_pylist()]
        [(total,)] = connection.execute(f"SELECT fsum(mmr) FROM {place}accounts").fetchall()
    assert total == pytest.approx(outputs.summary["totals"]["mmr"], rel=1e-12)


def test_a_result_is_loaded_as_a_folder_is(tmp_path: pathlib.Path) -> None:
    """The same names, types and bits."""
    table = "SELECT account_id, spot_offset, hash(account_id) % 3 AS desk FROM read_csv($1, all_varchar = true)"
    accounts = duckdb.sql(table, params=[str(SAMPLE / "accounts.csv")]).to_arrow_table()
    shutil.copytree(SAMPLE, tmp_path / "snapshot")
    (tmp_path / "snapshot" / "checksums").unlink(missing_ok=True)
    csv.write_csv(accounts, tmp_path / "snapshot" / "accounts.csv")
    remargin.run(tmp_path / "snapshot", tmp_path / "out", by="desk")
    result = remargin.recalculate_snapshot(tmp_path / "snapshot", by="desk")
    expected = remargin.Outputs(tmp_path / "out").to_duckdb()
    for schema in (None, "night"):
        found = result.to_duckdb(tmp_path / "margin.duckdb", schema=schema)
        place = "" if schema is None else f"{schema}."
        for name in expected.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            theirs = expected.execute(f"SELECT * FROM {name[0]}")
            ours = found.execute(f"SELECT * FROM {place}{name[0]}")
            assert ours.description == theirs.description, name
            rows = [tuple(map(bits, row)) for row in ours.fetchall()]
            assert rows == [tuple(map(bits, row)) for row in theirs.fetchall()], name
        names = found.execute("SELECT count(DISTINCT table_name) FROM duckdb_tables()").fetchone()
        assert names == (7,)
        found.close()
    connection = duckdb.connect()
    assert remargin.recalculate_snapshot(SAMPLE).to_duckdb(connection) is connection
    assert len(connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()) == 4


def test_a_connection_is_taken_as_it_is(run: pathlib.Path) -> None:
    connection = duckdb.connect()
    assert remargin.Outputs(run).to_duckdb(connection) is connection
    assert connection.execute("SELECT count(*) FROM accounts").fetchone() == (300,)


def test_a_folder_that_is_not_finished_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InvalidInput):
        remargin.Outputs(tmp_path).to_duckdb()
