"""Shared by all peers: the rules, the market, and every instrument priced in every stress scenario.

The table is small (some thousand instruments), so numpy prices it; each peer then does the per-position work in its
own way. Formulas follow docs/explanation/model.md; figures come from data/rules/.
"""

import math
import tomllib
from datetime import timezone
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

RULES = Path(__file__).resolve().parents[2] / "data/rules/okx-pm2-2025-01.toml"

LINEAR, INVERSE, OPTION = 0, 1, 2
VOL_STATES = ("up", "same", "down")
MOVES = 7

# Columns of an option's row, P&L in USD of one long contract.
GRID = 0                    # volatility up, same, down, each over the price moves of MR1
EXTREME = 3 * MOVES         # MR6: the fall, the rise
TERM = EXTREME + 2          # MR3: volatility up at the current price
DECAY = TERM + 1            # MR2
RATES = DECAY + 1           # MR5: rate up, rate down
GAMMA = RATES + 2
VEGA = GAMMA + 1
COLUMNS = VEGA + 1


class Contracts(NamedTuple):
    """One long contract of each instrument; money in USD unless named otherwise."""

    kind: np.ndarray
    unit: np.ndarray
    expiry: np.ndarray          # index among the unit's expiries
    settle: np.ndarray
    group: np.ndarray           # settlement group of MR9: 0 USDT, 1 USDC, 2 everything else
    multiplier: np.ndarray
    mark: np.ndarray
    value_settle: np.ndarray    # options: m mark
    slope: np.ndarray
    cash_delta: np.ndarray
    delta_coin: np.ndarray
    charge_long: np.ndarray
    charge_short: np.ndarray
    fee_base: np.ndarray
    row: np.ndarray             # index among the option rows, -1 for swaps and futures
    rows: np.ndarray            # options x COLUMNS


class Units(NamedTuple):
    """One risk unit each."""

    base: np.ndarray            # currency
    mode: np.ndarray            # hedging mode that hedges it: 0 usdt, 1 usdc, 2 coin, -1 none
    spot: np.ndarray            # USD of one coin of spot in use
    moves: np.ndarray           # units x MOVES
    extreme: np.ndarray
    tier_bounds: np.ndarray     # MR7 multipliers, units x tiers
    tier_rates: np.ndarray
    basis: np.ndarray           # units x expiries
    expiries: np.ndarray        # number of expiries of the unit


class Currencies(NamedTuple):
    """One currency each; tiers padded with infinity."""

    fx: np.ndarray
    discount_bounds: np.ndarray
    discount_rates: np.ndarray
    borrow_bounds: np.ndarray
    borrow_mmr: np.ndarray
    borrow_imr: np.ndarray


class RuleTable(NamedTuple):
    """What the rules say of each instrument, unit and currency, whatever the prices."""

    units: Units                # spot and basis not filled in
    currencies: Currencies
    basis_floor: np.ndarray
    basis_annual: np.ndarray
    delta_one_charge: np.ndarray
    option_moves: np.ndarray    # options x MOVES
    option_extreme: np.ndarray
    option_charge: np.ndarray


class Quotes(NamedTuple):
    """A market before it is priced: names, then one column of instruments each, then units and currencies."""

    inst_ids: list
    unit_names: list
    currency_names: list
    kind: np.ndarray
    unit: np.ndarray
    expiry: np.ndarray          # index among the unit's expiries
    settle: np.ndarray          # currency
    group: np.ndarray           # settlement group of MR9
    base: np.ndarray            # currency
    quote: np.ndarray           # currency
    multiplier: np.ndarray
    years: np.ndarray           # to the expiry, 0 for perpetuals
    strike: np.ndarray
    call: np.ndarray
    mark: np.ndarray
    index: np.ndarray
    phi: np.ndarray             # USD of the quote currency
    settle_fx: np.ndarray       # USD of the settlement currency
    forward: np.ndarray
    vol: np.ndarray
    unit_base: np.ndarray
    unit_mode: np.ndarray
    unit_spot: np.ndarray
    unit_years: np.ndarray      # units x expiries, NaN where the unit has no more
    fx: np.ndarray              # of currencies

    def only(self, rows):
        """With these instruments alone."""
        columns = self[3 : 3 + len(QUOTE_TYPES)]
        return Quotes(*self[:3], *(column[rows] for column in columns), *self[3 + len(columns) :])


