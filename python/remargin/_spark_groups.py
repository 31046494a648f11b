"""Groups of accounts on Spark: the columns that they are made of, and their sums; and how tables go through Spark."""

from __future__ import annotations

import os
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
#: What each account adds to its groups: a table that goes to the task that sums up.
TERMS = "group_terms"
#: Result rows of that task: how many accounts there were, and the tables of groups as Arrow streams.
_SUMS = "name string, accounts long, body binary"


def sql_name(name: str) -> str:
    """A column by its name, whatever stands in it."""
    return "`" + name.replace("`", "``") + "`"


def attributes(by: list[str]) -> list[str]:
    """The columns of ``accounts`` by which accounts are grouped, each once."""
    return list(dict.fromkeys(name.strip() for grouping in by for name in grouping.split(",")))


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


def sum_up_groups(parts: DataFrame, seen: list[Any], out: str | None, by: list[str], of_market: Result) -> DataFrame:
    """The tables ``groups`` and ``group_units``, as Arrow streams or as files below ``out``.

    One task sums up what every account adds to its groups, in order of account id and with the partial sums of a run
    over the whole book. It holds the groups, not the accounts: Spark sorts these, on disk if it must.
    """
    from pyspark import StorageLevel
    from pyspark.sql import functions as F

    scenarios, units = of_market._scenarios, of_market._units

    def sum_up(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        groups, accounts = _remargin.Groups(by, scenarios, units), 0
        for batch in batches:
            accounts += batch.num_rows
            groups.add(pa.Table.from_batches([batch]))
        schema = pa.schema([("name", pa.string()), ("accounts", pa.int64()), ("body", pa.binary())])
        for name, found in zip(("groups", "group_units"), groups.finish(), strict=True):
            table = found.to_pyarrow()
            if out is not None:
                write_whole(table, os.path.join(out, name), f"{name}.parquet")
                continue
            for batch in table.to_batches():
                row = {"name": name, "accounts": None, "body": as_stream(batch)}
                yield pa.RecordBatch.from_pylist([row], schema=schema)
        yield pa.RecordBatch.from_pylist([{"name": "summed", "accounts": accounts, "body": None}], schema=schema)

    terms = parts.where(F.col("name") == TERMS).select("body").mapInArrow(decode, "account_id string, terms binary")
    sums = terms.repartition(1).sortWithinPartitions("account_id").mapInArrow(sum_up, _SUMS)
    sums = sums.persist(StorageLevel.MEMORY_AND_DISK)
    summed = sum(row["accounts"] for row in sums.where(F.col("name") == "summed").collect())
    expected = sum(row["accounts"] + row["unmargined"] for row in seen)
    if summed != expected:
        raise RemarginError(f"the groups have {summed} accounts, the buckets have {expected}")
    return sums
