//! Sections 7 and 8: the stress components of one risk unit.

use super::leg::Leg;
use super::number::Num;
use super::{Components, Unit, incremental_num};
use crate::margin::VolState;
use crate::margin::rules::{Class, MR1_MOVES, Mr1Rules, Mr4Rules, Mr9Rules, RiskUnitMode, Rules, SettleGroup};
use crate::margin::tiers::Tiers;
use crate::market::InstrumentKind;
use std::collections::BTreeMap;

/// Spot that hedges the unit: `h` coins at `price` USD each.
#[derive(Clone, Copy)]
pub(super) struct SpotInUse {
    pub(super) coins: Num,
    pub(super) price_usd: Num,
}

/// If the linear slope is below this share of the sum of its absolute terms, the hedge is perfect.
const PERFECT_HEDGE: f64 = 1e-12;
const DAYS_A_YEAR: f64 = 365.0;

/// The margin of the unit `name` with the positions `legs`, all of one base currency; `legs` is empty if the unit has
/// orders only.
pub(super) fn unit_margin(name: &str, legs: &[&Leg], spot: SpotInUse, rules: &Rules) -> Unit {
    let named = name.split('-').next().unwrap_or_default();
    let base = legs.first().map_or(named, |leg| leg.base);
    let class = rules.mr467_classes.of(base);
    let prices = *rules.mr1.price.get(rules.mr1_classes.of(base));
    let slope = linear_slope(legs, spot);

    let grid: Vec<Vec<Num>> = prices
        .iter()
        .map(|&price| VolState::ALL.iter().map(|&state| scenario_pnl(legs, slope, price, state, rules)).collect())
        .collect();
    let (mr1_pnl, mr1_price, mr1_vol) = worst_of_grid(&grid, &prices);

    let extreme = *rules.mr6.price.get(class);
    let moves = [-extreme, extreme];
    let mr6_pnl = moves.map(|price| scenario_pnl(legs, slope, price, VolState::Same, rules));
    let rise_is_worse = mr6_pnl[1] < mr6_pnl[0];

    let theta = theta(legs, rules);
    let parts = Components {
        mr1: loss(mr1_pnl).to_f64(),
        mr2: loss(theta).to_f64(),
        mr3: mr3(legs, rules).to_f64(),
        mr4: mr4(legs, spot, &rules.mr4, class).to_f64(),
        mr5: mr5(legs, rules).to_f64(),
        mr6: (Num::from(rules.mr6.charge) * loss(mr6_pnl[0].min(mr6_pnl[1]))).to_f64(),
        mr7: mr7(legs, rules, base).to_f64(),
        mr9: mr9(legs, rules).to_f64(),
    };
    let mmr = combine(&parts);

    Unit {
        name: name.to_string(),
        parts,
        mr1_price,
        mr1_vol,
        mr6_price: if rise_is_worse { moves[1] } else { moves[0] },
        mmr: mmr.to_f64(),
        imr: (Num::from(rules.imr_multiplier) * mmr).to_f64(),
        order_imr: 0.0,
        cash_delta: legs.iter().map(|leg| leg.cash_delta()).sum::<Num>().to_f64(),
        gamma: gamma(legs).to_f64(),
        vega: vega(legs).to_f64(),
        theta: theta.to_f64(),
        spot_in_use: spot.coins.to_f64(),
        upl: legs.iter().map(|leg| leg.upl() * leg.settle_fx).sum::<Num>().to_f64(),
        grid_prices: prices,
        grid: std::array::from_fn::<_, MR1_MOVES, _>(|move_| std::array::from_fn(|vol| grid[move_][vol].to_f64())),
        mr6_prices: moves,
        mr6_pnl: mr6_pnl.map(Num::to_f64),
        has_options: legs.iter().any(|leg| leg.option.is_some()),
        notional: (legs.iter().map(|leg| leg.notional()).sum::<Num>() + (spot.coins * spot.price_usd).abs()).to_f64(),
        spot_price_usd: spot.price_usd.to_f64(),
    }
}

/// `max( max(MR1, MR2, MR6) + MR3 + MR4 + MR5 + MR9, MR7 )`.
pub(super) fn combine(parts: &Components) -> Num {
    let n = Num::from;
    let worst = n(parts.mr1).max(n(parts.mr2)).max(n(parts.mr6));
    let stressed = worst + n(parts.mr3) + n(parts.mr4) + n(parts.mr5) + n(parts.mr9);
    stressed.max(n(parts.mr7))
}

/// `max(0, -pnl)`.
fn loss(pnl: Num) -> Num {
    Num::ZERO.max(-pnl)
}

/// `L`: USD per relative move of the index, spot in use included; exactly zero for a perfect hedge.
fn linear_slope(legs: &[&Leg], spot: SpotInUse) -> Num {
    let mut terms: Vec<Num> = legs.iter().map(|leg| leg.slope()).collect();
    terms.push(spot.coins * spot.price_usd);
    let gross: Num = terms.iter().map(|term| term.abs()).sum();
    let net: Num = terms.into_iter().sum();
    if net.abs() < Num::from(PERFECT_HEDGE) * gross { Num::ZERO } else { net }
}