QUOTE_TYPES = (np.int32,) * 7 + (float, float, float, bool) + (float,) * 6


class Market(NamedTuple):
    """A priced market with its names."""

    inst_ids: list
    unit_names: list
    currency_names: list
    contracts: Contracts
    units: Units
    currencies: Currencies


def load_rules(settings=()):
    """The rules file with `key=value` settings applied."""
    rules = tomllib.loads(RULES.read_text())
    for setting in settings:
        key, text = setting.split("=", 1)
        *path, last = key.split(".")
        table = rules
        for part in path:
            table = table[part]
        try:
            table[last] = tomllib.loads(f"v = {text}")["v"]
        except tomllib.TOMLDecodeError:
            table[last] = text
    return rules


def load_market(snapshot, rules, erfc, more_currencies=()):
    """Reads the market tables and prices them. `erfc` is a ufunc of the peer's library."""
    quotes = read_quotes(snapshot, rules, more_currencies)
    return price_market(quotes, table_of(quotes, rules), rules, erfc)


def price_market(quotes, table, rules, erfc):
    """Every instrument priced in every stress scenario."""
    units = table.units._replace(spot=quotes.unit_spot, basis=np.nan_to_num(
        np.maximum(table.basis_floor[:, None], table.basis_annual[:, None] * quotes.unit_years)))
    return Market(quotes.inst_ids, quotes.unit_names, quotes.currency_names,
                  price_contracts(quotes, table, rules, erfc), units, table.currencies._replace(fx=quotes.fx))


def read_quotes(snapshot, rules, more_currencies=()):
    """Reads the market tables."""
    read = lambda name: pq.read_table(Path(snapshot) / f"{name}.parquet").to_pylist()
    as_of = tomllib.loads((Path(snapshot) / "snapshot.toml").read_text())["as_of"].astimezone(timezone.utc)
    index = {row["index_id"]: row["px"] for row in read("indices")}
    marks = {row["inst_id"]: row for row in read("marks")}
    instruments = read("instruments")
    merged = rules["risk_unit"] == "merged"

    names = {c for i in index for c in i.split("-")} | {i["settle_ccy"] for i in instruments} | set(more_currencies)
    names = sorted(names)
    number = {name: at for at, name in enumerate(names)}
    unit_of = lambda inst: inst["uly"].split("-")[0] if merged else inst["uly"]
    unit_names = sorted({unit_of(inst) for inst in instruments})
    unit_number = {name: at for at, name in enumerate(unit_names)}
    # MR4 counts a future that is a perpetual in all but name as one.
    like = lambda inst: inst["inst_type"] == "FUTURES" and any(
        part in inst["inst_id"] for part in rules["mr4"]["perpetual_like"])
    expiries = {name: set() for name in unit_names}
    for inst in instruments:
        inst["expiry"] = None if like(inst) else inst["expiry"]
        expiries[unit_of(inst)].add(inst["expiry"])
    order = lambda moment: (moment is not None, moment or as_of)
    expiries = {name: sorted(found, key=order) for name, found in expiries.items()}

    fx = lambda ccy: fx_of(index, ccy)
    rows = []
    for inst in instruments:
        base, quote = inst["uly"].split("-")
        mark = marks[inst["inst_id"]]
        kind = OPTION if inst["inst_type"] == "OPTION" else INVERSE if inst["ct_type"] == "inverse" else LINEAR
        unit = unit_of(inst)
        rows.append((
            kind, unit_number[unit], expiries[unit].index(inst["expiry"]), number[inst["settle_ccy"]],
            {"USDT": 0, "USDC": 1}.get(inst["settle_ccy"], 2), number[base], number[quote],
            inst["ct_val"] * inst["ct_mult"], years_to(inst["expiry"], as_of), inst["strike"] or 0.0,
            inst["opt_type"] == "C", mark["mark_px"], index[inst["uly"]], fx(quote), fx(inst["settle_ccy"]),
            mark["fwd_px"] or 0.0, mark["mark_vol"] or 0.0))
    columns = zip(QUOTE_TYPES, zip(*rows))
    underlying = {unit_of(inst): inst["uly"] for inst in reversed(instruments)}
    years = np.full((len(unit_names), max(map(len, expiries.values()))), np.nan)
    base, mode, spot = [], [], []
    for at, name in enumerate(unit_names):
        coin, quote = underlying[name].split("-")
        base.append(number[coin])
        mode.append({"USDT": 0, "USDC": 1, "USD": 2}.get(quote, -1))
        spot.append(fx(coin) if merged else index[underlying[name]] * fx(quote))
        years[at, : len(expiries[name])] = [years_to(moment, as_of) for moment in expiries[name]]
    return Quotes(
        [inst["inst_id"] for inst in instruments], unit_names, names, *(np.array(c, kind) for kind, c in columns),
        np.array(base, np.int32), np.array(mode, np.int32), np.array(spot), years,
        np.array([fx(name) for name in names]))


