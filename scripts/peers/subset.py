"""The part computed by scipy, polars and DuckDB: MR1, MR6 and MMR of every risk unit with spot hedging off.

Without spot in use a unit's figures are sums over its positions: one row of stresses per instrument, swaps and
futures included, so that the engines compute only a product and sums.
"""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa

from market import EXTREME, GAMMA, MOVES, OPTION, load_market, load_rules

GRID_NAMES = [f"g{at}" for at in range(3 * MOVES)]
STRESS_NAMES = [*GRID_NAMES, "fall", "rise", "term", "decay", "rate_up", "rate_down"]
erfc = np.vectorize(math.erfc, otypes=[float])


def stress_matrix(market):
    """Instruments x `STRESS_NAMES`: P&L in USD of one long contract."""
    c, u = market.contracts, market.units
    matrix = np.zeros((len(c.kind), GAMMA))
    linear = c.kind != OPTION
    slope, unit = c.slope[linear, None], c.unit[linear]
    for state in range(3):
        matrix[linear, state * MOVES : (state + 1) * MOVES] = slope * u.moves[unit]
    matrix[linear, EXTREME] = (-slope[:, 0]) * u.extreme[unit]
    matrix[linear, EXTREME + 1] = slope[:, 0] * u.extreme[unit]
    matrix[~linear] = c.rows[c.row[~linear], :GAMMA]
    return matrix


def columns_of(market):
    """The same as named columns, with the inputs of the rest of the requirement."""
    c, u = market.contracts, market.units
    matrix = stress_matrix(market)
    columns = {name: matrix[:, at] for at, name in enumerate(STRESS_NAMES)}
    names = np.array(market.unit_names)
    return {
        "inst_id": market.inst_ids, "risk_unit": names[c.unit], "expiry": c.expiry,
        "basis": u.basis[c.unit, c.expiry], "cash": c.cash_delta, "long": c.charge_long, "short": c.charge_short,
        **columns,
    }


def tiers_of(market):
    """MR7's tiers by unit: lower bound, upper bound and multiplier of each."""
    upper, rate = market.units.tier_bounds, market.units.tier_rates
    lower = np.concatenate([np.zeros((len(upper), 1)), upper[:, :-1]], axis=1)
    return lower, upper, rate


def load(snapshot, settings):
    """Rules and market, without hedging."""
    rules = load_rules(settings)
    if rules["risk_unit"] != "separate":
        raise SystemExit("the subset is computed for separate units: MR9 is not part of it")
    return rules, load_market(snapshot, rules, erfc)


def positions(snapshot):
    """The file of positions."""
    return Path(snapshot) / "positions.parquet"


def output(out_dir):
    """The file to write."""
    Path(out_dir).mkdir(parents=True, exist_ok=True)
    return Path(out_dir) / "risk_units.parquet"


def instrument_table(market):
    """`columns_of` as an Arrow table."""
    return pa.table(columns_of(market))


def tier_table(market):
    """Multiplier tiers by unit as an Arrow table: `lower0`, `upper0`, `rate0`, ..."""
    columns = {"risk_unit": market.unit_names}
    for name, values in zip(("lower", "upper", "rate"), tiers_of(market)):
        columns |= {f"{name}{at}": values[:, at] for at in range(values.shape[1])}
    return pa.table(columns)
