"""What is made of single accounts on Spark: the columns of groups, sums over accounts, limits; and how tables go
through Spark."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from . import _remargin
from ._remargin import Result
from .errors import InvalidInput, RemarginError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: Columns of ``accounts`` that the model reads.
SETTINGS = ("spot_offset", "unmarginable", "fee_rate")
#: What stands before their names while they are shuffled.
OWN = "_own_"
#: What each account adds to its groups and to the book: a table that goes to the task that sums up.
TERMS = "group_terms"
#: What was counted of each limit, as JSON.
COUNTS = "limit_counts"
#: Result rows of that task: how many accounts there were, and the tables as Arrow streams.
_SUMS = "name string, accounts long, body binary"


def sql_name(name: str) -> str:
    """A column by its name, whatever stands in it."""
    return "`" + name.replace("`", "``") + "`"


def attributes(by: list[str]) -> list[str]:
    """The columns of ``accounts`` by which accounts are grouped, each once."""
    return _remargin.attributes(by)


def columns_of_own(accounts: DataFrame | None, by: list[str]) -> list[str]:
    """The columns that are taken of ``accounts``."""
    if accounts is None:
        if by:
            raise InvalidInput("there is no table `accounts`, which has the columns to group by")
        return []
    missing = [name for name in attributes(by) if name not in accounts.columns]
    if missing:
        has = ", ".join(f"`{name}`" for name in accounts.columns)
        raise InvalidInput(f"table `accounts`: missing column `{missing[0]}`\n  hint:     the table has {has}")
    names = dict.fromkeys((*SETTINGS, *attributes(by)))
    return [name for name in names if name in accounts.columns]


def as_stream(batch: pa.RecordBatch) -> bytes:
    """A batch as an Arrow stream of its own."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def decode(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches of a column of Arrow streams."""
    for batch in batches:
        for body in batch.column(0):
            yield from pa.ipc.open_stream(body.as_buffer())


def write_whole(table: pa.Table, folder: str, name: str) -> None:
    """Writes a file completely or not at all. A task that runs twice writes the same bytes twice."""
    hidden = os.path.join(folder, f".{name}.{os.getpid()}")
    try:
        pq.write_table(table, hidden, compression="zstd", compression_level=1)
        os.replace(hidden, os.path.join(folder, name))
    finally:
        if os.path.exists(hidden):
            os.remove(hidden)


#: Tables of a bucket, and of all buckets together, that a run or a stress may have beside those of every result.
OF_STRESS = ("worst", "accounts_distribution", "scenarios", "distribution", "tail")
OF_ALL = ("groups", "group_units", "scenarios", "distribution", "tail")
BREACHES = "breaches"


def more_tables(given: dict[str, Any]) -> list[str]:
    """The tables that were asked for beside those of every result."""
    names = ["groups", "group_units", "account_groups"] if given["by"] else []
    if given["distribution"] != "none":
        is_kept = given["distribution"] == "accounts"
        names += [name for name in OF_STRESS if is_kept or name != "accounts_distribution"]
    return names + ([BREACHES] if given["limits"] else [])


def needs_sums(given: dict[str, Any]) -> bool:
    """True if something is to be said of more than one account: then every account says what it adds."""
    limits = given["limits"]
    return bool(given["by"]) or given["distribution"] != "none" or (limits is not None and limits.need_all_accounts)


def of_bucket(result: Result, given: dict[str, Any]) -> Iterator[tuple[str, pa.Table]]:
    """What there is of the accounts of a bucket beside the tables of every result, and what they add to sums."""
    found = {"worst": result._worst, "accounts_distribution": result._accounts_distribution}
    if given["by"]:
        found["account_groups"] = result.account_groups
    for name, table in found.items():
        if table is not None:
            yield name, table.to_pyarrow()
    if given["limits"] is not None:
        tables = {"accounts": result.accounts, "risk_units": result.risk_units}
        if result._worst is not None:
            tables["worst"] = result._worst
        breaches, counts = given["limits"].of_accounts(tables)
        yield BREACHES, breaches.to_pyarrow()
        yield COUNTS, counts_table(counts)
    if result._group_terms is not None:
        yield TERMS, result._group_terms.to_pyarrow()