def fx_of(index, ccy):
    """USD value of a currency, NaN if the indices do not give it."""
    if ccy == "USD":
        return 1.0
    if f"{ccy}-USD" in index:
        return index[f"{ccy}-USD"]
    return index.get(f"{ccy}-USDT", math.nan) * index.get("USDT-USD", math.nan)


def class_of(classes, ccy):
    """`major`, `middle` or `other`."""
    listed = (name for name, members in classes.items() if ccy in members)
    rest = (name for name, members in classes.items() if "*" in members)
    return next(listed, None) or next(rest)


def years_to(expiry, as_of):
    """Years of 365 days; zero for perpetuals."""
    return 0.0 if expiry is None else (expiry.astimezone(timezone.utc) - as_of).total_seconds() / (365 * 86_400)


def tier_arrays(tables, column=1):
    """Tier tables of different lengths as two arrays, padded with infinite bounds."""
    width = max(map(len, tables))
    bounds = np.full((len(tables), width), np.inf)
    rates = np.zeros((len(tables), width))
    for at, table in enumerate(tables):
        bounds[at, : len(table)] = [float(row[0]) for row in table]
        rates[at, : len(table)] = [row[column] for row in table]
    return bounds, rates


def table_of(quotes, rules):
    """The rules of each instrument, unit and currency."""
    mr1_of = {name: class_of(rules["classes"]["mr1"], name) for name in quotes.currency_names}
    mr467_of = {name: class_of(rules["classes"]["mr4_mr6_mr7"], name) for name in quotes.currency_names}
    by = lambda classes, table, coins: np.array([table[classes[quotes.currency_names[at]]] for at in coins])
    coins, options = quotes.unit_base, quotes.base[quotes.kind == OPTION]
    bounds, rates = tier_arrays([rules["mr7"]["tiers"][mr467_of[quotes.currency_names[at]]] for at in coins])
    units = Units(
        coins, quotes.unit_mode, quotes.unit_spot, by(mr1_of, rules["mr1"]["price"], coins),
        by(mr467_of, rules["mr6"]["price"], coins), bounds, rates, quotes.unit_years,
        np.sum(~np.isnan(quotes.unit_years), axis=1, dtype=np.int32))
    return RuleTable(
        units, currency_table(quotes, rules), by(mr467_of, rules["mr4"]["floor"], coins),
        by(mr467_of, rules["mr4"]["annualized"], coins), by(mr467_of, rules["mr7"]["delta_one"], quotes.base),
        by(mr1_of, rules["mr1"]["price"], options), by(mr467_of, rules["mr6"]["price"], options),
        by(mr467_of, rules["mr7"]["option"], options))


def currency_table(quotes, rules):
    """Fx, collateral discounts and borrowing rates."""
    of = lambda table: [table.get(name, table["*"]) for name in quotes.currency_names]
    discount = tier_arrays(of(rules["discount"]))
    borrow = of(rules["mr8"]["tiers"])
    bounds, mmr = tier_arrays(borrow, 1)
    return Currencies(quotes.fx, *discount, bounds, mmr, tier_arrays(borrow, 2)[1])


def black76(forward, strike, vol, years, rate, call, erfc):
    """Value per coin: out of the money by the formula, in the money by put-call parity."""
    low, high = np.minimum(forward, strike), np.maximum(forward, strike)
    intrinsic = np.maximum(np.where(call, forward - strike, strike - forward), 0.0)
    deviation = vol * np.sqrt(years)
    with np.errstate(divide="ignore", invalid="ignore"):
        d1 = np.log(low / high) / deviation + 0.5 * deviation
        time = low * normal(d1, erfc) - high * normal(d1 - deviation, erfc)
    return np.exp(-rate * years) * (intrinsic + np.where(deviation > 0.0, time, 0.0))


