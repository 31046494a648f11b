"""The strong peer: the whole model in numba, with the columns of `remargin run`.

    python numba_model.py SNAPSHOT OUT [KEY=VALUE ...]

Tuned as a careful user would do it: columns are read with their dictionaries, so no id becomes a Python string;
accounts run on all cores without allocation; results are computed chunk by chunk while two threads encode
and write, with the encodings of remargin. Not included: checks of the input, rejects, hashes, the at-risk list.
"""

from clock import CLOCK  # first: its clock starts here

import math
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from market import VOL_STATES, load_market, load_rules
from numba_kernel import (
    ACCOUNT_FIGURES, STATUSES, UNIT_FIGURES, Book, Results, count_units, margin, params_of,
)

CHUNK = 65_536      # accounts computed and written at once
BUFFERS = 4         # chunks in memory: one being computed, the others waiting or being written
MODES = ("usdt", "usdc", "coin", "none")
ACCOUNT_COLUMNS = ("account_id", "scenario", *ACCOUNT_FIGURES[:10], "status", "im_deficit", "ineligible",
                   *ACCOUNT_FIGURES[10:])
UNIT_COLUMNS = ("account_id", "scenario", "risk_unit", "mr1", "mr1_price", "mr1_vol", *UNIT_FIGURES[2:])


def read(snapshot, name, columns, labels):
    """A table whose `labels` are dictionaries, one for each row group."""
    return pq.read_table(Path(snapshot) / f"{name}.parquet", columns=columns, read_dictionary=labels)


def codes(column, names):
    """A dictionary column as indices into `names`, an Arrow array; -1 for null. Looks all dictionaries up at once."""
    places = pc.index_in(pa.concat_arrays([chunk.dictionary for chunk in column.chunks]), value_set=names)
    places = places.fill_null(-1).to_numpy()
    result, first, row = np.empty(len(column), np.int32), 0, 0
    for chunk in column.chunks:
        target = result[row : row + len(chunk)]
        np.take(places[first : first + len(chunk.dictionary)], chunk.indices.fill_null(0).to_numpy(), out=target,
                mode="clip")
        if chunk.null_count:
            target[chunk.is_null().to_numpy(zero_copy_only=False)] = -1
        first, row = first + len(chunk.dictionary), row + len(chunk)
    return result


def number(table, name, null=math.nan):
    """A column of numbers."""
    return np.concatenate([chunk.fill_null(null).to_numpy() for chunk in table[name].chunks])


def starts(owner, accounts):
    """First row of each account; rows are in order of their account."""
    if np.any(owner[1:] < owner[:-1]):
        sys.exit("the rows are not sorted by account")
    return np.searchsorted(owner, np.arange(accounts + 1, dtype=owner.dtype))


def read_book(snapshot, rules, market):
    """Accounts, positions and balances as columns."""
    table = read(snapshot, "accounts", ["account_id", "spot_offset"], ["spot_offset"])
    ids = pa.concat_arrays(table["account_id"].chunks)
    mode = codes(table["spot_offset"], pa.array(MODES))
    mode[mode < 0] = MODES.index(rules["default_spot_offset"])

    table = read(snapshot, "positions", ["account_id", "inst_id", "qty", "avg_px"], ["account_id", "inst_id"])
    position_start = starts(codes(table["account_id"], ids), len(ids))
    instrument = codes(table["inst_id"], pa.array(market.inst_ids))
    qty, avg_px = number(table, "qty"), number(table, "avg_px")

    columns = ["account_id", "ccy", "cash", "interest", "spot_in_use_cap"]
    table = read(snapshot, "balances", columns, ["account_id", "ccy"])
    balance_start = starts(codes(table["account_id"], ids), len(ids))
    ccy = codes(table["ccy"], pa.array(market.currency_names))
    return ids, frozen(Book(mode, position_start, instrument, qty, avg_px, balance_start, ccy,
                       number(table, "cash"), number(table, "interest", 0.0),
                       number(table, "spot_in_use_cap", math.inf)))


def frozen(book):
    """The book as read-only arrays, like Arrow's own columns: numba compiles them as a separate type."""
    for column in book:
        column.flags.writeable = False
    return book


