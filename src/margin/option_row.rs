//! An option in every scenario: the row of P&L that one long contract adds.
//!
//! ```text
//! option row (columns)   0..7         7..14       14..21        21..23       23         24      25, 26   27     28
//!                        vol up       vol same    vol down      MR6          vol up,    MR2     MR5      gamma  vega
//!                        x 7 moves    x 7 moves   x 7 moves     fall, rise   no move    day     r+, r-
//! ```

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use super::black76::{Greeks, States, Terms};
use super::extremes::{higher, lower, positive_part};
use super::rules::{Class, MR1_MOVES, Mr1Rules, OptionPnl, Rules};

/// Columns of an option row.
pub const OPTION_COLUMNS: usize = 29;
/// First column of the MR1 grid (volatility state major, then price moves).
pub const GRID: usize = 0;
/// First of the two MR6 columns: the fall, then the rise.
pub const EXTREME: usize = 3 * MR1_MOVES;
/// MR3: price move 0, volatility up.
pub const TERM: usize = EXTREME + 2;
/// MR2: the day that passes.
pub const DECAY: usize = TERM + 1;
/// MR5: rate up, then rate down.
pub const RATES: usize = DECAY + 1;
/// Gamma of +1 % of the index.
pub const GAMMA: usize = RATES + 2;
/// Vega of +1 volatility point.
pub const VEGA: usize = GAMMA + 1;

/// P&L in USD of one long contract, by column.
pub type OptionRow<R = f64> = [R; OPTION_COLUMNS];

/// An option, as the pricing sees it.
#[derive(Debug, Clone, Copy)]
pub struct OptionContract {
    /// Forward, strike, volatility, years, rate, call.
    pub terms: Terms,
    /// Coins a contract.
    pub multiplier: f64,
    /// Mark price, settle currency per coin.
    pub mark_px: f64,
    /// Index price `S` in the quote currency.
    pub index_px: f64,
    /// USD value of the quote currency.
    pub phi_usd: f64,
    /// Class for MR1.
    pub class_mr1: Class,
    /// Class for MR6 and MR7.
    pub class_mr467: Class,
    /// How its P&L is counted.
    pub pnl: OptionPnl,
}

/// The place of the option as it is, in no scenario.
const BASE: usize = DECAY + 1;

/// An option in the scenarios of the columns up to [`DECAY`], and in none.
pub(super) struct OptionValues {
    /// Values per coin.
    values: [f64; BASE + 1],
    /// Forwards.
    forwards: [f64; BASE + 1],
}

impl OptionValues {
    /// Values an option in all its scenarios, side by side.
    #[inline(always)]
    pub fn of(spec: &OptionContract, rules: &Rules) -> Self {
        let states = states(spec, rules);
        Self { values: spec.terms.values(&states), forwards: states.forward }
    }

    /// The value of the option as it is.
    pub fn base(&self) -> f64 {
        self.values[BASE]
    }

    /// Its P&L per coin in a scenario, in the quote currency.
    fn pnl(&self, spec: &OptionContract, column: usize) -> f64 {
        match spec.pnl {
            OptionPnl::Usd => self.values[column] - self.values[BASE],
            OptionPnl::Coin => {
                let in_coin = |place: usize| self.values[place] / self.forwards[place];
                (in_coin(column) - in_coin(BASE)) * spec.index_px
            }
        }
    }

    /// What a change of its value by a factor counts: the value, or that of its coins at the index.
    fn counted(&self, spec: &OptionContract) -> f64 {
        match spec.pnl {
            OptionPnl::Usd => self.values[BASE],
            OptionPnl::Coin => self.values[BASE] / self.forwards[BASE] * spec.index_px,
        }
    }
}

fn states(spec: &OptionContract, rules: &Rules) -> States<{ BASE + 1 }> {
    let terms = &spec.terms;
    let shift = vol_shift(&rules.mr1, terms.vol, terms.years);
    let up = terms.vol + shift;
    let down = higher(terms.vol - shift, lower(terms.vol, rules.mr1.vol_floor));
    let moved =
        |price_move: f64| higher(terms.forward + spec.index_px * price_move, rules.forward_floor * terms.forward);
    let mut states =
        States { forward: [terms.forward; BASE + 1], vol: [terms.vol; BASE + 1], years: [terms.years; BASE + 1] };
    let moves = rules.mr1.price.get(spec.class_mr1);
    for (state, vol) in [up, terms.vol, down].into_iter().enumerate() {
        for (column, &price_move) in moves.iter().enumerate() {
            let lane = GRID + state * MR1_MOVES + column;
            (states.forward[lane], states.vol[lane]) = (moved(price_move), vol);
        }
    }
    let extreme = *rules.mr6.price.get(spec.class_mr467);
    (states.forward[EXTREME], states.forward[EXTREME + 1]) = (moved(-extreme), moved(extreme));
    (states.forward[TERM], states.vol[TERM]) = (moved(0.0), up);
    states.years[DECAY] = positive_part(terms.years - rules.mr2_days / 365.0);
    states
}

/// The row of one long contract of `scale` USD for each unit of quote currency per coin.
pub(super) fn option_row(
    spec: &OptionContract,
    values: &OptionValues,
    greeks: &Greeks,
    scale: f64,
    rules: &Rules,
) -> OptionRow {
    let base = values.counted(spec);
    let mut row = [0.0; OPTION_COLUMNS];
    for (column, cell) in row[..BASE].iter_mut().enumerate() {
        *cell = scale * values.pnl(spec, column);
    }
    let rate_move = rules.mr5_rate_shift * spec.terms.years;
    row[RATES] = scale * base * (-rate_move).exp_m1();
    row[RATES + 1] = scale * base * rate_move.exp_m1();
    row[GAMMA] = scale * greeks.gamma * 0.01 * spec.index_px * spec.index_px;
    row[VEGA] = scale * greeks.vega * 0.01;
    row
}

/// `w = max(points(T), relative(T) v)`: the shift of an option's volatility, interpolated in days to expiry between
/// the knots and flat beyond them.
#[must_use]
pub fn vol_shift(rules: &Mr1Rules, vol: f64, years: f64) -> f64 {
    let days = years * 365.0;
    let points = interpolate(&rules.vol_days, &rules.vol_points, days);
    let relative = interpolate(&rules.vol_days, &rules.vol_relative, days);
    higher(points, relative * vol)
}

fn interpolate(knots: &[f64], values: &[f64], at: f64) -> f64 {
    let next = knots.partition_point(|&knot| knot <= at);
    if next == 0 {
        return values[0];
    }
    if next == knots.len() {
        return values[next - 1];
    }
    let share = (at - knots[next - 1]) / (knots[next] - knots[next - 1]);
    values[next - 1] + share * (values[next] - values[next - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volatility_shift_between_knots() {
        let per_class = super::super::rules::PerClass::default();
        let rules = Mr1Rules {
            price: per_class,
            vol_floor: 0.01,
            vol_days: vec![0.0, 30.0, 60.0],
            vol_points: vec![0.25, 0.20, 0.15],
            vol_relative: vec![0.30, 0.26, 0.20],
        };
        for (vol, days, expected) in [
            (0.5, 0.0, 0.25),
            (0.5, 15.0, 0.225),
            (0.5, 30.0, 0.20),
            (0.5, 400.0, 0.15),
            (1.0, 45.0, 0.23),
            (2.0, 0.0, 0.60),
        ] {
            let found = vol_shift(&rules, vol, days / 365.0);
            assert!((found - expected).abs() < 1e-15, "{vol} {days}: {found}");
        }
    }
}