def normal(x, erfc):
    """The normal distribution."""
    return 0.5 * erfc(-x * math.sqrt(0.5))


def price_contracts(quotes, table, rules, erfc):
    """Every instrument for one long contract."""
    q, kind, m = quotes, quotes.kind, quotes.multiplier
    delta_one = np.where(kind == INVERSE, m, m * q.mark * q.phi)
    slope = np.where(kind == INVERSE, m, np.where(kind == LINEAR, m * q.index * q.phi, 0.0))
    charge = np.abs(delta_one) * table.delta_one_charge
    at = np.flatnonzero(kind == OPTION)
    row = np.full(len(kind), -1, np.int32)
    row[at] = np.arange(len(at))
    contracts = Contracts(
        kind=kind, unit=q.unit, expiry=q.expiry, settle=q.settle, group=q.group, multiplier=m, mark=q.mark,
        value_settle=np.where(kind == OPTION, m * q.mark, 0.0), slope=slope, cash_delta=delta_one,
        delta_coin=np.where(kind == INVERSE, m / q.index, m), charge_long=charge, charge_short=charge.copy(),
        fee_base=np.abs(delta_one), row=row, rows=np.zeros((len(at), COLUMNS)))
    if len(at) == 0:
        return contracts
    return price_options(contracts, at, quotes.only(at), table, rules, erfc)


def option_values(options, rules, erfc):
    """Value of each option in its quote currency per coin."""
    return black76(options.forward, options.strike, options.vol, options.years, rules["rate"], options.call, erfc)


def price_options(contracts, at, options, table, rules, erfc):
    """Fills in the options: value, Greeks, and the P&L of each scenario."""
    forward, strike, vol, years, call = options.forward, options.strike, options.vol, options.years, options.call
    m, index, phi = options.multiplier, options.index, options.phi
    rate, rows, moves, extreme = rules["rate"], contracts.rows, table.option_moves, table.option_extreme
    value = lambda f, v, t: black76(f, strike, v, t, rate, call, erfc)
    base, scale = value(forward, vol, years), m * phi
    moved = lambda s, v: scale * (
        value(np.maximum(forward + index * s, rules["forward_floor"] * forward), v, years) - base)

    mr1 = rules["mr1"]
    days = years * 365.0
    shift = np.maximum(np.interp(days, mr1["vol_days"], mr1["vol_points"]),
                       np.interp(days, mr1["vol_days"], mr1["vol_relative"]) * vol)
    up, down = vol + shift, np.maximum(vol - shift, np.minimum(vol, mr1["vol_floor"]))
    for state, v in enumerate((up, vol, down)):
        for move in range(MOVES):
            rows[:, GRID + state * MOVES + move] = moved(moves[:, move], v)
    rows[:, EXTREME], rows[:, EXTREME + 1] = moved(-extreme, vol), moved(extreme, vol)
    rows[:, TERM] = moved(0.0, up)
    rows[:, DECAY] = scale * (value(forward, vol, np.maximum(years - rules["mr2"]["days"] / 365.0, 0.0)) - base)
    for place, sign in ((RATES, -1.0), (RATES + 1, 1.0)):
        rows[:, place] = scale * base * np.expm1(sign * rules["mr5"]["rate_shift"] * years)

    root = np.sqrt(years)
    with np.errstate(divide="ignore", invalid="ignore"):
        d1 = np.log(forward / strike) / (vol * root) + 0.5 * vol * root
        discount = np.exp(-rate * years)
        density = discount * np.exp(-0.5 * d1 * d1) / math.sqrt(2.0 * math.pi)
        rows[:, GAMMA] = scale * density / (forward * vol * root) * 0.01 * index * index
    delta = np.where(call, discount * normal(d1, erfc), -discount * normal(-d1, erfc))
    rows[:, VEGA] = scale * forward * density * root * 0.01

    charge = table.option_charge * index
    live = years > 0.0      # an option that has come to its expiry counts in equity alone
    rows[~live] = 0.0
    fill = lambda column, values: column.__setitem__(at, np.where(live, values, 0.0))
    fill(contracts.cash_delta, scale * delta * forward)
    fill(contracts.delta_coin, m * delta)
    fill(contracts.charge_short, scale * charge)
    fill(contracts.charge_long, scale * np.minimum(charge, rules["mr7"]["option_premium_cap"] * base))
    fill(contracts.fee_base, scale * index)
    return contracts
