"""A peer: risk units x instruments as a sparse matrix, times the dense table of stresses.

    python scipy_csr.py SNAPSHOT OUT [KEY=VALUE ...]
"""

from clock import CLOCK  # first: its clock starts here

import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.sparse import csr_matrix
from scipy.special import erfc

import subset
from market import DECAY, EXTREME, RATES, TERM, load_market

CHUNK = 1_000_000   # positions at a time, rounded down to whole accounts: a dense product of all would not fit


def read(path, inst_ids):
    """Account number, instrument, quantity, and the ids in order."""
    table = pq.read_table(path, columns=["account_id", "inst_id", "qty"], read_dictionary=["account_id", "inst_id"])
    table = table.unify_dictionaries()
    join = lambda name: np.concatenate([chunk.indices.to_numpy() for chunk in table[name].chunks])
    owner, ids = join("account_id"), table["account_id"].chunk(0).dictionary
    if np.any(owner[1:] < owner[:-1]):
        sys.exit("the positions are not sorted by account")
    places = pc.index_in(table["inst_id"].chunk(0).dictionary, value_set=pa.array(inst_ids)).to_numpy()
    qty = np.concatenate([chunk.to_numpy() for chunk in table["qty"].chunks])
    return owner, places[join("inst_id")], qty, ids


def sums(starts, instrument, qty, table):
    """Sums of `qty x table` over runs of rows."""
    indptr = np.append(starts, len(qty))
    return csr_matrix((qty, instrument, indptr), shape=(len(starts), len(table))) @ table


def margin(owner, instrument, qty, market, rules, stresses, tiers):
    """Account, unit, MR1, MR6 and MMR of each risk unit of these positions."""
    c, u = market.contracts, market.units
    expiries = u.basis.shape[1]
    key = (owner.astype(np.int64) * len(market.unit_names) + c.unit[instrument]) * expiries + c.expiry[instrument]
    order = np.argsort(key, kind="stable")
    key, instrument, qty = key[order], instrument[order], qty[order]
    new = np.concatenate([[True], key[1:] != key[:-1]])
    bucket = np.flatnonzero(new)                    # first row of each expiry of each unit
    of_unit = key[bucket] // expiries
    first = np.flatnonzero(np.concatenate([[True], of_unit[1:] != of_unit[:-1]]))
    starts = bucket[first]                          # first row of each unit
    account, unit = np.divmod(of_unit[first], len(market.unit_names))

    pnl = sums(starts, instrument, qty, stresses)
    by_expiry = sums(bucket, instrument, qty, np.column_stack([c.cash_delta, stresses[:, TERM]]))
    basis = np.abs(by_expiry[:, 0]) * u.basis[of_unit % len(market.unit_names), key[bucket] % expiries]
    gross = np.add.reduceat(np.abs(by_expiry[:, 1]), first)
    charge = np.add.reduceat(np.where(qty >= 0.0, qty * c.charge_long[instrument], -qty * c.charge_short[instrument]),
                             starts)
    loss = lambda x: np.maximum(-x, 0.0)
    mr1 = loss(pnl[:, :EXTREME].min(axis=1))
    mr6 = rules["mr6"]["charge"] * loss(pnl[:, EXTREME : EXTREME + 2].min(axis=1))
    mr2, mr5 = loss(pnl[:, DECAY]), loss(pnl[:, RATES : RATES + 2].min(axis=1))
    mr3 = rules["mr3"]["offset_charge"] * np.maximum(gross - np.abs(pnl[:, TERM]), 0.0)
    mr4 = np.add.reduceat(basis, first)
    lower, upper, rate = (values[unit] for values in tiers)
    mr7 = (rate * (np.minimum(charge[:, None], upper) - lower).clip(min=0.0)).sum(axis=1)
    mmr = np.maximum(np.maximum(np.maximum(mr1, mr2), mr6) + mr3 + mr4 + mr5, mr7)
    return account, unit, mr1, mr6, mmr


def main(snapshot, out_dir, settings):
    """Reads, computes, writes."""
    CLOCK.lap("imports")
    rules = subset.load_rules(settings)
    market = load_market(snapshot, rules, erfc)
    stresses, tiers = subset.stress_matrix(market), subset.tiers_of(market)
    CLOCK.lap("price")
    owner, instrument, qty, ids = read(subset.positions(snapshot), market.inst_ids)
    CLOCK.lap("read")
    names, writer = pa.array(market.unit_names), None
    at = 0
    while at < len(owner):
        end = min(at + CHUNK, len(owner))
        if end < len(owner):
            end = int(np.searchsorted(owner, owner[end], side="left"))
        account, unit, *figures = margin(owner[at:end], instrument[at:end], qty[at:end], market, rules, stresses, tiers)
        first = account[0]
        columns = [pa.DictionaryArray.from_arrays((account - first).astype(np.int32),
                                                  ids.slice(first, account[-1] - first + 1)),
                   pa.DictionaryArray.from_arrays(unit.astype(np.int32), names), *map(pa.array, figures)]
        table = pa.table(columns, names=["account_id", "risk_unit", "mr1", "mr6", "mmr"])
        if writer is None:
            writer = pq.ParquetWriter(subset.output(out_dir), table.schema, compression="snappy", store_schema=False,
                                      use_dictionary=["account_id", "risk_unit"], write_statistics=False)
        writer.write_table(table)
        at = end
    if writer is not None:
        writer.close()
    CLOCK.lap("compute_and_write")
    CLOCK.report(positions=len(qty))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
