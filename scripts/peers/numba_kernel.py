"""The account pass of the numba peer: one account after another, on all cores, without allocation per account."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit, prange

from market import (
    COLUMNS, DECAY, EXTREME, GAMMA, GRID, INVERSE, MOVES, OPTION, RATES, TERM, VEGA,
)

# No reference counting, which took half the time: nothing called by `margin` allocates.
FAST = {"error_model": "numpy", "_nrt": False}
BLOCK = 1024        # accounts of one task
PERFECT_HEDGE = 1e-12
LEAST_REQUIREMENT = 1e-6

# Columns of a unit's sums.
SLOPE, GROSS, DELTA, CASH, UPL, CHARGE, GROUP, OPTIONS = 0, 1, 2, 3, 4, 5, 6, 9
SUMS = 10

ACCOUNT_FIGURES = ("adj_eq", "total_eq", "upl", "mmr", "imr", "deriv_mmr", "borrow_mmr", "borrow_imr",
                   "liquidation_fee", "margin_ratio", "mmr_no_hedge", "imr_no_hedge")
UNIT_FIGURES = ("mr1", "mr1_price", "mr2", "mr3", "mr4", "mr5", "mr6", "mr6_price", "mr7", "mr9", "mmr", "imr",
                "cash_delta", "gamma", "vega", "theta", "spot_in_use", "upl")
STATUSES = ("liquidation", "near_liquidation", "warning", "healthy", "no_risk")


class Book(NamedTuple):
    """Accounts with their rows; account `a` owns positions `position_start[a]` to `position_start[a + 1]`."""

    mode: np.ndarray
    position_start: np.ndarray
    instrument: np.ndarray
    qty: np.ndarray
    avg_px: np.ndarray
    balance_start: np.ndarray
    ccy: np.ndarray
    cash: np.ndarray
    interest: np.ndarray
    cap: np.ndarray


class Params(NamedTuple):
    """Single parameters of the rules."""

    merged: bool
    imr_multiplier: float
    min_net_equity: float
    liquidation: float
    near: float
    warning: float
    mr3: float
    mr6: float
    fee_rate: float
    derivatives_fee: float
    pairs: np.ndarray
    mr9_bounds: np.ndarray
    mr9_rates: np.ndarray


class Results(NamedTuple):
    """Columns of the outputs; a row of `figures` is one column."""

    account_figures: np.ndarray
    status: np.ndarray
    im_deficit: np.ndarray
    ineligible: np.ndarray
    unit_figures: np.ndarray
    unit: np.ndarray
    vol_state: np.ndarray
    owner: np.ndarray


class Scratch(NamedTuple):
    """Work buffers of one task."""

    slot: np.ndarray        # of each unit, -1 if the account has no position in it
    units: np.ndarray
    sums: np.ndarray
    options: np.ndarray
    delta: np.ndarray       # by expiry
    vega: np.ndarray
    ledger: np.ndarray      # by currency: cash, P&L, option value, cap
    held: np.ndarray        # whether a currency is among `touched`
    touched: np.ndarray


def params_of(rules):
    """The single parameters in the kernel's format."""
    group = {"USDT": 0, "USDC": 1, "USD": 2}
    tiers = np.array([[float(bound), rate] for bound, rate in rules["mr9"]["tiers"]])
    return Params(
        merged=rules["risk_unit"] == "merged", imr_multiplier=float(rules["imr_multiplier"]),
        min_net_equity=float(rules["min_net_equity"]), liquidation=float(rules["status"]["liquidation"]),
        near=float(rules["status"]["near"]), warning=float(rules["status"]["warning"]),
        mr3=float(rules["mr3"]["offset_charge"]), mr6=float(rules["mr6"]["charge"]),
        fee_rate=float(rules["mr8"]["fee_rate"]), derivatives_fee=float(rules["liquidation_fee"]["derivatives"]),
        pairs=np.array([[group[a], group[b]] for a, b in rules["mr9"]["pairs"]], np.int64),
        mr9_bounds=tiers[:, :1].T.copy(), mr9_rates=tiers[:, 1:].T.copy())


