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

Both take ``by`` and give the tables of groups, with the bits of ``remargin run --by`` however the book is cut: sums are
made of the margins of single accounts, in order of account id, in one task.

Market and rules are broadcast. Spark repeats a failed task. It gives the same rows again, because it depends only on
its bucket, the market and the rules.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from . import _api, _remargin, _tables
from ._remargin import Market, Result, Rules
from ._spark_groups import OWN, TERMS, as_stream, attributes, columns_of_own, decode, sql_name, sum_up_groups, write_whole
from ._types import TableLike, groupings
from .errors import InvalidInput, RemarginError, UsageError

if TYPE_CHECKING:
    from pyspark import Broadcast
    from pyspark.sql import DataFrame, SparkSession

#: Tables of a result.
TABLES = ("accounts", "risk_units", "at_risk", "rejects")
#: Its tables of groups, if groups were asked for.
GROUP_TABLES = ("groups", "group_units", "account_groups")
#: The supported layout; see ``manifest.json`` of a partition.
LAYOUT = {"version": 1, "hash": "xxhash64", "seed": 42}

_POSITIONS = ("inst_id", "qty", "avg_px")
_BALANCES = ("ccy", "cash", "interest", "spot_in_use_cap", "col_res")
_BUCKETS = "bucket int, accounts long, unmargined long, positions long, balances long, settings long"
#: The row that is to blame for an account that is not margined.
_BLAMED = re.compile(r"(?P<table>\w+) row (?P<row>\d+): (?P<why>.*)", re.DOTALL)
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
    _parts: tuple[DataFrame, ...] = ()

    def write(self, path: str, mode: str = "errorifexists") -> None:
        """Writes the tables as Parquet datasets below ``path``, partitioned by scenario."""
        for name in (*TABLES, *GROUP_TABLES):
            frame = getattr(self, name)
            if frame is None:
                continue
            writer = frame.write.mode(mode)
            if name not in ("rejects", "account_groups"):
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
    buckets: int | None = None,
    allow_rules_date: bool = False,
) -> SparkResult:
    """Margins every account of DataFrames with the columns of a snapshot, see :func:`remargin.recalculate`.

    Rows are shuffled by the bucket of their account, ``pmod(xxhash64(account_id), buckets)``; each bucket is one call
    of the library on one core. ``buckets`` is four per core of the cluster if not given. In ``rejects``, the column
    ``row`` counts inside a bucket, because rows of a DataFrame have no number.

    ``by`` puts accounts together by columns of ``accounts``, see :func:`remargin.recalculate`.

    Raises ``RemarginError`` if an account is not complete, ``InvalidInput`` if a column of ``by`` is not there.
    """
    from pyspark.sql import functions as F

    buckets = buckets or 4 * spark.sparkContext.defaultParallelism
    shared = _share(spark, rules, scenarios, allow_rules_date, market, by=by)
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
            group_terms=bool(given["by"]),
            allow_rules_date=given["allow_rules_date"],
            threads=1,
        )
        counts = {"positions": held.num_rows, "balances": cash.num_rows, "settings": own.num_rows if own else 0}
        _check_bucket(result, bucket, buckets)
        return pa.Table.from_batches(_parts_of(result, bucket, counts, _without_market(result)))

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
    out: str | os.PathLike[str] | None = None,
    allow_rules_date: bool = False,
    mark_check: str = "50%",
) -> SparkResult:
    """Margins the buckets that ``remargin partition`` wrote to the folder ``path``, a folder shared by all workers.

    With ``out``, another shared folder, each task writes its tables to ``out/TABLE/bucket-NNNNN.parquet``, each file
    complete or not at all, and the DataFrames read them; ``out/manifest.json`` is written last. Without ``out`` the
    rows are returned through Spark.

    ``by`` puts accounts together by columns of the table ``accounts``, see :func:`remargin.recalculate`. The buckets
    must have these columns: ``remargin partition --by``.

    ``mark_check`` is that of :func:`remargin.recalculate_snapshot`.

    Raises ``InvalidInput`` if ``path`` is not a partition, ``UsageError`` if ``out`` exists.
    """
    path = os.path.abspath(os.fspath(path))
    layout, folders = _read_manifest(path)
    shared = _share(spark, rules, scenarios, allow_rules_date, None, mark_check, by)
    target = None if out is None else os.path.abspath(os.fspath(out))
    if target is not None:
        if os.path.exists(target):
            raise UsageError(f"`{target}` exists already")
        for name in (*TABLES, *(GROUP_TABLES if shared.value["by"] else ())):
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
        group_terms=bool(given["by"]),
        allow_rules_date=given["allow_rules_date"],
        mark_check=given["mark_check"],
        threads=1,
    )
    _check_bucket(result, bucket, buckets)
    read = {table["table"]: table["rows_in"] for table in result.summary["tables"]}
    counts = {"positions": read["positions"], "balances": read["balances"], "settings": read.get("accounts", 0)}
    rejects = _number_rows(_without_market(result), folder)
    if out is not None:
        for name, table in _tables_of(result, rejects):
            if name != TERMS:
                write_whole(table, os.path.join(out, name), f"bucket-{bucket:05}.parquet")
        yield _counts_of(result, bucket, counts)
        if result._group_terms is not None:
            yield from _streams_of(TERMS, result._group_terms.to_pyarrow(), bucket)
    else:
        yield from _parts_of(result, bucket, counts, rejects)