/// P&L of the unit for a relative index move and a volatility state.
fn scenario_pnl(legs: &[&Leg], slope: Num, price: f64, state: VolState, rules: &Rules) -> Num {
    let options: Num = legs.iter().map(|leg| option_pnl(leg, price, state, rules)).sum();
    slope * Num::from(price) + options
}

/// `n m phi [V(F', K, v', T) - V(F, K, v, T)]`, in coins `n m phi S [V'/F' - V/F]`; zero for swaps and futures, which
/// are in the slope.
fn option_pnl(leg: &Leg, price: f64, state: VolState, rules: &Rules) -> Num {
    let Some(now) = leg.option else { return Num::ZERO };
    let mut then = now;
    then.forward = (now.forward + leg.index.to_f64() * price).max(leg.forward_floor * now.forward);
    then.vol = shifted_vol(now.vol, now.years, state, &rules.mr1);
    leg.option_usd(leg.pnl_per_coin(&now, &then, rules))
}

/// `v'`: unchanged; up `v + w`; down `max(v - w, min(v, vol_floor))`.
fn shifted_vol(vol: f64, years: f64, state: VolState, mr1: &Mr1Rules) -> f64 {
    let days = years * DAYS_A_YEAR;
    let points = interpolate(&mr1.vol_days, &mr1.vol_points, days);
    let relative = interpolate(&mr1.vol_days, &mr1.vol_relative, days);
    let width = points.max(relative * vol);
    match state {
        VolState::Up => vol + width,
        VolState::Same => vol,
        VolState::Down => (vol - width).max(vol.min(mr1.vol_floor)),
    }
}

/// Linear between knots, flat beyond.
fn interpolate(knots: &[f64], values: &[f64], at: f64) -> f64 {
    let points: Vec<(f64, f64)> = knots.iter().copied().zip(values.iter().copied()).collect();
    for pair in points.windows(2) {
        let ((left, low), (right, high)) = (pair[0], pair[1]);
        if at <= left {
            return low;
        }
        if at < right {
            return low + (high - low) * (at - left) / (right - left);
        }
    }
    points.last().map_or(f64::NAN, |last| last.1)
}

/// The smallest P&L of the grid, with its scenario. Of equal ones the first by volatility state, then by price.
fn worst_of_grid(grid: &[Vec<Num>], prices: &[f64]) -> (Num, f64, VolState) {
    let mut worst: Option<(Num, f64, VolState)> = None;
    for (column, &state) in VolState::ALL.iter().enumerate() {
        for (row, &price) in grid.iter().zip(prices) {
            let pnl = row[column];
            if worst.is_none_or(|(least, ..)| pnl < least) {
                worst = Some((pnl, price, state));
            }
        }
    }
    worst.unwrap_or((Num::ZERO, f64::NAN, VolState::Same))
}

/// Signed P&L after `days` pass.
fn theta(legs: &[&Leg], rules: &Rules) -> Num {
    let decay = |leg: &&Leg| {
        let Some(now) = leg.option else { return Num::ZERO };
        let mut then = now;
        then.years = (now.years - rules.mr2_days / DAYS_A_YEAR).max(0.0);
        leg.option_usd(leg.pnl_per_coin(&now, &then, rules))
    };
    legs.iter().map(decay).sum()
}

/// `offset_charge x (sum over expiries of abs W_e - abs of the sum of W_e)`.
fn mr3(legs: &[&Leg], rules: &Rules) -> Num {
    let mut by_expiry: BTreeMap<Option<i64>, Num> = BTreeMap::new();
    for leg in legs {
        let sum = by_expiry.entry(leg.instrument.expiry_ns).or_insert(Num::ZERO);
        *sum = *sum + option_pnl(leg, 0.0, VolState::Up, rules);
    }
    let gross: Num = by_expiry.values().map(|pnl| pnl.abs()).sum();
    let net: Num = by_expiry.values().copied().sum();
    Num::from(rules.mr3_offset_charge) * (gross - net.abs())
}

/// `sum over expiries of abs(D_e) x max(floor, annualized x T_e)`; perpetuals are one bucket with `T = 0`, and so are
/// futures that the rules call perpetual-like. Spot in use may be a bucket with `T = 0` of its own.
fn mr4(legs: &[&Leg], spot: SpotInUse, rules: &Mr4Rules, class: Class) -> Num {
    let (floor, annualized) = (*rules.floor.get(class), *rules.annualized.get(class));
    let mut by_expiry: BTreeMap<Option<i64>, (Num, f64)> = BTreeMap::new();
    for leg in legs {
        let (mut expiry_ns, mut years) = (leg.instrument.expiry_ns, leg.years);
        for name in &rules.perpetual_like {
            if leg.instrument.inst_id.contains(name) && !matches!(leg.instrument.kind, InstrumentKind::Option { .. }) {
                (expiry_ns, years) = (None, 0.0);
            }
        }
        let bucket = by_expiry.entry(expiry_ns).or_insert((Num::ZERO, years));
        bucket.0 = bucket.0 + leg.cash_delta();
    }
    let charge = |&(delta, years): &(Num, f64)| {
        let rate = Num::from(floor).max(Num::from(annualized) * Num::from(years));
        delta.abs() * rate
    };
    let of_spot = if rules.spot_bucket { charge(&(spot.coins * spot.price_usd, 0.0)) } else { Num::ZERO };
    by_expiry.values().map(charge).sum::<Num>() + of_spot
}

