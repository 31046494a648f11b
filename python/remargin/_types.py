"""Types of arguments that several functions have."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, Union

if TYPE_CHECKING:
    import polars


class ArrowTable(Protocol):
    """Any table with the Arrow PyCapsule interface: from pyarrow, polars, pandas 2.2 and later, DuckDB."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


#: What is accepted as a table: an Arrow table, columns by their names (``{"account_id": [...], "ccy": [...]}``, as
#: lists, numpy arrays or whatever pyarrow or polars make a column of), or a ``LazyFrame`` of polars, which is collected.
TableLike: TypeAlias = Union[ArrowTable, Mapping[str, Any], "polars.LazyFrame"]

#: Called as ``progress(stage, done, total, unit)`` from the calling thread, every 40 ms;
#: ``total`` is 0 if unknown. An exception in it ends the work and is raised.
Progress: TypeAlias = Callable[[str, int, int, str], object]

Path: TypeAlias = Union[str, os.PathLike[str]]

#: How tables are written.
Format: TypeAlias = Literal["parquet", "arrow", "csv"]


def groupings(by: str | Sequence[str | Sequence[str]]) -> list[str]:
    """Groupings for the extension module: each is a text, or a sequence of the names of columns."""
    if isinstance(by, str):
        return [by]
    return [one if isinstance(one, str) else ",".join(_in_quotes(name) for name in one) for one in by]


def _in_quotes(name: str) -> str:
    """A column as it stands in a grouping: in double quotes if there is a comma in its name."""
    return '"' + name.replace('"', '""') + '"' if "," in name or name.startswith('"') else name


def optional(path: Path | None) -> str | None:
    """A path for the extension module."""
    return None if path is None else os.fspath(path)
