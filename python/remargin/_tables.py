"""Tables that do not speak the Arrow PyCapsule interface themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def to_arrow(table: object) -> Any:
    """A table of polars or pyarrow made of ``table``; ``None`` if it is no table.

    Taken are a ``LazyFrame`` of polars, and columns by their names: lists, numpy arrays, or whatever the library makes
    a column of.
    """
    if isinstance(table, Mapping):
        return _of_columns(dict(table))
    kind = type(table)
    # Not everything with a method `collect` is lazy: that of Spark returns a list of rows.
    if kind.__name__ == "LazyFrame" and kind.__module__.partition(".")[0] == "polars":
        return table.collect()  # type: ignore[attr-defined]
    return None


def _of_columns(columns: dict[str, Any]) -> Any:
    try:
        import pyarrow
    except ImportError:
        pass
    else:
        return pyarrow.table(columns)
    try:
        import polars
    except ImportError:
        raise ImportError("columns by name need pyarrow or polars: pip install pyarrow") from None
    return polars.DataFrame(columns)
