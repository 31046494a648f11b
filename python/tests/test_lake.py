"""A book in Delta and Iceberg tables: the examples give the margins of the same book in files, bit by bit."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import remargin
from conftest import ROOT, assert_as_run

EXAMPLES = ROOT / "python" / "examples"
SAMPLE = ROOT / "data" / "sample"
SOME = ["A00000001", "A00000002"]


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("lake") / "out"
    remargin.run(SAMPLE, out, report=False)
    return out


def assert_some(found: remargin.Result, run: Path) -> None:
    accounts = pq.read_table(run / "accounts.parquet")
    expected = accounts.filter(pc.is_in(accounts["account_id"], pa.array(SOME))).combine_chunks()
    assert found.accounts.to_pyarrow().combine_chunks().equals(expected)
    assert expected.num_rows == 2


def test_delta(run: Path, tmp_path: Path) -> None:
    deltalake = pytest.importorskip("deltalake", reason="deltalake is not installed: pip install deltalake")
    delta = example("delta")
    delta.fill(tmp_path)
    assert_as_run(delta.margins(tmp_path), run)
    assert_some(delta.margins_of_some(tmp_path, SOME), run)
    # The book loses its rows; the version before still has them.
    for name in delta.TABLES:
        deltalake.DeltaTable(str(tmp_path / name)).delete(f"account_id <> '{SOME[0]}'")
    assert len(delta.margins(tmp_path).accounts) == 1
    assert_as_run(delta.margins(tmp_path, version=0), run)


def test_iceberg(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyiceberg", reason="pyiceberg is not installed: pip install 'pyiceberg[sql-sqlite,pyarrow]'")
    iceberg = example("iceberg")
    catalog = iceberg.fill(tmp_path)
    assert_as_run(iceberg.margins(catalog), run)
    assert_some(iceberg.margins_of_some(catalog, SOME), run)
    tables = {name: catalog.load_table(f"book.{name}") for name in iceberg.TABLES}
    before = {name: table.current_snapshot().snapshot_id for name, table in tables.items()}
    for table in tables.values():
        table.delete(f"account_id != '{SOME[0]}'")
    assert len(iceberg.margins(catalog).accounts) == 1
    assert_as_run(iceberg.margins(catalog, before), run)


@pytest.mark.parametrize("name", ["delta", "iceberg"])
def test_the_examples_run(name: str, tmp_path: Path) -> None:
    pytest.importorskip({"delta": "deltalake", "iceberg": "pyiceberg"}[name], reason=f"no package for {name}")
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *([str(tmp_path)] if name == "iceberg" else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "accounts: 300" in done.stdout and "account_id" in done.stdout
