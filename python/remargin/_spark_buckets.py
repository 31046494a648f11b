"""Buckets on disk: those that ``remargin partition`` wrote, with the rows that they were cut from, and those that tasks
write."""

from __future__ import annotations

import json
import os
import re
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ._remargin import Market
from .errors import InvalidInput

#: The supported layout; see ``manifest.json`` of a partition.
LAYOUT = {"version": 1, "hash": "xxhash64", "seed": 42}
#: The row that is to blame for an account that is not margined.
_BLAMED = re.compile(r"(?P<table>\w+) row (?P<row>\d+): (?P<why>.*)", re.DOTALL)


def read_manifest(path: str) -> tuple[dict[str, Any], list[str]]:
    file = os.path.join(path, "manifest.json")
    try:
        with open(file, encoding="utf-8") as text:
            manifest = json.load(text)
        layout, buckets = dict(manifest["layout"]), manifest["buckets"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(
            f"`{file}` is not the manifest of a partition: {error}\n  hint:     remargin partition"
        ) from error
    unknown = {key: layout.get(key) for key, value in LAYOUT.items() if layout.get(key) != value}
    if unknown or layout.get("buckets") != len(buckets):
        raise InvalidInput(f"`{file}` has another layout: {layout}\n  expected: {LAYOUT}")

    def rows(table: str) -> list[int]:
        files = (file for bucket in buckets for file in bucket["files"])
        return [file["rows"] for file in files if file["path"] == f"{table}.parquet"]

    layout["rows"] = {"positions": rows("positions"), "balances": rows("balances"), "settings": rows("accounts")}
    return layout, [bucket["path"] for bucket in buckets]


def number_rows(rejects: pa.Table, folder: str) -> pa.Table:
    """Replaces row numbers of the bucket by row numbers of the original table, also in the row that is to blame."""
    rows = rejects["row"].to_pylist()
    tables = rejects["table"].to_pylist()
    blamed = [
        _BLAMED.fullmatch(value) if reason == "account_unmargined" else None
        for reason, value in zip(rejects["reason"].to_pylist(), rejects["value"].to_pylist(), strict=True)
    ]
    names = set(tables) | {found["table"] for found in blamed if found}
    numbers = {
        name: pq.read_table(os.path.join(folder, f"{name}.parquet"), columns=["row"])["row"] for name in names
    }

    def number(table: str, row: int) -> int:
        return int(numbers[table][row - 1].as_py())

    rows = [number(table, row) for table, row in zip(tables, rows, strict=True)]
    values = [
        f"{found['table']} row {number(found['table'], int(found['row']))}: {found['why']}" if found else value
        for found, value in zip(blamed, rejects["value"].to_pylist(), strict=True)
    ]
    for name, column in (("row", pa.array(rows, pa.int64())), ("value", pa.array(values, pa.string()))):
        place = rejects.schema.get_field_index(name)
        rejects = rejects.set_column(place, rejects.schema.field(name), column)
    return rejects


def write_manifest(out: str, seen: list[Any], given: dict[str, Any], market: Market) -> None:
    from . import __version__

    manifest = {
        "remargin": __version__,
        "layout": {**LAYOUT, "buckets": len(seen)},
        "as_of": market.as_of.isoformat(),
        "rules": {"name": given["rules"].name, "hash": given["rules"].hash},
        "by": given["by"],
        "distribution": given["distribution"],
        "limits": None if given["limits"] is None else {"blake3": given["limits"].blake3},
        "buckets": [row.asDict() for row in sorted(seen, key=lambda row: row["bucket"])],
    }
    with open(os.path.join(out, "manifest.json"), "w", encoding="utf-8") as text:
        json.dump(manifest, text, indent=2)
        text.write("\n")