def _share(
    spark: SparkSession,
    rules: Rules | None,
    scenarios: TableLike | str | list[str] | None,
    allow_rules_date: bool,
    market: Market | None,
    mark_check: str = "50%",
    by: str | Sequence[str | Sequence[str]] = (),
) -> Broadcast[dict[str, Any]]:
    """The data for every task, sent to each worker once."""
    _remargin.Groups(groupings(by), [], [])  # raises `UsageError` here rather than in every task
    if scenarios is not None and not isinstance(scenarios, (str, list)):
        made = _tables.to_arrow(scenarios)
        scenarios = pa.table(scenarios if made is None else made)  # readers and relations cannot be pickled
    shared = {
        "market": market,
        "rules": rules if rules is not None else Rules(),
        "scenarios": scenarios,
        "allow_rules_date": allow_rules_date,
        "mark_check": mark_check,
        "by": groupings(by),
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
    scenarios = given["scenarios"] if given["by"] else None
    return _api.recalculate(
        empty, empty, market, given["rules"], scenarios=scenarios, allow_rules_date=given["allow_rules_date"]
    )


def _number_rows(rejects: pa.Table, folder: str) -> pa.Table:
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


def _counts_of(result: Result, bucket: int, counts: dict[str, int]) -> pa.RecordBatch:
    margined = result.summary["accounts"]
    row = {"bucket": bucket, "accounts": margined["margined"], "unmargined": margined["unmargined"], **counts}
    return pa.RecordBatch.from_pylist([{**row, "name": "bucket", "body": None}], schema=_parts_schema())


def _tables_of(result: Result, rejects: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The tables of a bucket. What its groups come to is not among them: sums are made over all buckets."""
    for name in TABLES:
        yield name, rejects if name == "rejects" else getattr(result, name).to_pyarrow()
    if result.account_groups is not None and result._group_terms is not None:
        yield "account_groups", result.account_groups.to_pyarrow()
        yield TERMS, result._group_terms.to_pyarrow()


def _parts_of(result: Result, bucket: int, counts: dict[str, int], rejects: pa.Table) -> Iterator[pa.RecordBatch]:
    yield _counts_of(result, bucket, counts)
    for name, table in _tables_of(result, rejects):
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


def _read_manifest(path: str) -> tuple[dict[str, Any], list[str]]:
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
    if given["by"]:
        kept.append(sum_up_groups(parts, seen, out, given["by"], of_market))
    frames: dict[str, DataFrame] = {}
    if out is not None:
        write_whole(rejected, os.path.join(out, "rejects"), "market.parquet")
        _write_manifest(out, seen, given, market)
        frames = {name: spark.read.parquet(os.path.join(out, name)) for name in empty}
    else:
        for name, schema in empty.items():
            source = kept[-1] if name in ("groups", "group_units") else parts
            bodies = source.where(F.col("name") == name).select("body")
            frames[name] = bodies.mapInArrow(decode, _spark_schema(schema))
        if rejected.num_rows:
            market_rows = spark.createDataFrame(rejected.to_pylist(), _spark_schema(rejected.schema))
            frames["rejects"] = frames["rejects"].unionByName(market_rows)
    return SparkResult(**frames, buckets=spark.createDataFrame(seen, _BUCKETS), _parts=tuple(kept))


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


def _write_manifest(out: str, seen: list[Any], given: dict[str, Any], market: Market) -> None:
    from . import __version__

    manifest = {
        "remargin": __version__,
        "layout": {**LAYOUT, "buckets": len(seen)},
        "as_of": market.as_of.isoformat(),
        "rules": {"name": given["rules"].name, "hash": given["rules"].hash},
        "by": given["by"],
        "buckets": [row.asDict() for row in sorted(seen, key=lambda row: row["bucket"])],
    }
    with open(os.path.join(out, "manifest.json"), "w", encoding="utf-8") as text:
        json.dump(manifest, text, indent=2)
        text.write("\n")


def _empty(given: dict[str, Any]) -> dict[str, pa.Schema]:
    """The columns of each table."""
    names = ["account_id", "inst_id", "qty", "avg_px", "ccy", "cash", "inst_type", "uly", "settle_ccy", "ct_val"]
    names += ["ct_mult", "expiry", "index_id", "px", "mark_px", "mark_vol", "fwd_px", "ct_type", "strike", "opt_type"]
    nothing = pa.table({name: pa.array([], pa.string()) for name in names})
    market = Market("2100-01-01T00:00:00Z", nothing, nothing, nothing)
    columns = dict.fromkeys(("account_id", "spot_offset", *attributes(given["by"])))
    accounts = pa.table({name: pa.array([], pa.string()) for name in columns})
    result = _api.recalculate(nothing, nothing, market, given["rules"], accounts, by=given["by"])
    names = [*TABLES, *(GROUP_TABLES if given["by"] else ())]
    return {name: getattr(result, name).to_pyarrow().schema for name in names}


def _spark_schema(schema: pa.Schema) -> Any:
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema)