@njit(parallel=True, error_model="numpy")
def count_units(first, last, start, instrument, unit, units):
    """Risk units of each account."""
    counts = np.zeros(last - first, np.int64)
    for block in prange((last - first + BLOCK - 1) // BLOCK):
        seen = np.full(units, -1, np.int64)
        for account in range(first + block * BLOCK, min(last, first + (block + 1) * BLOCK)):
            for at in range(start[account], start[account + 1]):
                place = unit[instrument[at]]
                if seen[place] != account:
                    seen[place] = account
                    counts[account - first] += 1
    return counts


@njit(inline="always", **FAST)
def incremental(bounds, rates, of, amount):
    """The rate of each tier applies to the part of the amount inside it; `of` is the row of the tables."""
    below = 0.0
    total = 0.0
    for at in range(bounds.shape[1]):
        if amount <= bounds[of, at]:
            return total + (amount - below) * rates[of, at]
        total += (bounds[of, at] - below) * rates[of, at]
        below = bounds[of, at]
    return total


@njit(inline="always", **FAST)
def loss(pnl):
    """`max(0, -pnl)`."""
    return -pnl if pnl < 0.0 else 0.0


@njit(**FAST)
def spot_in_use(equity, delta, cap):
    """Coins that hedge, signed like the equity."""
    if not ((equity > 0.0 and delta < 0.0) or (equity < 0.0 and delta > 0.0)):
        return 0.0
    return math.copysign(min(abs(equity), min(abs(delta), cap)), equity)


@njit(**FAST)
def price_stress(slot, u, w, units, p, spot):
    """MR1 with its scenario and MR6 with its move; `spot` is the USD value of spot in use."""
    slope = w.sums[slot, SLOPE] + spot
    if abs(slope) < PERFECT_HEDGE * (w.sums[slot, GROSS] + abs(spot)):
        slope = 0.0
    has_options = w.sums[slot, OPTIONS] != 0.0
    worst, move, state = np.inf, 0, 0
    for s in range(3 if has_options else 1):
        for m in range(MOVES):
            pnl = slope * units.moves[u, m]
            if has_options:
                pnl += w.options[slot, GRID + s * MOVES + m]
            if pnl < worst:
                worst, move, state = pnl, m, s
    size = units.extreme[u]
    fall, rise = -slope * size, slope * size
    if has_options:
        fall += w.options[slot, EXTREME]
        rise += w.options[slot, EXTREME + 1]
    if rise < fall:
        return loss(worst), move, state, p.mr6 * loss(rise), size
    return loss(worst), move, state, p.mr6 * loss(fall), -size


@njit(**FAST)
def other_stress(slot, u, w, units, p):
    """MR2, MR3, MR4, MR5, MR7 and MR9, which do not depend on spot in use."""
    gross = net = mr4 = 0.0
    for e in range(units.expiries[u]):
        mr4 += abs(w.delta[slot, e]) * units.basis[u, e]
        gross += abs(w.vega[slot, e])
        net += w.vega[slot, e]
    mr2 = mr5 = 0.0
    if w.sums[slot, OPTIONS] != 0.0:
        mr2 = loss(w.options[slot, DECAY])
        mr5 = loss(min(w.options[slot, RATES], w.options[slot, RATES + 1]))
    mr7 = incremental(units.tier_bounds, units.tier_rates, u, w.sums[slot, CHARGE])
    mr9 = 0.0
    if p.merged:
        for pair in range(p.pairs.shape[0]):
            one, two = GROUP + p.pairs[pair, 0], GROUP + p.pairs[pair, 1]
            a, b = w.sums[slot, one], w.sums[slot, two]
            if a * b < 0.0:
                hedged = min(abs(a), abs(b))
                mr9 += incremental(p.mr9_bounds, p.mr9_rates, 0, hedged)
                w.sums[slot, one] -= math.copysign(hedged, a)
                w.sums[slot, two] -= math.copysign(hedged, b)
    return mr2, p.mr3 * max(gross - abs(net), 0.0), mr4, mr5, mr7, mr9


@njit(inline="always", **FAST)
def touch(ccy, currencies, w):
    """Adds a currency to the list of the account; returns the length of the list."""
    if not w.held[ccy]:
        w.held[ccy] = True
        w.touched[currencies] = ccy
        w.ledger[ccy, 0] = w.ledger[ccy, 1] = w.ledger[ccy, 2] = 0.0
        w.ledger[ccy, 3] = np.inf
        return currencies + 1
    return currencies


@njit(**FAST)
def gather(account, book, c, units, fx, w, merged):
    """Sums of the account by unit and by currency. Returns the number of each, and the base of the fee."""
    ccys = count = 0
    for at in range(book.balance_start[account], book.balance_start[account + 1]):
        ccy = book.ccy[at]
        ccys = touch(ccy, ccys, w)
        w.ledger[ccy, 0] = book.cash[at] - book.interest[at]
        w.ledger[ccy, 3] = book.cap[at]
    fee_base = 0.0
    for at in range(book.position_start[account], book.position_start[account + 1]):
        i = book.instrument[at]
        n = book.qty[at]
        unit = c.unit[i]
        slot = w.slot[unit]
        if slot < 0:
            slot = count
            w.slot[unit] = slot
            w.units[slot] = unit
            for column in range(SUMS):
                w.sums[slot, column] = 0.0
            for e in range(units.expiries[unit]):
                w.delta[slot, e] = 0.0
                w.vega[slot, e] = 0.0
            count += 1
        e = c.expiry[i]
        cash_delta = n * c.cash_delta[i]
        w.sums[slot, DELTA] += n * c.delta_coin[i]
        w.sums[slot, CASH] += cash_delta
        w.sums[slot, CHARGE] += n * c.charge_long[i] if n >= 0.0 else -n * c.charge_short[i]
        if merged:
            w.sums[slot, GROUP + c.group[i]] += cash_delta
        w.delta[slot, e] += cash_delta
        fee_base += abs(n) * c.fee_base[i]
        settle = c.settle[i]
        ccys = touch(settle, ccys, w)
        if c.kind[i] == OPTION:
            row = c.row[i]
            if w.sums[slot, OPTIONS] == 0.0:
                w.sums[slot, OPTIONS] = 1.0
                for column in range(COLUMNS):
                    w.options[slot, column] = n * c.rows[row, column]
            else:
                for column in range(COLUMNS):
                    w.options[slot, column] += n * c.rows[row, column]
            w.vega[slot, e] += n * c.rows[row, TERM]
            w.ledger[settle, 2] += n * c.value_settle[i]
        else:
            gain = c.mark[i] - book.avg_px[at]
            if c.kind[i] == INVERSE:
                gain /= book.avg_px[at] * c.mark[i]
            upl = n * c.multiplier[i] * gain
            w.ledger[settle, 1] += upl
            w.sums[slot, UPL] += upl * fx[settle]
            slope = n * c.slope[i]
            w.sums[slot, SLOPE] += slope
            w.sums[slot, GROSS] += abs(slope)
    return count, ccys, fee_base


@njit(**FAST)
def account_margin(account, place, row, book, c, units, currencies, p, w, out):
    """One account: its units to rows from `row` on, its totals to `place`."""
    count, ccys, fee_base = gather(account, book, c, units, currencies.fx, w, p.merged)
    for at in range(1, count):
        unit, back = w.units[at], at
        while back > 0 and w.units[back - 1] > unit:
            w.units[back] = w.units[back - 1]
            back -= 1
        w.units[back] = unit
    upl = deriv_mmr = unhedged_mmr = 0.0
    figures = out.unit_figures
    for at in range(count):
        u = w.units[at]
        slot = w.slot[u]
        w.slot[u] = -1
        mode = book.mode[account]
        coin = 0.0
        if (p.merged and mode != 3) or mode == units.mode[u]:
            base = units.base[u]
            if w.held[base]:
                equity = w.ledger[base, 0] + w.ledger[base, 1]
                coin = spot_in_use(equity, w.sums[slot, DELTA], w.ledger[base, 3])
        spot = coin * units.spot[u] if coin != 0.0 else 0.0
        mr1, move, state, mr6, mr6_price = price_stress(slot, u, w, units, p, spot)
        mr2, mr3, mr4, mr5, mr7, mr9 = other_stress(slot, u, w, units, p)
        rest = mr3 + mr4 + mr5 + mr9
        mmr = max(max(mr1, mr2, mr6) + rest, mr7)
        unhedged = mmr
        if coin != 0.0:
            bare = price_stress(slot, u, w, units, p, 0.0)
            unhedged = max(max(bare[0], mr2, bare[3]) + rest, mr7)
        deriv_mmr += mmr
        unhedged_mmr += unhedged
        upl += w.sums[slot, UPL]
        has_options = w.sums[slot, OPTIONS] != 0.0
        at_row = row + at
        out.unit[at_row] = u
        out.owner[at_row] = place
        out.vol_state[at_row] = state
        figures[0, at_row] = mr1
        figures[1, at_row] = units.moves[u, move]
        figures[2, at_row] = mr2
        figures[3, at_row] = mr3
        figures[4, at_row] = mr4
        figures[5, at_row] = mr5
        figures[6, at_row] = mr6
        figures[7, at_row] = mr6_price
        figures[8, at_row] = mr7
        figures[9, at_row] = mr9
        figures[10, at_row] = mmr
        figures[11, at_row] = p.imr_multiplier * mmr
        figures[12, at_row] = w.sums[slot, CASH]
        figures[13, at_row] = w.options[slot, GAMMA] if has_options else 0.0
        figures[14, at_row] = w.options[slot, VEGA] if has_options else 0.0
        figures[15, at_row] = w.options[slot, DECAY] if has_options else 0.0
        figures[16, at_row] = coin
        figures[17, at_row] = w.sums[slot, UPL]

    adj_eq = total_eq = borrow_mmr = borrow_imr = 0.0
    fee = p.derivatives_fee * fee_base
    for at in range(ccys):
        ccy = w.touched[at]
        w.held[ccy] = False
        equity = w.ledger[ccy, 0] + w.ledger[ccy, 1] + w.ledger[ccy, 2]
        if equity > 0.0:
            fx = currencies.fx[ccy]
            total_eq += equity * fx
            adj_eq += incremental(currencies.discount_bounds, currencies.discount_rates, ccy, equity) * fx
        elif equity < 0.0:
            owed = -equity * currencies.fx[ccy]
            total_eq -= owed
            adj_eq -= owed
            tier = 0
            while -equity > currencies.borrow_bounds[ccy, tier]:
                tier += 1
            mmr = currencies.borrow_mmr[ccy, tier]
            borrow_mmr += owed * mmr
            borrow_imr += owed * currencies.borrow_imr[ccy, tier]
            fee += owed * (1.0 + mmr) * p.fee_rate
    mmr = deriv_mmr + borrow_mmr
    imr = p.imr_multiplier * deriv_mmr + borrow_imr
    required = mmr + fee
    ratio, status = np.nan, 4
    if required >= LEAST_REQUIREMENT:
        ratio = adj_eq / required
        status = 0 if ratio <= p.liquidation else 1 if ratio <= p.near else 2 if ratio <= p.warning else 3
    out.status[place] = status
    out.im_deficit[place] = adj_eq < imr
    out.ineligible[place] = total_eq < p.min_net_equity
    totals = out.account_figures
    totals[0, place] = adj_eq
    totals[1, place] = total_eq
    totals[2, place] = upl
    totals[3, place] = mmr
    totals[4, place] = imr
    totals[5, place] = deriv_mmr
    totals[6, place] = borrow_mmr
    totals[7, place] = borrow_imr
    totals[8, place] = fee
    totals[9, place] = ratio
    totals[10, place] = unhedged_mmr + borrow_mmr
    totals[11, place] = p.imr_multiplier * unhedged_mmr + borrow_imr


@njit(parallel=True, error_model="numpy", nogil=True)
def margin(first, last, row_start, book, c, units, currencies, p, out):
    """Accounts `first` to `last` of the book."""
    n_units, expiries = units.basis.shape
    for block in prange((last - first + BLOCK - 1) // BLOCK):
        w = Scratch(
            np.full(n_units, -1, np.int64), np.empty(n_units, np.int64), np.empty((n_units, SUMS)),
            np.empty((n_units, COLUMNS)), np.empty((n_units, expiries)), np.empty((n_units, expiries)),
            np.empty((currencies.fx.size, 4)), np.zeros(currencies.fx.size, np.bool_),
            np.empty(currencies.fx.size, np.int64))
        for account in range(first + block * BLOCK, min(last, first + (block + 1) * BLOCK)):
            place = account - first
            account_margin(account, place, row_start[place], book, c, units, currencies, p, w, out)
