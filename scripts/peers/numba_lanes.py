"""The kernel of the stress peer: each account is read once for several scenarios, which lie side by side in lanes.

Same model as numba_kernel.py with separate risk units, but nothing is kept of an account: only sums and counts of the
book. The number of lanes is the length of a tuple, so numba compiles it as a constant and vectorises over it.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit, prange

from market import DECAY, EXTREME, GAMMA, GRID, INVERSE, LINEAR, MOVES, OPTION, RATES, TERM
from numba_kernel import BLOCK, FAST, LEAST_REQUIREMENT, PERFECT_HEDGE, incremental, spot_in_use

# Figures of a contract, each over the lanes. VALUE is what a contract adds to equity, cost aside: m mark, -m / mark
# of inverse contracts.
SLOPE, DELTA, LONG, SHORT, CASH, FEE, VALUE = range(7)
FIGURES = 7
# Columns of a unit's sums.
CHARGE, GROSS = 2, 3
SUMS = 4
ROW = GAMMA                 # columns of an option row: the Greeks behind it are not needed
# Figures of an account, and sums of the book.
ADJ_EQ, TOTAL_EQ, UPL, DERIV, BORROW_MMR, BORROW_IMR, LIQUIDATION_FEE, BARE = range(8)
ACCOUNT = 8
COLUMNS = ("adj_eq", "total_eq", "upl", "deriv_mmr", "borrow_mmr", "borrow_imr", "liquidation_fee", "deriv_no_hedge",
           "liquidation", "near_liquidation", "warning", "healthy", "no_risk", "im_deficit", "ineligible",
           "newly_liquidation", "newly_im_deficit", "shortfall", "shortfall_accounts")
STATUS, IM_DEFICIT, INELIGIBLE, NEWLY, NEWLY_IM, SHORTFALL, OWING = 8, 13, 14, 15, 16, 17, 18


class Lanes(NamedTuple):
    """Several priced markets; the last axis is the scenario."""

    kind: np.ndarray
    unit: np.ndarray
    expiry: np.ndarray
    settle: np.ndarray
    row: np.ndarray
    multiplier: np.ndarray
    figures: np.ndarray         # instruments x FIGURES x lanes
    rows: np.ndarray            # options x ROW x lanes
    spot: np.ndarray            # units x lanes
    basis: np.ndarray           # units x expiries x lanes
    fx: np.ndarray              # currencies x lanes


class Scratch(NamedTuple):
    """Work buffers of one task; the last axis of floats is the scenario, unless said otherwise."""

    slot: np.ndarray
    units: np.ndarray
    has_options: np.ndarray
    sums: np.ndarray
    options: np.ndarray
    delta: np.ndarray           # by expiry
    vega: np.ndarray
    gain: np.ndarray            # by currency: of swaps and futures before their cost, value of options
    fixed: np.ndarray           # by currency: cash, cost of swaps and futures, cap; the same in every scenario
    held: np.ndarray
    touched: np.ndarray
    stress: np.ndarray          # of one unit: spot in use, stress with it, stress without
    account: np.ndarray
    totals: np.ndarray


def side_by_side(markets):
    """Priced markets as lanes."""
    first = markets[0].contracts
    stack = lambda of: np.ascontiguousarray(np.stack([of(market) for market in markets], axis=-1))

    def figures(market):
        c = market.contracts
        value = c.multiplier * c.mark
        inverse = c.kind == INVERSE
        value[inverse] = -c.multiplier[inverse] / c.mark[inverse]
        return np.stack((c.slope, c.delta_coin, c.charge_long, -c.charge_short, c.cash_delta, c.fee_base, value), 1)

    return Lanes(
        first.kind, first.unit, first.expiry, first.settle, first.row, first.multiplier, stack(figures),
        stack(lambda market: market.contracts.rows[:, :ROW]), stack(lambda market: market.units.spot),
        stack(lambda market: market.units.basis), stack(lambda market: market.currencies.fx))


@njit(forceinline=True, **FAST)
def touch(ccy, ccys, w, lanes):
    """Adds a currency to the list of the account; returns the length of the list."""
    if w.held[ccy]:
        return ccys
    w.held[ccy] = True
    w.touched[ccys] = ccy
    w.fixed[ccy, 0] = w.fixed[ccy, 1] = 0.0
    w.fixed[ccy, 2] = np.inf
    for l in range(len(lanes)):
        w.gain[ccy, 0, l] = 0.0
        w.gain[ccy, 1, l] = 0.0
    return ccys + 1


@njit(forceinline=True, **FAST)
def open_unit(unit, slot, expiries, w, lanes):
    """Empty sums of a unit."""
    w.slot[unit] = slot
    w.units[slot] = unit
    w.has_options[slot] = False
    for column in range(SUMS):
        for l in range(len(lanes)):
            w.sums[slot, column, l] = 0.0
    for e in range(expiries):
        for l in range(len(lanes)):
            w.delta[slot, e, l] = 0.0


@njit(forceinline=True, **FAST)
def open_options(slot, expiries, w, lanes):
    """Empty sums of a unit's options."""
    w.has_options[slot] = True
    for column in range(ROW):
        for l in range(len(lanes)):
            w.options[slot, column, l] = 0.0
    for e in range(expiries):
        for l in range(len(lanes)):
            w.vega[slot, e, l] = 0.0