def counts_table(counts: list[tuple[int, int, int]]) -> pa.Table:
    """What was counted of each limit: a table that is read on the driver."""
    return pa.table({"counts": pa.array([json.dumps(counts)], pa.string())})


def sum_up_limits(given: dict[str, Any], bodies: Iterable[bytes]) -> list[dict[str, Any]]:
    """Of each limit how many figures were compared, in all tasks. Warns of one that nothing was compared with."""
    names = ("checked", "breaches", "without_figure")
    each = [{"name": name, "severity": severity, "rule": rule} for name, severity, rule in given["limits"].each]
    all_limits: list[dict[str, Any]] = [{**limit, **dict.fromkeys(names, 0)} for limit in each]
    for body in bodies:
        for counts in pa.ipc.open_stream(body).read_all()["counts"].to_pylist():
            for limit, found in zip(all_limits, json.loads(counts), strict=True):
                for name, count in zip(names, found, strict=True):
                    limit[name] += count
    for limit in all_limits:
        if limit["checked"] == 0:
            text = f"limit `{limit['name']}` was compared with no figure: nobody has what `{limit['rule']}` names"
            warnings.warn(text, stacklevel=2)
    return all_limits


def summing(given: dict[str, Any], names: tuple[list[str], list[str], list[Any]]) -> _remargin.Summing:
    """What sums up; ``names`` are the scenarios, the risk units, and of each scenario days and weight."""
    scenarios, units, weights = names
    return _remargin.Summing(
        given["by"], scenarios, units, distribution=given["distribution"], weights=weights, limits=given["limits"]
    )


def sum_up(parts: DataFrame, seen: list[Any], out: str | None, given: dict[str, Any], of_market: Result) -> DataFrame:
    """The tables of groups and of the book, as Arrow streams or as files below ``out``.

    One task sums up what every account adds, in order of account id and with the partial sums of a run over the whole
    book. It holds the groups, not the accounts: Spark sorts these, on disk if it must.
    """
    from pyspark import StorageLevel
    from pyspark.sql import functions as F

    names = (of_market._scenarios, of_market._units, of_market._weights)
    asked = {key: given[key] for key in ("by", "distribution", "limits")}
    wanted = [*more_tables(asked), COUNTS]

    def add_up(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        book, accounts = summing(asked, names), 0
        for batch in batches:
            accounts += batch.num_rows
            book.add(pa.Table.from_batches([batch]))
        schema = pa.schema([("name", pa.string()), ("accounts", pa.int64()), ("body", pa.binary())])
        tables, counts = book.finish()
        found = [(name, table.to_pyarrow()) for name, table in tables]
        if asked["limits"] is not None:
            found.append((COUNTS, counts_table(counts)))
        for name, table in found:
            if name not in wanted:
                continue
            if out is not None and name != COUNTS:
                write_whole(table, os.path.join(out, name), f"{'book' if name == BREACHES else name}.parquet")
                continue
            for batch in table.to_batches():
                row = {"name": name, "accounts": None, "body": as_stream(batch)}
                yield pa.RecordBatch.from_pylist([row], schema=schema)
        yield pa.RecordBatch.from_pylist([{"name": "summed", "accounts": accounts, "body": None}], schema=schema)

    terms = parts.where(F.col("name") == TERMS).select("body").mapInArrow(decode, "account_id string, terms binary")
    sums = terms.repartition(1).sortWithinPartitions("account_id").mapInArrow(add_up, _SUMS)
    sums = sums.persist(StorageLevel.MEMORY_AND_DISK)
    summed = sum(row["accounts"] for row in sums.where(F.col("name") == "summed").collect())
    expected = sum(row["accounts"] + row["unmargined"] for row in seen)
    if summed != expected:
        raise RemarginError(f"the sums have {summed} accounts, the buckets have {expected}")
    return sums


def limits_of(given: dict[str, Any], sources: Iterable[DataFrame]) -> list[dict[str, Any]] | None:
    """What was counted of each limit in all tasks."""
    from pyspark.sql import functions as F

    if given["limits"] is None:
        return None
    rows = [row for source in sources for row in source.where(F.col("name") == COUNTS).select("body").collect()]
    return sum_up_limits(given, (bytes(row["body"]) for row in rows))
