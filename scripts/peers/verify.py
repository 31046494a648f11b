"""Compares two output tables figure by figure, with the tolerance of the model: 1e-9 of a unit's MMR or cash delta,
of an account's equity or requirement, whichever is largest, or 1e-6 USD."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

RELATIVE, ABSOLUTE = 1e-9, 1e-6


def numbers(table, name):
    return table[name].combine_chunks().to_numpy(zero_copy_only=False)


def worst(ours, theirs, name, scale, absolute=ABSOLUTE):
    """The largest difference of a column in units of its tolerance."""
    a, b = numbers(ours, name), numbers(theirs, name)
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        raise SystemExit(f"`{name}` is null in different rows")
    tolerance = np.maximum(RELATIVE * np.maximum(np.abs(a), scale), absolute)
    return float(np.nan_to_num(np.abs(a - b) / tolerance).max(initial=0.0))


def same_keys(ours, theirs, keys):
    for key in keys:
        if not pc.all(pc.equal(ours[key].cast("string"), theirs[key].cast("string"))).as_py():
            raise SystemExit(f"`{key}` differs")


def check(path_of_ours, path_of_theirs, keys, figures, scale_columns, exact=(), sort=False):
    """Raises SystemExit if the tables differ; returns rows and the worst difference as a share of 1e-9."""
    columns = list(dict.fromkeys((*keys, *figures, *scale_columns, *exact)))
    ours = pq.read_table(path_of_ours, columns=columns)
    theirs = pq.read_table(path_of_theirs, columns=[*keys, *figures, *exact])
    if len(ours) != len(theirs):
        raise SystemExit(f"{path_of_theirs}: {len(theirs)} rows, expected {len(ours)}")
    if sort:
        theirs = theirs.sort_by([(key, "ascending") for key in keys])
    same_keys(ours, theirs, (*keys, *exact))
    scale = np.max([np.abs(numbers(ours, name)) for name in scale_columns], axis=0)
    found = {name: worst(ours, theirs, name, scale) for name in figures}
    if "margin_ratio" in found:     # not money: its own tolerance
        found["margin_ratio"] = worst(ours, theirs, "margin_ratio", 0.0, RELATIVE)
    over = {name: share for name, share in found.items() if share > 1.0}
    if over:
        raise SystemExit(f"{path_of_theirs}: more than 1e-9 apart, in units of that: {over}")
    return len(ours), max(found.values())


def whole_model(ours, theirs):
    """Every column of both tables. Another scenario is accepted only if the two losses differ by rounding."""
    ours, theirs = Path(ours), Path(theirs)
    for name in ("accounts", "risk_units"):
        names = [pq.read_schema(folder / f"{name}.parquet").names for folder in (ours, theirs)]
        # The peer does not support pending orders, and the book has none: their IMR must be zero.
        if np.any(pq.read_table(ours / f"{name}.parquet", columns=["order_imr"])["order_imr"].to_numpy() != 0.0):
            raise SystemExit(f"`{name}` has margin of pending orders")
        if [column for column in names[0] if column != "order_imr"] != names[1]:
            raise SystemExit(f"`{name}` has other columns: {names[1]}")
    accounts = check(
        ours / "accounts.parquet", theirs / "accounts.parquet", ["account_id", "scenario"],
        ["adj_eq", "total_eq", "upl", "mmr", "imr", "deriv_mmr", "borrow_mmr", "borrow_imr", "liquidation_fee",
         "margin_ratio", "mmr_no_hedge", "imr_no_hedge"], ["total_eq", "adj_eq", "mmr"],
        ["status", "im_deficit", "ineligible"])
    units = check(
        ours / "risk_units.parquet", theirs / "risk_units.parquet", ["account_id", "scenario", "risk_unit"],
        ["mr1", "mr2", "mr3", "mr4", "mr5", "mr6", "mr7", "mr9", "mmr", "imr", "cash_delta", "gamma", "vega", "theta",
         "spot_in_use", "upl"], ["mmr", "cash_delta"])
    ties = scenario_ties(ours / "risk_units.parquet", theirs / "risk_units.parquet")
    return {"accounts": accounts, "risk_units": units, "scenarios_named_otherwise": ties}


def scenario_ties(ours, theirs, most=1e-5):
    """Rows with another worst scenario; the losses agree to 1e-9."""
    columns = ["mr1_price", "mr1_vol", "mr6_price"]
    ours, theirs = pq.read_table(ours, columns=columns), pq.read_table(theirs, columns=columns)
    differs = np.zeros(len(ours), bool)
    for name in columns:
        a, b = (table[name].cast("string") for table in (ours, theirs))
        differs |= pc.not_equal(a, b).to_numpy()
    if differs.sum() > most * len(differs):
        raise SystemExit(f"{differs.sum()} of {len(differs)} rows name another scenario")
    return int(differs.sum())


def subset(ours, theirs):
    """MR1, MR6 and MMR by unit; the rows of the peers are in any order."""
    return check(Path(ours) / "risk_units.parquet", Path(theirs) / "risk_units.parquet", ["account_id", "risk_unit"],
                 ["mr1", "mr6", "mmr"], ["mmr", "cash_delta"], sort=True)


def stress(ours, theirs):
    """Every column of the sums by scenario that both have: counts exactly, sums within 1e-9 of themselves."""
    ours = pq.read_table(Path(ours) / "scenarios.parquet")
    with open(theirs, newline="") as file:
        rows = list(csv.DictReader(file))
    if ours["scenario"].cast("string").to_pylist() != [row["scenario"] for row in rows]:
        raise SystemExit("other scenarios, or in another order")
    shared = [name for name in ours.column_names if name in rows[0] and name != "scenario"]
    largest, counts = 0.0, 0
    for name in shared:
        if pa.types.is_integer(ours[name].type):
            counts += 1
            if ours[name].to_pylist() != [int(row[name]) for row in rows]:
                raise SystemExit(f"`{name}` differs")
            continue
        found = worst(ours, pa.table({name: [float(row[name]) for row in rows]}), name, 0.0)
        if found > 1.0:
            raise SystemExit(f"`{name}`: more than 1e-9 apart, {found} of that")
        largest = max(largest, found)
    return {"scenarios": len(rows), "counts": counts, "sums": len(shared) - counts, "worst": largest}
