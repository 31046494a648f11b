"""The same margins on Apache Spark, for books that are too large for one machine.

There are two ways. Both give the same rows as one machine, bit for bit:

:func:`recalculate_buckets`
    on a snapshot that ``remargin partition`` partitioned into buckets of whole accounts. The tasks read them in Rust.
    Recommended: no shuffle, and no rows pass through the JVM.

:func:`recalculate`
    on any DataFrames. Their rows are shuffled by the bucket of their account.

A margin that misses a position would be wrong without notice. So both ways check that accounts are complete: every task
checks that each of its accounts belongs to its bucket, and results are returned only after every bucket was seen once
and every input row was counted in one bucket.

Both take ``by``, ``limits`` and ``distribution`` and give the tables of groups, the breaches of limits and what a
stress says over its scenarios, with the bits of the command however the book is cut: sums are made of the margins of single
accounts, in order of account id, in one task.

Market and rules are broadcast. Spark repeats a failed task. It gives the same rows again, because it depends only on
its bucket, the market and the rules.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from . import _api, _remargin, _tables
from ._remargin import Market, Result, Rules
from ._spark_buckets import number_rows, read_manifest, write_manifest
from ._spark_groups import (
    BREACHES,
    COUNTS,
    OF_ALL,
    OWN,
    TERMS,
    as_stream,
    attributes,
    columns_of_own,
    decode,
    limits_of,
    more_tables,
    needs_sums,
    of_bucket,
    sql_name,
    sum_up,
    summing,
    write_whole,
)
from ._types import TableLike, groupings
from .errors import RemarginError, UsageError

if TYPE_CHECKING:
    from pyspark import Broadcast
    from pyspark.sql import DataFrame, SparkSession

#: Tables of a result.
TABLES = ("accounts", "risk_units", "at_risk", "rejects")
#: Tables that it has if they were asked for: of groups, of a stress, of limits.
MORE_TABLES = (
    "groups",
    "group_units",
    "account_groups",
    "worst",
    "accounts_distribution",
    "scenarios",
    "distribution",
    "tail",
    "breaches",
)
#: Whose figures are summed up over the scenarios.
Distribution = Literal["accounts", "book", "none"]

_POSITIONS = ("inst_id", "qty", "avg_px")
_BALANCES = ("ccy", "cash", "interest", "spot_in_use_cap", "col_res")
_BUCKETS = "bucket int, accounts long, unmargined long, positions long, balances long, settings long"
#: Result rows of a task: the counts of its bucket, and the tables of the bucket as Arrow streams.
_PARTS = f"{_BUCKETS}, name string, body binary"


@dataclass
class SparkResult:
    """The tables of a recalculation as DataFrames, in no particular order of rows, and the counts of each bucket."""

    accounts: DataFrame
    risk_units: DataFrame
    at_risk: DataFrame
    rejects: DataFrame
    #: ``bucket, accounts, unmargined, positions, balances, settings``: the counts of each bucket.
    buckets: DataFrame
    #: The tables of groups, as those of ``remargin run --by``; ``None`` if no groups were asked for.
    groups: DataFrame | None = None
    group_units: DataFrame | None = None
    account_groups: DataFrame | None = None
    #: What a stress says of each account: its worst scenario and the probability of liquidation, as ``worst``, and how
    #: its figures are distributed over the scenarios; of the book in each scenario, over all of them, and its tail.
    worst: DataFrame | None = None
    accounts_distribution: DataFrame | None = None
    scenarios: DataFrame | None = None
    distribution: DataFrame | None = None
    tail: DataFrame | None = None
    #: Every figure beyond a limit, as in ``breaches``; ``None`` without limits.
    breaches: DataFrame | None = None
    #: Of each limit ``name, severity, rule, checked, breaches, without_figure``; ``None`` without limits.
    limits: list[dict[str, Any]] | None = None
    _parts: tuple[DataFrame, ...] = ()

    def write(self, path: str, mode: str = "errorifexists") -> None:
        """Writes the tables as Parquet datasets below ``path``, partitioned by scenario."""
        for name in (*TABLES, *MORE_TABLES):
            frame = getattr(self, name)
            if frame is None:
                continue
            writer = frame.write.mode(mode)
            if name in ("accounts", "risk_units", "at_risk", "groups", "group_units"):
                writer = writer.partitionBy("scenario")
            writer.parquet(f"{path.rstrip('/')}/{name}")

    def unpersist(self) -> None:
        """Frees the storage of the results on the workers."""
        for parts in self._parts:
            parts.unpersist()


def recalculate(
    spark: SparkSession,
    positions: DataFrame,
    balances: DataFrame,
    market: Market,
    rules: Rules | None = None,
    accounts: DataFrame | None = None,
    scenarios: TableLike | str | list[str] | None = None,
    *,
    by: str | Sequence[str | Sequence[str]] = (),
    distribution: Distribution = "none",
    limits: str | os.PathLike[str] | None = None,
    buckets: int | None = None,
    allow_rules_date: bool = False,
) -> SparkResult:
    """Margins every account of DataFrames with the columns of a snapshot, see :func:`remargin.recalculate`.

    Rows are shuffled by the bucket of their account, ``pmod(xxhash64(account_id), buckets)``; each bucket is one call
    of the library on one core. ``buckets`` is four per core of the cluster if not given. In ``rejects``, the column
    ``row`` counts inside a bucket, because rows of a DataFrame have no number.

    ``by`` puts accounts together by columns of ``accounts``, see :func:`remargin.recalculate`.

    ``distribution`` says whose figures are summed up over the scenarios, with their weights, as ``remargin stress
    --distribution`` does: of the ``"book"`` or also of all ``"accounts"``. Sums over accounts are then those of a
    stress, whose partial sums end elsewhere than those of a run. ``limits`` is a file of limits, for a run or, with
    ``distribution``, for a stress; accounts are also put together by what its rules name.

    Raises ``RemarginError`` if an account is not complete, ``InvalidInput`` if a column of ``by`` is not there or the
    file of limits is wrong, ``UsageError`` for a limit on a figure that there is not.
    """
    from pyspark.sql import functions as F

    buckets = buckets or 4 * spark.sparkContext.defaultParallelism
    shared = _share(spark, rules, scenarios, allow_rules_date, market, by=by, distribution=distribution, limits=limits)
    own_columns = columns_of_own(accounts, shared.value["by"])

    def keyed(frame: DataFrame, names: Iterable[str], prefix: str = "") -> DataFrame:
        text = F.col("account_id").cast("string").alias("account_id")
        bucket = F.pmod(F.xxhash64(F.coalesce(text, F.lit(""))), F.lit(buckets)).cast("int").alias("_bucket")
        there = [name for name in names if name in frame.columns]
        return frame.select(bucket, text, *[F.col(sql_name(name)).alias(prefix + name) for name in there])

    left = keyed(positions, _POSITIONS)
    right = keyed(balances, _BALANCES).withColumn("_settings", F.lit(False))
    settings = None
    if accounts is not None:
        # Columns of settings have names of their own: an attribute may be called like a column of balances.
        settings = keyed(accounts, own_columns, OWN).withColumn("_settings", F.lit(True))
        right = right.unionByName(settings, allowMissingColumns=True)
    has_settings = settings is not None

    def margin(key: tuple[Any, ...], held: pa.Table, cash: pa.Table) -> pa.Table:
        bucket = key[0].as_py()
        given = shared.value
        is_settings = cash["_settings"]
        own = None
        if has_settings:
            own = cash.filter(is_settings).select(["account_id", *[OWN + name for name in own_columns]])
            own = own.rename_columns(["account_id", *own_columns])
        cash = cash.filter(pc.invert(is_settings))
        cash = cash.select([name for name in ("account_id", *_BALANCES) if name in cash.column_names])
        result = _remargin.recalculate(
            held,
            cash,
            given["market"],
            given["rules"],
            own,
            given["scenarios"],
            by=given["by"],
            group_terms=needs_sums(given),
            distribution=given["distribution"],
            allow_rules_date=given["allow_rules_date"],
            threads=1,
        )
        counts = {"positions": held.num_rows, "balances": cash.num_rows, "settings": own.num_rows if own else 0}
        _check_bucket(result, bucket, buckets)
        return pa.Table.from_batches(_parts_of(result, bucket, counts, _without_market(result), given))

    cogrouped = left.groupBy("_bucket").cogroup(right.groupBy("_bucket"))
    parts = cogrouped.applyInArrow(margin, schema=_PARTS)
    whole = {"positions": positions.count(), "balances": balances.count()}
    whole["settings"] = accounts.count() if accounts is not None else 0
    return _finish(spark, parts, whole, None, shared.value, market)


def recalculate_buckets(
    spark: SparkSession,
    path: str | os.PathLike[str],
    rules: Rules | None = None,
    scenarios: TableLike | str | list[str] | None = None,
    *,
    by: str | Sequence[str | Sequence[str]] = (),
    distribution: Distribution = "none",
    limits: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    allow_rules_date: bool = False,
    mark_check: str = "50%",
) -> SparkResult:
    """Margins the buckets that ``remargin partition`` wrote to the folder ``path``, a folder shared by all workers.

    With ``out``, another shared folder, each task writes its tables to ``out/TABLE/bucket-NNNNN.parquet``, each file
    complete or not at all, and the DataFrames read them; ``out/manifest.json`` is written last. Without ``out`` the
    rows are returned through Spark.

    ``by`` puts accounts together by columns of the table ``accounts``, see :func:`remargin.recalculate`. The buckets
    must have these columns: ``remargin partition --by``. So must they for groups that ``limits`` names.
    ``distribution`` and ``limits`` are those of :func:`recalculate`.

    ``mark_check`` is that of :func:`remargin.recalculate_snapshot`.

    Raises ``InvalidInput`` if ``path`` is not a partition, ``UsageError`` if ``out`` exists.
    """
    path = os.path.abspath(os.fspath(path))
    layout, folders = read_manifest(path)
    shared = _share(spark, rules, scenarios, allow_rules_date, None, mark_check, by, distribution, limits)
    target = None if out is None else os.path.abspath(os.fspath(out))
    if target is not None:
        if os.path.exists(target):
            raise UsageError(f"`{target}` exists already")
        for name in (*TABLES, *more_tables(shared.value)):
            os.makedirs(os.path.join(target, name))

    def margin(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for bucket in batch.column(0).to_pylist():
                yield from _margin_bucket(
                    os.path.join(path, folders[bucket]), bucket, layout["buckets"], shared, target
                )

    numbers = spark.range(0, len(folders), 1, len(folders)).selectExpr("cast(id as int) as bucket")
    parts = numbers.mapInArrow(margin, _PARTS)
    whole = {name: sum(layout["rows"][name]) for name in ("positions", "balances", "settings")}
    market = Market.open(os.path.join(path, folders[0]), mark_check=mark_check)
    return _finish(spark, parts, whole, target, shared.value, market)


def _margin_bucket(
    folder: str, bucket: int, buckets: int, shared: Broadcast[dict[str, Any]], out: str | None
) -> Iterator[pa.RecordBatch]:
    given = shared.value
    result = _remargin.recalculate_snapshot(
        folder,
        given["rules"],
        given["scenarios"],
        by=given["by"],
        group_terms=needs_sums(given),
        distribution=given["distribution"],
        allow_rules_date=given["allow_rules_date"],
        mark_check=given["mark_check"],
        threads=1,
    )
    _check_bucket(result, bucket, buckets)
    read = {table["table"]: table["rows_in"] for table in result.summary["tables"]}
    counts = {"positions": read["positions"], "balances": read["balances"], "settings": read.get("accounts", 0)}
    rejects = number_rows(_without_market(result), folder)
    if out is not None:
        yield _counts_of(result, bucket, counts)
        for name, table in _tables_of(result, rejects, given):
            if name in (TERMS, COUNTS):
                yield from _streams_of(name, table, bucket)
            else:
                write_whole(table, os.path.join(out, name), f"bucket-{bucket:05}.parquet")
    else:
        yield from _parts_of(result, bucket, counts, rejects, given)


def _share(
    spark: SparkSession,
    rules: Rules | None,
    scenarios: TableLike | str | list[str] | None,
    allow_rules_date: bool,
    market: Market | None,
    mark_check: str = "50%",
    by: str | Sequence[str | Sequence[str]] = (),
    distribution: Distribution = "none",
    limits: str | os.PathLike[str] | None = None,
) -> Broadcast[dict[str, Any]]:
    """The data for every task, sent to each worker once."""
    if distribution not in ("accounts", "book", "none"):
        raise UsageError(f"`distribution` cannot be `{distribution}`: expected `accounts`, `book` or `none`")
    if distribution != "none" and scenarios is None:
        raise UsageError("figures over the scenarios are to be summed up, and there is no scenario")
    of_limits = None if limits is None else _remargin.PartLimits(os.fspath(limits), distribution != "none")
    _remargin.Summing(groupings(by), [], [])  # raises `UsageError` here rather than in every task
    of_rules = [] if of_limits is None else of_limits.by
    if scenarios is not None and not isinstance(scenarios, (str, list)):
        made = _tables.to_arrow(scenarios)
        scenarios = pa.table(scenarios if made is None else made)  # readers and relations cannot be pickled
    shared = {
        "market": market,
        "rules": rules if rules is not None else Rules(),
        "scenarios": scenarios,
        "allow_rules_date": allow_rules_date,
        "mark_check": mark_check,
        "by": list(dict.fromkeys([*groupings(by), *of_rules])),
        "distribution": distribution,
        "limits": of_limits,
    }
    return spark.sparkContext.broadcast(shared)


def _check_bucket(result: Result, bucket: int, buckets: int) -> None:
    """Every account of a task must belong to its bucket."""
    margined = result.accounts.to_pyarrow()["account_id"].unique().to_pylist()
    left_out = [account["account_id"] for account in result.summary["unmargined"]]
    for account in (*margined, *left_out):
        if _api.bucket_of(account, buckets) != bucket:
            place = _api.bucket_of(account, buckets)
            raise RemarginError(
                f"account `{account}` is in bucket {bucket}, where it is not complete; expected: bucket {place}"
            )


def _without_market(result: Result) -> pa.Table:
    """The rejects of the account tables. Those of the market would be repeated in every bucket."""
    rejects = result.rejects.to_pyarrow()
    return rejects.filter(pc.is_in(rejects["table"], pa.array(["positions", "balances", "accounts"])))


def _of_market(market: Market, given: dict[str, Any]) -> Result:
    """A book without an account: the rejects of the market, and if there are groups the names that their sums need."""
    empty = pa.table(
        {name: pa.array([], pa.string()) for name in ("account_id", "inst_id", "qty", "avg_px", "ccy", "cash")}
    )
    scenarios = given["scenarios"] if needs_sums(given) else None
    return _api.recalculate(
        empty, empty, market, given["rules"], scenarios=scenarios, allow_rules_date=given["allow_rules_date"]
    )


def _counts_of(result: Result, bucket: int, counts: dict[str, int]) -> pa.RecordBatch:
    margined = result.summary["accounts"]
    row = {"bucket": bucket, "accounts": margined["margined"], "unmargined": margined["unmargined"], **counts}
    return pa.RecordBatch.from_pylist([{**row, "name": "bucket", "body": None}], schema=_parts_schema())


def _tables_of(result: Result, rejects: pa.Table, given: dict[str, Any]) -> Iterator[tuple[str, pa.Table]]:
    """The tables of a bucket. What its groups come to is not among them: sums are made over all buckets."""
    for name in TABLES:
        yield name, rejects if name == "rejects" else getattr(result, name).to_pyarrow()
    yield from of_bucket(result, given)


def _parts_of(
    result: Result, bucket: int, counts: dict[str, int], rejects: pa.Table, given: dict[str, Any]
) -> Iterator[pa.RecordBatch]:
    yield _counts_of(result, bucket, counts)
    for name, table in _tables_of(result, rejects, given):
        yield from _streams_of(name, table, bucket)


def _streams_of(name: str, table: pa.Table, bucket: int) -> Iterator[pa.RecordBatch]:
    for batch in table.to_batches():
        part = {"bucket": bucket, "name": name, "body": as_stream(batch)}
        yield pa.RecordBatch.from_pylist([part], schema=_parts_schema())


def _parts_schema() -> pa.Schema:
    counts = ("accounts", "unmargined", "positions", "balances", "settings")
    fields = [
        ("bucket", pa.int32()),
        *[(name, pa.int64()) for name in counts],
        ("name", pa.string()),
        ("body", pa.binary()),
    ]
    return pa.schema(fields)


def _finish(
    spark: SparkSession,
    parts: DataFrame,
    whole: dict[str, int],
    out: str | None,
    given: dict[str, Any],
    market: Market,
) -> SparkResult:
    """Computes, checks that every account was complete, sums up groups, and decodes the tables."""
    from pyspark import StorageLevel
    from pyspark.sql import functions as F

    parts = parts.persist(StorageLevel.MEMORY_AND_DISK)
    counts = parts.where(F.col("name") == "bucket").drop("name", "body")
    seen = counts.collect()
    _check_complete(seen, whole)
    of_market = _of_market(market, given)
    rejected = of_market.rejects.to_pyarrow()
    # The column types of a result without rows.
    empty = _empty(given)
    kept = [parts]
    if needs_sums(given):
        kept.append(sum_up(parts, seen, out, given, of_market))
    frames: dict[str, DataFrame] = {}
    if out is not None:
        write_whole(rejected, os.path.join(out, "rejects"), "market.parquet")
        write_manifest(out, seen, given, market)
        frames = {name: spark.read.parquet(os.path.join(out, name)) for name in empty}
    else:
        for name, schema in empty.items():
            sources = kept if name == BREACHES else kept[-1:] if name in OF_ALL else kept[:1]
            bodies = [source.where(F.col("name") == name).select("body") for source in sources]
            tables = [body.mapInArrow(decode, _spark_schema(schema)) for body in bodies]
            frames[name] = tables[0] if len(tables) == 1 else tables[0].unionByName(tables[1])
        if rejected.num_rows:
            market_rows = spark.createDataFrame(rejected.to_pylist(), _spark_schema(rejected.schema))
            frames["rejects"] = frames["rejects"].unionByName(market_rows)
    limits = limits_of(given, kept)
    return SparkResult(**frames, buckets=spark.createDataFrame(seen, _BUCKETS), limits=limits, _parts=tuple(kept))


def _check_complete(seen: list[Any], whole: dict[str, int]) -> None:
    """Checks that each bucket occurs once and every input row is in a bucket. The tasks have checked the accounts."""
    numbers = [row["bucket"] for row in seen]
    if len(set(numbers)) != len(numbers):
        twice = sorted({number for number in numbers if numbers.count(number) > 1})
        raise RemarginError(f"buckets {twice} were margined in two parts: their accounts are not complete")
    for table, rows in whole.items():
        found = sum(row[table] for row in seen)
        if found != rows:
            raise RemarginError(f"the buckets have {found} rows of `{table}`, the input has {rows}")


def _empty(given: dict[str, Any]) -> dict[str, pa.Schema]:
    """The columns of each table."""
    names = ["account_id", "inst_id", "qty", "avg_px", "ccy", "cash", "inst_type", "uly", "settle_ccy", "ct_val"]
    names += ["ct_mult", "expiry", "index_id", "px", "mark_px", "mark_vol", "fwd_px", "ct_type", "strike", "opt_type"]
    nothing = pa.table({name: pa.array([], pa.string()) for name in names})
    market = Market("2100-01-01T00:00:00Z", nothing, nothing, nothing)
    columns = dict.fromkeys(("account_id", "spot_offset", *attributes(given["by"])))
    accounts = pa.table({name: pa.array([], pa.string()) for name in columns})
    over = given["distribution"]
    result = _remargin.recalculate(
        nothing,
        nothing,
        market,
        given["rules"],
        accounts,
        None if over == "none" else "days 1",
        by=given["by"],
        distribution=over,
    )
    weights = [(0.0, None)] if over != "none" else []
    sums, _ = summing(given, (["base"] if weights else [], [], weights)).finish()
    found = {
        **{name: getattr(result, name) for name in TABLES},
        "account_groups": result.account_groups,
        "worst": result._worst,
        "accounts_distribution": result._accounts_distribution,
        **dict(sums),
    }
    tables = {name: found[name] for name in (*TABLES, *more_tables(given))}
    return {name: table.to_pyarrow().schema for name, table in tables.items() if table is not None}


def _spark_schema(schema: pa.Schema) -> Any:
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema)
