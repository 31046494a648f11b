"""The strong peer of `remargin stress`: the whole model in numba over many scenarios, one row of sums each.

    python numba_stress.py SNAPSHOT SHOCKS.csv OUT.csv [LANES]

Reads the book once, prices the market of every scenario with numpy and keeps it, and passes over the book once for
LANES scenarios, on all cores. The base case comes first. Not included: checks of the input, rejects, hashes, and the
tables that remargin writes beside `scenarios`.
"""

from clock import CLOCK  # first: its clock starts here

import csv
import math
import os
import sys
from pathlib import Path

import numba
import numpy as np
import pyarrow.parquet as pq

from market import load_rules, price_market, read_quotes, table_of
from numba_kernel import params_of
from numba_lanes import COLUMNS, side_by_side, stress
from numba_model import empty_book, read_book
from shocks import BASE, moved, option_usd, read_shocks

LANES = 16      # the fastest: below 16 LLVM unrolls the loops over the lanes instead of vectorising them
COUNTS = COLUMNS[8:17] + COLUMNS[18:]


def priced(snapshot, scenarios, currencies, rules, erfc):
    """The market of each scenario; the first is the base case."""
    quotes = read_quotes(snapshot, rules, currencies)
    table, usd_now = table_of(quotes, rules), option_usd(quotes, rules, erfc)
    rest = (moved(quotes, usd_now, scenario, rules, erfc) for scenario in scenarios[1:])
    return [price_market(market, table, rules, erfc) for market in (quotes, *rest)]


def pass_over(book, markets, params, base, first_pass, lanes):
    """Sums of the book in several markets, one row each; missing markets are filled up with the last."""
    full = markets + [markets[-1]] * (lanes - len(markets))
    units, currencies = full[0].units, full[0].currencies
    blocks = stress(book, side_by_side(full), units, currencies, params, base, first_pass, (0,) * lanes)
    return blocks.sum(axis=0).T[: len(markets)]


def outcomes(book, markets, params, lanes):
    """Sums of the book in the base case, which is the first market, and in every scenario."""
    base = np.zeros((len(book.mode), 2), np.bool_)
    rows = [pass_over(book, markets[:1], params, base, True, 1)]
    for first in range(1, len(markets), lanes):
        rows.append(pass_over(book, markets[first : first + lanes], params, base, False, lanes))
    return np.concatenate(rows)


def write(path, scenarios, params, rows):
    """One row for each scenario, with the names of remargin's columns."""
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("scenario", "days", "accounts", *COLUMNS, "mmr", "imr", "mmr_no_hedge", "imr_no_hedge"))
        for scenario, row in zip(scenarios, rows):
            of = dict(zip(COLUMNS, row.tolist()))
            accounts = sum(row[8:13])
            cells = [int(of[name]) if name in COUNTS else of[name] for name in COLUMNS]
            table.writerow((
                scenario.name, scenario.days, int(accounts), *cells, of["deriv_mmr"] + of["borrow_mmr"],
                params.imr_multiplier * of["deriv_mmr"] + of["borrow_imr"], of["deriv_no_hedge"] + of["borrow_mmr"],
                params.imr_multiplier * of["deriv_no_hedge"] + of["borrow_imr"]))


def main(snapshot, shocks, out, lanes=LANES):
    """Reads, prices, computes, writes."""
    numba.set_num_threads(min(numba.config.NUMBA_NUM_THREADS, os.cpu_count()))
    CLOCK.lap("imports")
    rules = load_rules()
    if rules["risk_unit"] != "separate":
        sys.exit("this script knows separate risk units only")
    erfc = numba.vectorize(["float64(float64)"])(lambda x: math.erfc(x))
    names = pq.read_table(Path(snapshot) / "balances.parquet", columns=["ccy"], read_dictionary=["ccy"])
    held = {name for chunk in names["ccy"].chunks for name in chunk.dictionary.to_pylist()}
    params = params_of(rules)
    now = priced(snapshot, [BASE], held, rules, erfc)
    outcomes(empty_book(), now * 2, params, lanes)
    CLOCK.lap("warm_up")

    scenarios = [BASE, *read_shocks(shocks)]
    markets = priced(snapshot, scenarios, held, rules, erfc)
    CLOCK.lap("price")
    _, book = read_book(snapshot, rules, markets[0])
    CLOCK.lap("read")
    rows = outcomes(book, markets, params, lanes)
    CLOCK.lap("compute")
    write(out, scenarios, params, rows)
    CLOCK.lap("write")
    CLOCK.report(positions=len(book.qty), accounts=len(book.mode), scenarios=len(scenarios) - 1)


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(int, sys.argv[4:5]))