@njit(**FAST)
def gather(account, book, m, expiries, fee_rate, w, lanes):
    """Sums of the account by unit and by currency. Returns the number of each."""
    ccys = count = 0
    for at in range(book.balance_start[account], book.balance_start[account + 1]):
        ccy = book.ccy[at]
        ccys = touch(ccy, ccys, w, lanes)
        w.fixed[ccy, 0] = book.cash[at] - book.interest[at]
        w.fixed[ccy, 2] = book.cap[at]
    for at in range(book.position_start[account], book.position_start[account + 1]):
        i = book.instrument[at]
        n = book.qty[at]
        unit, e, settle, kind = m.unit[i], m.expiry[i], m.settle[i], m.kind[i]
        slot = w.slot[unit]
        if slot < 0:
            slot = count
            open_unit(unit, slot, expiries[unit], w, lanes)
            count += 1
        ccys = touch(settle, ccys, w, lanes)
        is_option = 1 if kind == OPTION else 0
        side = LONG if n >= 0.0 else SHORT
        size = abs(n) * fee_rate
        for l in range(len(lanes)):
            w.sums[slot, DELTA, l] += n * m.figures[i, DELTA, l]
            w.sums[slot, CHARGE, l] += n * m.figures[i, side, l]
            w.delta[slot, e, l] += n * m.figures[i, CASH, l]
            w.account[LIQUIDATION_FEE, l] += size * m.figures[i, FEE, l]
            w.gain[settle, is_option, l] += n * m.figures[i, VALUE, l]
        if is_option:
            if not w.has_options[slot]:
                open_options(slot, expiries[unit], w, lanes)
            row = m.row[i]
            for column in range(ROW):
                for l in range(len(lanes)):
                    w.options[slot, column, l] += n * m.rows[row, column, l]
            for l in range(len(lanes)):
                w.vega[slot, e, l] += n * m.rows[row, TERM, l]
        else:
            cost = book.avg_px[at] if kind == LINEAR else -1.0 / book.avg_px[at]
            w.fixed[settle, 1] -= n * m.multiplier[i] * cost
            for l in range(len(lanes)):
                slope = n * m.figures[i, SLOPE, l]
                w.sums[slot, SLOPE, l] += slope
                w.sums[slot, GROSS, l] += abs(slope)
    return count, ccys


