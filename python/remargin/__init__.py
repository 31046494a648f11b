"""Portfolio margin of every account of a crypto exchange.

    import remargin

    market = remargin.Market.open("data/sample")
    result = remargin.recalculate(positions, balances, market)
    print(result.accounts.to_pyarrow())

Tables come in as any object with the Arrow PyCapsule interface (pyarrow, polars, pandas 2.2 and later, DuckDB
relations) and are not copied; columns by name (``{"account_id": [...], ...}``) and a ``LazyFrame`` of polars are
accepted too. Results are :class:`Table` objects, which all of these libraries accept. ``remargin.spark`` computes the
same on Apache Spark.
"""

from . import errors
from ._api import bucket_of, explain, partition, recalculate, recalculate_snapshot, run, simulate
from ._audit import check, reconcile, verify
from ._outputs import Outputs
from ._remargin import Market, Result, Rules, Table, __version__
from ._reports import compare, distances, stress
from ._snapshots import generate, import_okx
from .errors import FileError, InvalidInput, MemoryLimitError, RemarginError, TooManyRejects, UsageError

__all__ = [
    "FileError",
    "InvalidInput",
    "Market",
    "MemoryLimitError",
    "Outputs",
    "RemarginError",
    "Result",
    "Rules",
    "Table",
    "TooManyRejects",
    "UsageError",
    "__version__",
    "bucket_of",
    "check",
    "compare",
    "distances",
    "errors",
    "explain",
    "generate",
    "import_okx",
    "partition",
    "recalculate",
    "recalculate_snapshot",
    "reconcile",
    "run",
    "simulate",
    "stress",
    "verify",
]
