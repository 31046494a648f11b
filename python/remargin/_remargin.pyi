"""The extension module. Its public names are exported by `remargin`."""

import datetime as dt
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

__version__: str

class Table:
    """A table of results. Every Arrow library accepts it: `pyarrow.table(t)`, `polars.DataFrame(t)`."""

    @property
    def num_rows(self) -> int: ...
    @property
    def column_names(self) -> list[str]: ...
    def to_pyarrow(self) -> pyarrow.Table: ...
    def to_polars(self) -> polars.DataFrame: ...
    def to_pandas(self) -> pandas.DataFrame: ...
    def __len__(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...

class Market:
    """Prices and contracts at one time, checked once and used for any number of books. Can be pickled."""

    def __init__(self, as_of: dt.datetime | str, instruments: Any, marks: Any, indices: Any) -> None: ...
    @classmethod
    def open(cls, snapshot: str | os.PathLike[str]) -> Market: ...
    @property
    def as_of(self) -> dt.datetime: ...
    @property
    def as_of_ns(self) -> int: ...
    @property
    def instruments(self) -> Table: ...
    @property
    def marks(self) -> Table: ...
    @property
    def indices(self) -> Table: ...

class Rules:
    """The parameters of the model: the built-in set, a rules file, single settings. Can be pickled and compared."""

    def __init__(self, file: str | os.PathLike[str] | None = None, *, set: dict[str, Any] | None = None) -> None: ...
    @classmethod
    def from_toml(cls, text: str, *, set: dict[str, Any] | None = None) -> Rules: ...
    @property
    def name(self) -> str: ...
    @property
    def hash(self) -> str: ...
    @property
    def values(self) -> dict[str, str]: ...
    def to_toml(self) -> str: ...

class Result:
    """The tables of a recalculation, with the columns of a run's files, and its summary."""

    @property
    def accounts(self) -> Table: ...
    @property
    def risk_units(self) -> Table: ...
    @property
    def at_risk(self) -> Table: ...
    @property
    def rejects(self) -> Table: ...
    @property
    def summary(self) -> dict[str, Any]: ...

def recalculate(
    positions: Any,
    balances: Any,
    market: Market,
    rules: Rules | None = None,
    accounts: Any = None,
    scenarios: Any = None,
    *,
    orders: Any = None,
    allow_rules_date: bool = False,
    threads: int | None = None,
    progress: Callable[[str, int, int, str], object] | None = None,
) -> Result: ...
def recalculate_snapshot(
    snapshot: str,
    rules: Rules | None = None,
    scenarios: Any = None,
    *,
    allow_rules_date: bool = False,
    threads: int | None = None,
    progress: Callable[[str, int, int, str], object] | None = None,
) -> Result: ...
def run(
    snapshot: str,
    out: str,
    *,
    rules: Rules | None = None,
    shocks: str | None = None,
    distance: str = "none",
    format: str = "parquet",
    force: bool = False,
    max_rejects: str = "0",
    memory_limit: str | None = None,
    allow_rules_date: bool = False,
    report: bool = True,
    threads: int | None = None,
    progress: Callable[[str, int, int, str], object] | None = None,
) -> dict[str, Any]: ...
def simulate(
    snapshot: str,
    lines: str,
    *,
    rules: Rules | None = None,
    allow_rules_date: bool = False,
    threads: int | None = None,
    progress: Callable[[str, int, int, str], object] | None = None,
) -> str: ...
def partition(
    snapshot: str,
    out: str,
    buckets: int,
    *,
    force: bool = False,
    threads: int | None = None,
    progress: Callable[[str, int, int, str], object] | None = None,
) -> dict[str, Any]: ...
def bucket_of(account_id: str, buckets: int) -> int: ...
def explain(
    snapshot: str,
    account: str,
    *,
    rules: Rules | None = None,
    format: str = "json",
    allow_rules_date: bool = False,
    threads: int | None = None,
    progress: Callable[[str, int, int, str], object] | None = None,
) -> Any: ...