@njit(forceinline=True, **FAST)
def price_stress(slot, u, has_options, hedged, to, units, p, m, w, lanes):
    """MR1 and MR6, the larger, into `w.stress[to]`; `hedged` is 1.0 if spot in use counts."""
    size = units.extreme[u]
    for l in range(len(lanes)):
        spot = hedged * w.stress[0, l] * m.spot[u, l]
        slope = w.sums[slot, SLOPE, l] + spot
        flat = abs(slope) < PERFECT_HEDGE * (w.sums[slot, GROSS, l] + abs(spot))
        slope = 0.0 if flat else slope
        worst = 0.0
        fall, rise = -slope * size, slope * size
        if has_options:
            for move in range(MOVES):
                linear = slope * units.moves[u, move]
                for state in range(3):
                    pnl = linear + w.options[slot, GRID + state * MOVES + move, l]
                    worst = pnl if pnl < worst else worst
            fall += w.options[slot, EXTREME, l]
            rise += w.options[slot, EXTREME + 1, l]
        else:
            for move in range(MOVES):
                pnl = slope * units.moves[u, move]
                worst = pnl if pnl < worst else worst
        extreme = p.mr6 * (rise if rise < fall else fall)
        w.stress[to, l] = -(extreme if extreme < worst else worst)


@njit(**FAST)
def unit_margin(slot, u, hedges, base, units, p, m, w, lanes):
    """Adds the MMR of a unit to the account, with spot in use and without."""
    has_options = w.has_options[slot]
    any_spot = False
    if hedges and w.held[base]:
        for l in range(len(lanes)):
            equity = w.fixed[base, 0] + w.fixed[base, 1] + w.gain[base, 0, l]
            coin = spot_in_use(equity, w.sums[slot, DELTA, l], w.fixed[base, 2])
            w.stress[0, l] = coin
            any_spot = any_spot or coin != 0.0
    else:
        for l in range(len(lanes)):
            w.stress[0, l] = 0.0
    price_stress(slot, u, has_options, 1.0, 1, units, p, m, w, lanes)
    bare = 1
    if any_spot:
        bare = 2
        price_stress(slot, u, has_options, 0.0, 2, units, p, m, w, lanes)
    for l in range(len(lanes)):
        w.stress[3, l] = 0.0
        w.stress[4, l] = 0.0
    for e in range(units.expiries[u]):
        for l in range(len(lanes)):
            w.stress[3, l] += abs(w.delta[slot, e, l]) * m.basis[u, e, l]
    if has_options:
        for l in range(len(lanes)):
            gross = net = 0.0
            for e in range(units.expiries[u]):
                gross += abs(w.vega[slot, e, l])
                net += w.vega[slot, e, l]
            rates = min(w.options[slot, RATES, l], w.options[slot, RATES + 1, l])
            w.stress[3, l] += p.mr3 * max(gross - abs(net), 0.0) - min(rates, 0.0)
            w.stress[4, l] = -min(w.options[slot, DECAY, l], 0.0)
    for l in range(len(lanes)):
        mr7 = incremental(units.tier_bounds, units.tier_rates, u, w.sums[slot, CHARGE, l])
        w.account[DERIV, l] += max(max(w.stress[1, l], w.stress[4, l]) + w.stress[3, l], mr7)
        w.account[BARE, l] += max(max(w.stress[bare, l], w.stress[4, l]) + w.stress[3, l], mr7)


@njit(**FAST)
def equity(ccy, currencies, p, m, w, lanes):
    """Adds a currency to equity, or to the debt."""
    known = w.fixed[ccy, 0] + w.fixed[ccy, 1]
    for l in range(len(lanes)):
        fx = m.fx[ccy, l]
        amount = known + w.gain[ccy, 0, l] + w.gain[ccy, 1, l]
        w.account[UPL, l] += (w.fixed[ccy, 1] + w.gain[ccy, 0, l]) * fx
        w.account[TOTAL_EQ, l] += amount * fx
        if amount >= 0.0:
            w.account[ADJ_EQ, l] += incremental(currencies.discount_bounds, currencies.discount_rates, ccy, amount) * fx
        else:
            owed = -amount * fx
            w.account[ADJ_EQ, l] -= owed
            tier = 0
            while -amount > currencies.borrow_bounds[ccy, tier]:
                tier += 1
            mmr = currencies.borrow_mmr[ccy, tier]
            w.account[BORROW_MMR, l] += owed * mmr
            w.account[BORROW_IMR, l] += owed * currencies.borrow_imr[ccy, tier]
            w.account[LIQUIDATION_FEE, l] += owed * (1.0 + mmr) * p.fee_rate