class Buffers:
    """Result buffers that are reused: new memory pages for every chunk would cost more than the sums in them."""

    def __init__(self, count):
        self.results = [None] * count
        self.turn = 0

    def take(self, accounts, units):
        """Columns for this many rows."""
        self.turn = (self.turn + 1) % len(self.results)
        held = self.results[self.turn]
        if held is None or len(held.status) < accounts or len(held.unit) < units:
            self.results[self.turn] = results_for(accounts, units + units // 8)
        return self.results[self.turn]


def results_for(accounts, units):
    """Columns with this many rows."""
    return Results(
        np.empty((len(ACCOUNT_FIGURES), accounts)), np.empty(accounts, np.int8), np.empty(accounts, np.bool_),
        np.empty(accounts, np.bool_), np.empty((len(UNIT_FIGURES), units)), np.empty(units, np.int32),
        np.empty(units, np.int8), np.empty(units, np.int32))


def chunks(book, market, params, step):
    """Results of `step` accounts at a time, valid until all other buffers have been used."""
    accounts, buffers = len(book.mode), Buffers(BUFFERS)
    for first in range(0, accounts, step):
        last = min(accounts, first + step)
        counts = count_units(first, last, book.position_start, book.instrument, market.contracts.unit,
                             len(market.unit_names))
        row_start = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
        rows = int(row_start[-1])
        out = buffers.take(last - first, rows)
        margin(first, last, row_start, book, market.contracts, market.units, market.currencies, params, out)
        yield first, last, cut(out, last - first, rows)


def cut(out, accounts, units):
    """The rows in use."""
    return Results(out.account_figures[:, :accounts], out.status[:accounts], out.im_deficit[:accounts],
                   out.ineligible[:accounts], out.unit_figures[:, :units], out.unit[:units], out.vol_state[:units],
                   out.owner[:units])


def warm_up(market, params):
    """Compiles the kernels."""
    for _ in chunks(empty_book(), market, params, 1):
        pass


def empty_book():
    """One account without rows."""
    none, zero = np.zeros(0), np.zeros(2, np.int64)
    return frozen(Book(np.zeros(1, np.int32), zero, np.zeros(0, np.int32), none, none, zero, np.zeros(0, np.int32),
                       none, none, none))


def label(codes_of, names):
    """A dictionary column."""
    return pa.DictionaryArray.from_arrays(pa.array(codes_of), names)


class Table:
    """An output table, encoded as remargin does."""

    def __init__(self, path, columns, labels, statistics):
        text = {name: "zstd" for name in ("account_id", *labels)}
        self.columns = columns
        self.path = path
        self.options = {
            "compression": {name: text.get(name, "snappy") for name in columns}, "use_dictionary": list(labels),
            "compression_level": {name: 1 for name in text}, "write_statistics": list(statistics),
            "store_schema": False,
        }
        self.writer = None

    def write(self, arrays):
        table = pa.table([arrays[name] for name in self.columns], names=self.columns)
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.path, table.schema, **self.options)
        self.writer.write_table(table, row_group_size=len(table) or 1)

    def close(self):
        self.writer.close()


def account_arrays(ids, out):
    """Columns of `accounts`."""
    rows = len(ids)
    arrays = {name: pa.array(out.account_figures[at]) for at, name in enumerate(ACCOUNT_FIGURES)}
    ratio = out.account_figures[ACCOUNT_FIGURES.index("margin_ratio")]
    return arrays | {
        "account_id": ids, "scenario": label(np.zeros(rows, np.int8), ["base"]),
        "margin_ratio": pa.array(ratio, mask=np.isnan(ratio)), "status": label(out.status, STATUSES),
        "im_deficit": pa.array(out.im_deficit), "ineligible": pa.array(out.ineligible),
    }


def unit_arrays(ids, unit_names, out):
    """Columns of `risk_units`."""
    arrays = {name: pa.array(out.unit_figures[at]) for at, name in enumerate(UNIT_FIGURES)}
    return arrays | {
        "account_id": label(out.owner, ids), "scenario": label(np.zeros(len(out.unit), np.int8), ["base"]),
        "risk_unit": label(out.unit, unit_names), "mr1_vol": label(out.vol_state, VOL_STATES),
    }


def main(snapshot, out_dir, settings):
    """Reads, computes, writes."""
    numba.set_num_threads(min(numba.config.NUMBA_NUM_THREADS, os.cpu_count()))
    CLOCK.lap("imports")
    rules = load_rules(settings)
    erfc = numba.vectorize(["float64(float64)"])(lambda x: math.erfc(x))
    names = pq.read_table(Path(snapshot) / "balances.parquet", columns=["ccy"], read_dictionary=["ccy"])
    held = {name for chunk in names["ccy"].chunks for name in chunk.dictionary.to_pylist()}
    market, params = load_market(snapshot, rules, erfc, held), params_of(rules)
    warm_up(market, params)
    CLOCK.lap("warm_up")

    market = load_market(snapshot, rules, erfc, held)
    CLOCK.lap("price")
    ids, book = read_book(snapshot, rules, market)
    CLOCK.lap("read")
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    accounts = Table(out_dir / "accounts.parquet", ACCOUNT_COLUMNS, ["scenario", "status"],
                     ["account_id", "margin_ratio", "status", "im_deficit"])
    units = Table(out_dir / "risk_units.parquet", UNIT_COLUMNS, ["account_id", "scenario", "risk_unit", "mr1_vol"],
                  ["account_id", "risk_unit"])
    unit_names = pa.array(market.unit_names)
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as two:
        pending = []
        for first, last, out in chunks(book, market, params, CHUNK):
            own = ids.slice(first, last - first)
            pending.append((one.submit(lambda own=own, out=out: accounts.write(account_arrays(own, out))),
                            two.submit(lambda own=own, out=out: units.write(unit_arrays(own, unit_names, out)))))
            # Keeps memory constant and the writers busy.
            if len(pending) > BUFFERS - 2:
                for job in pending.pop(0):
                    job.result()
        for jobs in pending:
            for job in jobs:
                job.result()
    accounts.close()
    units.close()
    CLOCK.lap("compute_and_write")
    CLOCK.report(positions=len(book.qty), accounts=len(ids))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
