"""Portfolio margin of every account of a crypto exchange.

    import remargin

    market = remargin.Market.open("data/sample")
    result = remargin.recalculate(positions, balances, market)
    print(result.accounts.to_pyarrow())

Tables come in as any object with the Arrow PyCapsule interface (pyarrow, polars, pandas 2.2 and later, DuckDB
relations) and are not copied. Results are :class:`Table` objects, which all of these accept. ``remargin.spark``
computes the same on Apache Spark.
"""

from . import errors
from ._api import bucket_of, explain, partition, recalculate, recalculate_snapshot, run, simulate
from ._remargin import Market, Result, Rules, Table, __version__
from .errors import FileError, InvalidInput, MemoryLimitError, RemarginError, TooManyRejects, UsageError

__all__ = [
    "FileError",
    "InvalidInput",
    "Market",
    "MemoryLimitError",
    "RemarginError",
    "Result",
    "Rules",
    "Table",
    "TooManyRejects",
    "UsageError",
    "__version__",
    "bucket_of",
    "errors",
    "explain",
    "partition",
    "recalculate",
    "recalculate_snapshot",
    "run",
    "simulate",
]