@njit(**FAST)
def count_account(account, base, first_pass, p, w, lanes):
    """Adds an account to the sums of the book; the first pass keeps how it stands in the base case."""
    for column in range(ACCOUNT):
        for l in range(len(lanes)):
            w.totals[column, l] += w.account[column, l]
    for l in range(len(lanes)):
        adj_eq, total_eq = w.account[ADJ_EQ, l], w.account[TOTAL_EQ, l]
        required = w.account[DERIV, l] + w.account[BORROW_MMR, l] + w.account[LIQUIDATION_FEE, l]
        status = 4
        if required >= LEAST_REQUIREMENT:
            ratio = adj_eq / required
            status = 0 if ratio <= p.liquidation else 1 if ratio <= p.near else 2 if ratio <= p.warning else 3
        deficit = adj_eq < p.imr_multiplier * w.account[DERIV, l] + w.account[BORROW_IMR, l]
        if first_pass and l == 0:
            base[account, 0] = status == 0
            base[account, 1] = deficit
        w.totals[STATUS + status, l] += 1.0
        w.totals[IM_DEFICIT, l] += 1.0 if deficit else 0.0
        w.totals[INELIGIBLE, l] += 1.0 if total_eq < p.min_net_equity else 0.0
        w.totals[NEWLY, l] += 1.0 if status == 0 and not base[account, 0] else 0.0
        w.totals[NEWLY_IM, l] += 1.0 if deficit and not base[account, 1] else 0.0
        w.totals[SHORTFALL, l] -= min(total_eq, 0.0)
        w.totals[OWING, l] += 1.0 if total_eq < 0.0 else 0.0


@njit(**FAST)
def account_margin(account, book, m, units, currencies, p, base, first_pass, w, lanes):
    """One account in every lane."""
    for column in range(ACCOUNT):
        for l in range(len(lanes)):
            w.account[column, l] = 0.0
    count, ccys = gather(account, book, m, units.expiries, p.derivatives_fee, w, lanes)
    mode = book.mode[account]
    for slot in range(count):
        u = w.units[slot]
        w.slot[u] = -1
        unit_margin(slot, u, mode == units.mode[u], units.base[u], units, p, m, w, lanes)
    for at in range(ccys):
        ccy = w.touched[at]
        w.held[ccy] = False
        equity(ccy, currencies, p, m, w, lanes)
    count_account(account, base, first_pass, p, w, lanes)


@njit(parallel=True, error_model="numpy", cache=True)
def stress(book, m, units, currencies, p, base, first_pass, lanes):
    """Sums of the book for each block of accounts: blocks x COLUMNS x lanes."""
    accounts, n_units, expiries, ccys = len(book.mode), m.spot.shape[0], m.basis.shape[1], m.fx.shape[0]
    blocks = (accounts + BLOCK - 1) // BLOCK
    result = np.zeros((blocks, len(COLUMNS), len(lanes)))
    for block in prange(blocks):
        wide = len(lanes)
        w = Scratch(
            np.full(n_units, -1, np.int64), np.empty(n_units, np.int64), np.empty(n_units, np.bool_),
            np.empty((n_units, SUMS, wide)), np.empty((n_units, ROW, wide)), np.empty((n_units, expiries, wide)),
            np.empty((n_units, expiries, wide)), np.empty((ccys, 2, wide)), np.empty((ccys, 3)),
            np.zeros(ccys, np.bool_), np.empty(ccys, np.int64), np.empty((5, wide)), np.empty((ACCOUNT, wide)),
            result[block])
        for account in range(block * BLOCK, min(accounts, (block + 1) * BLOCK)):
            account_margin(account, book, m, units, currencies, p, base, first_pass, w, lanes)
    return result
