"""A finished folder: what a run, a stress or a comparison has written."""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from . import _html, _remargin, _warehouse
from ._remargin import Table
from ._types import Path
from .errors import InvalidInput


class Outputs(Mapping[str, Table]):
    """The folder of a finished run, stress, simulation or comparison: its tables by their names, and its summary.

    >>> out = remargin.Outputs("out")
    >>> out["accounts"].to_polars()
    >>> out.summary["accounts"]["by_status"]

    A table is read when it is asked for, each time anew. Tables in CSV are not read: CSV does not say the types of its
    columns.

    Raises ``InvalidInput`` if the folder is not finished: then it has no ``manifest.json``.
    """

    def __init__(self, path: Path) -> None:
        #: The folder.
        self.path = pathlib.Path(os.fspath(path))
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        #: The content of ``manifest.json``: inputs, rules, request, outputs with their hashes.
        self.manifest: dict[str, Any] = self._json("manifest.json")

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The content of ``summary.json``."""
        return self._json("summary.json")

    @cached_property
    def rows(self) -> dict[str, int]:
        """The number of rows of each table."""
        files = self.manifest["outputs"]
        return {file["path"].partition(".")[0]: file["rows"] for file in files if file["rows"] is not None}

    @property
    def is_temporary(self) -> bool:
        """Whether the folder is removed together with this object."""
        return self._temporary is not None

    def is_typed(self, name: str) -> bool:
        """Whether a table is there in a format that says the types of its columns: all but CSV."""
        return any((self.path / f"{name}.{end}").is_file() for end in ("parquet", "arrow"))

    def _json(self, name: str) -> dict[str, Any]:
        file = self.path / name
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            error = InvalidInput(f"`{self.path}` is not a finished folder: it has no `{name}`")
            error.problem, error.file = f"no `{name}`", str(self.path)
            raise error from None
        content: dict[str, Any] = json.loads(text)
        return content

    def __getitem__(self, name: str) -> Table:
        if name not in self.rows:
            raise KeyError(f"`{self.path}` has no table `{name}`, but {', '.join(self.rows)}")
        return _remargin.read_table(os.fspath(self.path), name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_duckdb(self, database: Any = ":memory:", *, schema: str | None = None) -> Any:
        """Loads every table into DuckDB, bit by bit, and returns the connection.

        ``database`` is a connection, or the path of a database, which is made if it is missing. The tables have their
        own names, in the schema ``schema`` if one is given, which is made too; a table of that name is replaced. Tables
        in CSV are left out: CSV does not say the types of its columns.

        >>> connection = remargin.Outputs("out").to_duckdb()
        >>> connection.sql("SELECT status, count(*), sum(mmr) FROM accounts GROUP BY status")

        Needs ``duckdb`` and ``pyarrow``.
        """
        tables = ((name, self[name]) for name in self if self.is_typed(name))
        return _warehouse.to_duckdb(tables, database, schema)

    def __repr__(self) -> str:
        where = "a temporary folder" if self.is_temporary else str(self.path)
        return f"remargin.Outputs({where}; {', '.join(f'{name}: {rows}' for name, rows in self.rows.items())})"

    def _repr_html_(self) -> str:
        return _html.outputs(self)


class Folder:
    """Where a function writes: the folder that was given, or a temporary one that lives as long as its outputs."""

    def __init__(self, given: Path | None) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="remargin-") if given is None else None
        self.path = os.fspath(given) if given is not None else os.path.join(self._temporary.name, "out")  # type: ignore[union-attr]

    def outputs(self) -> Outputs:
        """What was written."""
        outputs = Outputs(self.path)
        outputs._temporary = self._temporary
        return outputs
