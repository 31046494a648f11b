"""The extension module. Its public names are exported by `remargin`."""

import datetime as dt
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, overload

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
    def to_pylist(self, limit: int | None = None) -> list[dict[str, Any]]:
        """The rows as dictionaries, the first `limit` of them. Needs no other library."""

    def _repr_html_(self) -> str: ...
    def __len__(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...

class Market:
    """Prices and contracts at one time, checked once and used for any number of books. Can be pickled.

    `mark_check` says how far prices may contradict each other: a share such as `50%`, or `off`.
    """

    def __init__(
        self, as_of: dt.datetime | str, instruments: Any, marks: Any, indices: Any, *, mark_check: str = "50%"
    ) -> None: ...
    @classmethod
    def open(cls, snapshot: str | os.PathLike[str], *, mark_check: str = "50%") -> Market: ...
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
    """The parameters of the model: the built-in set, a rules file, single settings. Can be pickled and compared.

    `file` is a rules file or the name of a built-in set. Every value has an origin: `built-in NAME`, `file PATH`,
    `text`, or `--set` for one that was set here.
    """

    def __init__(self, file: str | os.PathLike[str] | None = None, *, set: dict[str, Any] | None = None) -> None: ...
    @classmethod
    def from_toml(cls, text: str, *, set: dict[str, Any] | None = None) -> Rules: ...
    @classmethod
    def of_snapshot(cls, snapshot: str | os.PathLike[str]) -> Rules:
        """The rules that `snapshot.toml` names, else the built-in set: what every function on a snapshot takes."""

    @classmethod
    def extends(cls, base: str, values: dict[str, Any], *, name: str | None = None) -> Rules:
        """A set of its own over the built-in set `base`, as a rules file with `extends = "BASE"` is.

        Keys are dotted (`"mr4.floor.major"`) or nested (`{"mr4": {"floor": {"major": 0.012}}}`). Without a `name` it is
        called `BASE+overlay`.
        """

    def set(self, values: dict[str, Any]) -> Rules:
        """These rules with other values, as `--set` gives them: a new object with the same name.

        All other values keep their origin and their mark.
        """

    @overload
    def show(self, format: Literal["text"] = "text") -> str:
        """Every value with its mark and its origin, as `remargin rules show` prints it."""

    @overload
    def show(self, format: Literal["json"]) -> dict[str, Any]: ...
    @property
    def name(self) -> str: ...
    @property
    def hash(self) -> str: ...
    @property
    def values(self) -> dict[str, str]:
        """Every value as TOML, by its dotted key."""

    @property
    def origins(self) -> dict[str, str]:
        """Where each value comes from, by its dotted key."""

    def to_toml(self) -> str: ...
    def _repr_html_(self) -> str: ...

class Result:
    """The tables of a recalculation, with the columns of a run's files, and its summary."""

    @property
    def accounts(self) -> Table:
        """One row is: account x scenario.

        account_id: The account.
        scenario: The price scenario; `base` is the market as it is.
        adj_eq: Equity after collateral discounts. (USD)
        total_eq: Equity before discounts. (USD)
        upl: Unrealised profit and loss of swaps and futures. (USD)
        mmr: Maintenance margin requirement, `deriv_mmr + borrow_mmr`. (USD)
        imr: Initial margin requirement, with what pending orders and borrowing add. (USD)
        deriv_mmr: Maintenance margin of the derivatives: the sum over the risk units. (USD)
        borrow_mmr: Maintenance margin of borrowed coins (MR8). (USD)
        borrow_imr: Initial margin of borrowed coins (MR8). (USD)
        liquidation_fee: Fee that a liquidation would cost. (USD)
        margin_ratio: `adj_eq / (mmr + liquidation_fee)`; null where that sum is below 1e-6 USD. (ratio)
        status: Where the account stands: `liquidation`, `near_liquidation`, `warning`, `healthy`, or `no_risk` without
            a ratio.
        im_deficit: `adj_eq` is below `imr`.
        ineligible: `total_eq` is below the least that the rules ask of an account in this mode.
        mmr_no_hedge: `mmr` as it would be with spot hedging off. (USD)
        imr_no_hedge: `imr` as it would be with spot hedging off. (USD)
        order_imr: What pending orders add to `imr`. (USD)
        """

    @property
    def risk_units(self) -> Table:
        """One row is: account x scenario x risk unit.

        account_id: The account.
        scenario: The price scenario; `base` is the market as it is.
        risk_unit: The risk unit: an underlying such as `BTC-USDT`, merged a base currency such as `BTC`.
        mr1: Loss in the worst of the price and volatility scenarios (MR1). (USD)
        mr1_price: The relative price move of the scenario that gave `mr1`. (ratio)
        mr1_vol: The volatility state of that scenario: `up`, `same` or `down`.
        mr2: Loss of option value with time (MR2). (USD)
        mr3: Charge on the term structure of volatility (MR3). (USD)
        mr4: Charge on the basis between expiries (MR4). (USD)
        mr5: Charge on a shift of the interest rate (MR5). (USD)
        mr6: Charge on an extreme price move (MR6). (USD)
        mr6_price: The relative price move that gave `mr6`. (ratio)
        mr7: Minimum charge (MR7). (USD)
        mr9: Charge on hedges in another stablecoin (MR9); only where risk units are merged. (USD)
        mmr: Maintenance margin, `max(max(mr1, mr2, mr6) + mr3 + mr4 + mr5 + mr9, mr7)`. (USD)
        imr: Initial margin, with what pending orders add. (USD)
        cash_delta: Sum of the positions' exposures to the underlying, signed: positive is long. Spot in use is not
            included. (USD)
        gamma: Change of the options' coin delta for +1 % of the index, valued in USD. (USD)
        vega: Change of value for +1 volatility point. (USD)
        theta: Change of value in the days that `mr2` lets pass, signed. (USD)
        spot_in_use: Spot that hedges the derivatives of the risk unit, signed. (coin)
        upl: Unrealised profit and loss of swaps and futures. (USD)
        order_imr: What pending orders add to `imr`. (USD)
        """

    @property
    def at_risk(self) -> Table:
        """One row is: account in `liquidation` or `near_liquidation`, or with `im_deficit`, x scenario, worst first.

        account_id: The account.
        scenario: The price scenario; `base` is the market as it is.
        status: Where the account stands: `liquidation`, `near_liquidation`, `warning`, `healthy`, or `no_risk` without
            a ratio.
        margin_ratio: `adj_eq / (mmr + liquidation_fee)`; null where that sum is below 1e-6 USD. (ratio)
        adj_eq: Equity after collateral discounts. (USD)
        mmr: Maintenance margin requirement, `deriv_mmr + borrow_mmr`. (USD)
        imr: Initial margin requirement, with what pending orders and borrowing add. (USD)
        liquidation_fee: Fee that a liquidation would cost. (USD)
        shortfall_mmr: Equity short of MMR and liquidation fee, `max(0, mmr + liquidation_fee - adj_eq)`. (USD)
        shortfall_imr: Equity short of IMR, `max(0, imr - adj_eq)`. (USD)
        im_deficit: `adj_eq` is below `imr`.
        worst_unit: The risk unit with the largest MMR; null without units.
        worst_unit_mmr: Its MMR. (USD)
        binding: The largest of MR1, MR2 and MR6, the first of equals, even where all three are zero; `mr7` where the
            minimum charge is at least as large as all others together; null where the unit has no margin.
        all_coins_down_move: The nearest fall of all coins together at which the account enters liquidation, or leaves
            it if it is in liquidation now: -0.2 is 20 % down; null if not searched or not found. (ratio)
        all_coins_down_reach: What that search found: `crossed`, `jump` or `none`; null if not searched.
        all_coins_up_move: The nearest rise of all coins together at which the account enters liquidation, or leaves it
            if it is in liquidation now: 0.2 is 20 % up; null if not searched or not found. (ratio)
        all_coins_up_reach: What that search found: `crossed`, `jump` or `none`; null if not searched.
        """

    @property
    def rejects(self) -> Table:
        """One row is: input row that was set aside.

        table: The input table.
        row: The number of the row in that table, from 1, without the header, over all its parts.
        account_id: The account of the row; null if it has none.
        reason: The reason.
        column: The column at fault.
        value: What stood in it; the fault of an instrument after its name; of `account_unmargined` the row to blame.
        expected: What was expected there.
        """

    @property
    def groups(self) -> Table | None:
        """One row is: grouping x group x scenario. `None` if no groups were asked for.

        The columns are those of the table `groups` of a run, see docs/reference/outputs.md.
        """

    @property
    def group_units(self) -> Table | None:
        """One row is: grouping x group x scenario x risk unit. `None` if no groups were asked for."""

    @property
    def account_groups(self) -> Table | None:
        """One row is: account x grouping. `None` if no groups were asked for.

        account_id: The account.
        by: The grouping: the attributes by which accounts are put together, with commas between them.
        group: The group of the account.
        """

    @property
    def summary(self) -> dict[str, Any]: ...
    def to_duckdb(self, database: Any = None, *, schema: str | None = None) -> Any:
        """Loads every table into DuckDB, bit by bit, and returns the connection.

        `database` is a connection, or the path of a database, which is made if it is missing; without it the tables are
        in memory. The tables have the names and the types that `Outputs.to_duckdb` gives them, in the schema `schema` if
        one is given, which is made too; a table of that name is replaced. Needs `duckdb` and `pyarrow`.
        """

    def _repr_html_(self) -> str: ...
    @property
    def _group_terms(self) -> Table | None: ...
    @property
    def _worst(self) -> Table | None: ...
    @property
    def _accounts_distribution(self) -> Table | None: ...
    @property
    def _scenarios(self) -> list[str]: ...
    @property
    def _weights(self) -> list[tuple[float, float | None]]: ...
    @property
    def _units(self) -> list[str]: ...

class PartLimits:
    """Limits for a book in parts. Can be pickled."""

    def __init__(self, file: str, is_stress: bool) -> None: ...
    @property
    def by(self) -> list[str]: ...
    @property
    def each(self) -> list[tuple[str, str, str]]: ...
    @property
    def blake3(self) -> str: ...
    @property
    def need_all_accounts(self) -> bool: ...
    def of_accounts(self, tables: dict[str, Any]) -> tuple[Table, list[tuple[int, int, int]]]: ...

class Summing:
    """What is to be said of all accounts of a book in parts, summed up account by account in order of their ids."""

    def __init__(
        self,
        by: list[str],
        scenarios: list[str],
        units: list[str],
        *,
        distribution: str = "none",
        weights: list[tuple[float, float | None]] = ...,
        limits: PartLimits | None = None,
    ) -> None: ...
    def add(self, terms: Any) -> None: ...
    def finish(self) -> tuple[list[tuple[str, Table]], list[tuple[int, int, int]]]: ...

def attributes(by: list[str]) -> list[str]: ...
def recalculate(
    positions: Any,
    balances: Any,
    market: Market,
    rules: Rules | None = None,
    accounts: Any = None,
    scenarios: Any = None,
    *,
    orders: Any = None,
    by: list[str] = ...,
    group_terms: bool = False,
    distribution: str = "none",
    allow_rules_date: bool = False,
    threads: int | None = None,
    progress: Callable[[str, int, int, str], object] | None = None,
) -> Result: ...
def recalculate_snapshot(
    snapshot: str,
    rules: Rules | None = None,
    scenarios: Any = None,
    *,
    by: list[str] = ...,
    group_terms: bool = False,
    distribution: str = "none",
    allow_rules_date: bool = False,
    mark_check: str = "50%",
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
    by: list[str] = ...,
    net_by: str | None = None,
    limits: str | None = None,
    previous: str | None = None,
    history: str | None = None,
    label: str | None = None,
    format: str = "parquet",
    force: bool = False,
    max_rejects: str = "0",
    memory_limit: str | None = None,
    allow_rules_date: bool = False,
    mark_check: str = "50%",
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
    by: list[str] = ...,
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
def stress(
    snapshot: str,
    out: str,
    *,
    rules: Rules | None = None,
    scenarios: Any = None,
    shocks: str | None = None,
    detail: str = "at-risk",
    distribution: str = "book",
    fund_usd: float | None = None,
    distance: str = "at-risk",
    by: list[str] = ...,
    limits: str | None = None,
    label: str | None = None,
    format: str = "parquet",
    force: bool = False,
    max_rejects: str = "0",
    memory_limit: str | None = None,
    allow_rules_date: bool = False,
    mark_check: str = "50%",
    report: bool = True,
    threads: int | None = None,
    progress: Callable[[str, int, int, str], object] | None = None,
) -> int | None: ...
def compare_rules(
    snapshot: str,
    out: str,
    a: Rules,
    b: Rules,
    *,
    spot_offset_a: str | None = None,
    spot_offset_b: str | None = None,
    format: str = "parquet",
    force: bool = False,
    max_rejects: str = "0",
    memory_limit: str | None = None,
    allow_rules_date: bool = False,
    mark_check: str = "50%",
    threads: int | None = None,
    progress: Callable[[str, int, int, str], object] | None = None,
) -> int | None: ...
def compare_runs(
    a: str,
    b: str,
    out: str,
    *,
    snapshot_a: str | None = None,
    snapshot_b: str | None = None,
    plain: bool = False,
    format: str = "parquet",
    force: bool = False,
    memory_limit: str | None = None,
    threads: int | None = None,
    progress: Callable[[str, int, int, str], object] | None = None,
) -> None: ...
def distances(
    snapshot: str,
    accounts: str | list[str],
    *,
    rules: Rules | None = None,
    max_rejects: str = "0",
    allow_rules_date: bool = False,
    mark_check: str = "50%",
    threads: int | None = None,
    progress: Callable[[str, int, int, str], object] | None = None,
) -> Table: ...
def read_table(folder: str, name: str) -> Table: ...
def check(
    snapshot: str,
    *,
    rules: Rules | None = None,
    memory_limit: str | None = None,
    allow_rules_date: bool = False,
    mark_check: str = "50%",
    threads: int | None = None,
    progress: Callable[[str, int, int, str], object] | None = None,
) -> dict[str, Any]: ...
def verify(
    run: str,
    *,
    snapshot: str | None = None,
    sample: int | None = None,
    all: bool = False,
    seed: int = 0,
    temp_dir: str | None = None,
    memory_limit: str | None = None,
    threads: int | None = None,
    progress: Callable[[str, int, int, str], object] | None = None,
) -> dict[str, Any]: ...
def reconcile(
    run: str,
    against: str,
    *,
    account: str | None = None,
    tolerance: float = 1e-9,
    abs_tolerance: float = 1e-9,
    threads: int | None = None,
    progress: Callable[[str, int, int, str], object] | None = None,
) -> dict[str, Any]: ...
def generate(
    out: str,
    accounts: int,
    seed: int,
    *,
    positions_per_account: float = 10.0,
    format: str = "parquet",
    force: bool = False,
    threads: int | None = None,
    progress: Callable[[str, int, int, str], object] | None = None,
) -> dict[str, int]: ...
def import_okx(
    folder: str,
    out: str,
    *,
    format: str = "csv",
    as_of: str | None = None,
    interpolate_vol: bool = False,
    force: bool = False,
    memory_limit: str | None = None,
    threads: int | None = None,
    progress: Callable[[str, int, int, str], object] | None = None,
) -> dict[str, Any]: ...
