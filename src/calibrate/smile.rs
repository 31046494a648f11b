//! The market of a unit of options, out of the answer itself: forwards by put-call parity, volatilities by inversion,
//! the index from the P&L of a price move.

use super::printed::Printed;
use super::read::{Answer, Leg, Unit};
use crate::listing::Kind;
use crate::margin::black76::value;

/// An option of a unit, with what its marks imply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Implied {
    /// Signed coins times the USD value of the quote currency.
    pub size: f64,
    pub forward: f64,
    pub strike: f64,
    pub vol: f64,
    pub years: f64,
    pub call: bool,
    /// It settles in its coin.
    pub in_coin: bool,
}

impl Implied {
    /// Value per coin, quote currency.
    pub fn value(&self, rate: f64) -> f64 {
        value(self.forward, self.strike, self.vol, self.years, rate, self.call)
    }

    /// The same with another forward, volatility and time.
    pub fn moved(&self, forward: f64, vol: f64, years: f64, rate: f64) -> f64 {
        value(forward, self.strike, vol, years, rate, self.call)
    }
}

/// How the exchange counts P&L, and discounts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub rate: f64,
    /// P&L of coin-settled options counts in coins.
    pub in_coin: bool,
}

/// The inputs of an estimate: the marks of the legs, in their order.
pub(super) fn marks(unit: &Unit) -> Vec<Printed> {
    unit.legs.iter().map(|leg| leg.mark).collect()
}

/// The options of a unit at these marks. Each needs the other side of its strike in the same unit. `phi` is the USD
/// value of the quote currency of each leg.
pub(super) fn implied(answer: &Answer, unit: &Unit, marks: &[f64], phi: &[f64], rate: f64) -> Option<Vec<Implied>> {
    let leg = |(place, leg): (usize, &Leg)| {
        let mark = *marks.get(place)?;
        let other = unit.legs.iter().position(|other| is_other_side(leg, other))?;
        let other_mark = *marks.get(other)?;
        let call = leg.contract.kind == Kind::Call;
        let (call_mark, put_mark) = if call { (mark, other_mark) } else { (other_mark, mark) };
        let years = leg.years(answer.ts_ms);
        let (strike, discount) = (leg.contract.strike, (-rate * years).exp());
        let in_coin = leg.contract.settle == leg.contract.base;
        // Coin marks are V / F: c - p = d (F - K) / F. Otherwise c - p = d (F - K).
        let forward = if in_coin {
            strike / (1.0 - (call_mark - put_mark) / discount)
        } else {
            strike + (call_mark - put_mark) / discount
        };
        // The side out of the money knows most of the volatility.
        let out_call = strike >= forward;
        let out_mark = if out_call { call_mark } else { put_mark };
        let worth = if in_coin { out_mark * forward } else { out_mark };
        let vol = invert(worth, |vol| value(forward, strike, vol, years, rate, out_call))?;
        let size = leg.size() * phi.get(place)?;
        (forward > 0.0 && years > 0.0).then_some(Implied { size, forward, strike, vol, years, call, in_coin })
    };
    unit.legs.iter().enumerate().map(leg).collect()
}

fn is_other_side(leg: &Leg, other: &Leg) -> bool {
    let same = leg.contract.expiry_ms == other.contract.expiry_ms
        && leg.contract.strike.to_bits() == other.contract.strike.to_bits()
        && leg.contract.settle == other.contract.settle;
    same && leg.contract.kind != other.contract.kind
}

/// The argument between 1e-4 and 50 at which a rising function has a value: halved, then by secants.
pub(super) fn invert(target: f64, function: impl Fn(f64) -> f64) -> Option<f64> {
    solve(1e-4, 50.0, |x| function(x) - target)
}

/// A root between two ends of different signs.
pub(super) fn solve(mut low: f64, mut high: f64, function: impl Fn(f64) -> f64) -> Option<f64> {
    let (mut at_low, mut at_high) = (function(low), function(high));
    if at_low == 0.0 {
        return Some(low);
    }
    if at_high == 0.0 {
        return Some(high);
    }
    if at_low.is_nan() || at_high.is_nan() || (at_low < 0.0) == (at_high < 0.0) {
        return None;
    }
    // Illinois: a secant that moves both ends, and a halving where it does not.
    let mut side = 0;
    for step in 0..200 {
        let secant = (at_low * high - at_high * low) / (at_low - at_high);
        let inside = secant > low.min(high) && secant < low.max(high);
        let next = if step % 4 == 3 || !inside { f64::midpoint(low, high) } else { secant };
        let at = function(next);
        if at == 0.0 || (high - low).abs() <= 4.0 * f64::EPSILON * next.abs() {
            return Some(next);
        }
        if (at < 0.0) == (at_low < 0.0) {
            (low, at_low) = (next, at);
            if side == -1 {
                at_high /= 2.0;
            }
            side = -1;
        } else {
            (high, at_high) = (next, at);
            if side == 1 {
                at_low /= 2.0;
            }
            side = 1;
        }
    }
    Some(f64::midpoint(low, high))
}

/// P&L of options in USD for a relative move of the index and new volatilities.
pub(super) fn pnl(options: &[Implied], index: f64, step: f64, vol: impl Fn(&Implied) -> f64, terms: Terms) -> f64 {
    let one = |option: &Implied| {
        let forward = option.forward + index * step;
        let then = option.moved(forward, vol(option), option.years, terms.rate);
        change(option, forward, then, index, terms)
    };
    options.iter().map(one).sum()
}

/// What a change of value from now to `then` counts, USD.
pub(super) fn change(option: &Implied, forward: f64, then: f64, index: f64, terms: Terms) -> f64 {
    let now = option.value(terms.rate);
    if terms.in_coin && option.in_coin {
        option.size * (then / forward - now / option.forward) * index
    } else {
        option.size * (then - now)
    }
}

/// The move at unchanged volatility that tells most of the index: the widest fall or the widest rise, whichever costs
/// or brings more. Near the strike of a straddle the other one hardly depends on the index.
pub(super) fn widest(unit: &Unit) -> Option<(f64, Printed)> {
    let [_, same, _] = &unit.grid;
    let fall = (*unit.moves.first()?, *same.first()?);
    let rise = (*unit.moves.last()?, *same.last()?);
    Some(if fall.1.value.abs() > rise.1.value.abs() { fall } else { rise })
}

/// The index at which a price move gives a P&L.
pub(super) fn index(options: &[Implied], step: f64, target: f64, terms: Terms) -> Option<f64> {
    let near = options.first()?.forward;
    let miss = |index: f64| pnl(options, index, step, |option| option.vol, terms) - target;
    // The basis of an option's forward is a few percent at most; the nearer root is the index.
    [0.02, 0.1, 0.3].into_iter().find_map(|width| solve(near * (1.0 - width), near * (1.0 + width), miss))
}

/// Error of a sum of option values in doubles, as a gross amount: the values themselves count, not their change.
pub(super) fn gross(options: &[Implied]) -> f64 {
    options.iter().map(|option| option.size.abs() * (option.forward + option.strike)).sum()
}
