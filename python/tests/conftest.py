"""Snapshots that the command generated, and what it made of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import remargin

ROOT = Path(__file__).resolve().parents[2]
TABLES = ("positions", "balances", "accounts")


def command() -> str:
    """The command that results are compared with."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    found = os.environ.get("REMARGIN_COMMAND", str(target / "debug" / "remargin"))
    if not Path(found).is_file():
        pytest.exit(f"`{found}` is not there: cargo build, or set REMARGIN_COMMAND", returncode=3)
    return found


def cli(*args: str | Path, code: int = 0) -> str:
    done = subprocess.run([command(), *map(str, args)], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stderr


class Snapshot:
    """A folder, its tables of accounts, and the folder of its run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.market = remargin.Market.open(path)
        self.positions, self.balances, self.accounts = (pq.read_table(path / f"{name}.parquet") for name in TABLES)

    def run(self, *flags: str | Path) -> Path:
        out = self.path.parent / f"out{len(list(self.path.parent.iterdir()))}"
        cli("run", self.path, "--out", out, "--quiet", *flags)
        return out


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    path = tmp_path_factory.mktemp("book") / "snapshot"
    cli("generate", "--accounts", "300", "--positions-per-account", "12", "--seed", "9", "--out", path, "--quiet")
    return Snapshot(path)


@pytest.fixture(scope="session")
def out(snapshot: Snapshot) -> Path:
    return snapshot.run()


def with_broken_rows(snapshot: Snapshot, folder: Path) -> pa.Table:
    """Copies a snapshot to ``folder`` with three broken positions, which are returned with all others."""
    rows = snapshot.positions.to_pylist()
    rows[5]["inst_id"], rows[90]["qty"], rows[200]["account_id"] = "NO-SUCH-SWAP", None, None
    fields = [field.with_nullable(True) for field in snapshot.positions.schema]
    positions = pa.Table.from_pylist(rows, schema=pa.schema(fields))
    folder.mkdir()
    for file in snapshot.path.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    pq.write_table(positions, folder / "positions.parquet")
    (folder / "checksums").unlink()  # They would give the change away.
    return positions


def assert_same(found: object, file: Path) -> None:
    """The same columns, types, rows and bits."""
    table, expected = pa.table(found), pq.read_table(file)
    assert table.schema.equals(expected.schema)
    assert table.num_rows == expected.num_rows
    for name in expected.column_names:
        ours, theirs = table[name].combine_chunks(), expected[name].combine_chunks()
        assert ours.equals(theirs), f"{file.name}: {name}"
        if pa.types.is_float64(expected.schema.field(name).type):
            # Equal as numbers would let a negative zero pass.
            bits = [column.fill_null(0.0).view(pa.int64()) for column in (ours, theirs)]
            assert bits[0].equals(bits[1]), f"{file.name}: bits of {name}"


def assert_as_run(result: remargin.Result, out: Path) -> None:
    for name in ("accounts", "risk_units", "at_risk", "rejects"):
        assert_same(getattr(result, name), out / f"{name}.parquet")