/// `max(0, -min(P+, P-))`, `P+- = sum of n m phi V (exp(-+ rate_shift T) - 1)`.
fn mr5(legs: &[&Leg], rules: &Rules) -> Num {
    let shifted = |shift: f64| -> Num {
        let pnl = |leg: &&Leg| {
            let Some(option) = leg.option else { return Num::ZERO };
            let value = option.value() * libm::expm1(-shift * option.years);
            let in_coin = leg.counts_in_coin(rules);
            leg.option_usd(if in_coin { value / option.forward * leg.index.to_f64() } else { value })
        };
        legs.iter().map(pnl).sum()
    };
    loss(shifted(rules.mr5_rate_shift).min(shifted(-rules.mr5_rate_shift)))
}

/// The sum of the rows' minimum charges, through the multiplier tiers.
fn mr7(legs: &[&Leg], rules: &Rules, base: &str) -> Num {
    let class = rules.mr467_classes.of(base);
    let (delta_one, option) = (*rules.mr7.delta_one.get(class), *rules.mr7.option.get(class));
    let charge = |leg: &&Leg| leg.minimum_charge(delta_one, option, rules.mr7.option_premium_cap);
    incremental_num(rules.mr7.tiers.get(class), legs.iter().map(charge).sum())
}

/// Cash deltas of the settlement groups, offset pair by pair. Merged units only.
fn mr9(legs: &[&Leg], rules: &Rules) -> Num {
    if rules.risk_unit == RiskUnitMode::Separate {
        return Num::ZERO;
    }
    let mut delta = SettleGroup::ALL.map(|group| -> Num {
        legs.iter().filter(|leg| leg.settle_group() == group).map(|leg| leg.cash_delta()).sum()
    });
    // The price of the cheaper stablecoin of a pair; USD is none.
    let price = |group: SettleGroup| {
        let leg = legs.iter().find(|leg| group != SettleGroup::Usd && leg.settle_group() == group);
        leg.map(|leg| leg.settle_fx)
    };
    let cheaper = |pair: [SettleGroup; 2]| pair.into_iter().filter_map(price).reduce(Num::min);
    let place = |group: SettleGroup| SettleGroup::ALL.iter().position(|&other| other == group).unwrap_or(0);
    let mut charge = Num::ZERO;
    for &(first, second) in &rules.mr9.pairs {
        let stablecoin = cheaper([first, second]);
        let (first, second) = (place(first), place(second));
        if delta[first].sign() * delta[second].sign() >= 0 {
            continue;
        }
        let hedged = delta[first].abs().min(delta[second].abs());
        charge = charge + hedge_charge(&rules.mr9, hedged, stablecoin);
        for group in [first, second] {
            let rest = delta[group].abs() - hedged;
            delta[group] = if delta[group].sign() < 0 { -rest } else { rest };
        }
    }
    charge
}

/// The incremental rates on a hedged size, at the price of the stablecoin: between two prices of the table the charge
/// lies on the straight line between those at either, beyond them it is that of the nearest.
fn hedge_charge(rules: &Mr9Rules, hedged: Num, price: Option<Num>) -> Num {
    let at = |table: &Tiers| incremental_num(table, hedged);
    let (Some(first), Some(last)) = (rules.tiers.first(), rules.tiers.last()) else { return Num::ZERO };
    let Some(price) = price else { return at(first) };
    let knots: Vec<(Num, &Tiers)> = rules.prices.iter().map(|&knot| Num::from(knot)).zip(&rules.tiers).collect();
    match knots.first() {
        None => return at(first),
        Some((lowest, table)) if price <= *lowest => return at(table),
        Some(_) => {}
    }
    for pair in knots.windows(2) {
        let ((below, low), (above, high)) = (pair[0], pair[1]);
        if price <= above {
            return at(low) + (at(high) - at(low)) * (price - below) / (above - below);
        }
    }
    at(last)
}

/// Change of the options' coin delta for an index move of +1 %, in USD.
fn gamma(legs: &[&Leg]) -> Num {
    let usd = |leg: &&Leg| {
        let Some(option) = leg.option else { return Num::ZERO };
        leg.size() * Num::from(option.gamma()) * Num::from(0.01) * leg.index * leg.index * leg.phi
    };
    legs.iter().map(usd).sum()
}

/// Change of value for +1 volatility point, USD.
fn vega(legs: &[&Leg]) -> Num {
    let usd = |leg: &&Leg| leg.option.map_or(Num::ZERO, |option| leg.option_usd(option.vega()) * Num::from(0.01));
    legs.iter().map(usd).sum()
}
