//! Stress components of one risk unit: MR1 to MR7 and MR9.
//!
//! [`UnitSums`] gathers what the positions of a unit add up to; [`UnitSums::stress`] turns the sums and an amount of
//! spot in use into the components. Hedged and unhedged margin come from the same sums, because spot in use only
//! adds to the unit's slope.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use super::extremes::{higher, loss, lower, positive_part};
use super::priced::{DECAY, EXTREME, GAMMA, GRID, RATES, UnitParams, VEGA};
use super::real::Real;
use super::rules::{MR1_MOVES, RiskUnitMode, Rules, SettleGroup};
use super::spot_hedge::Spot;
use super::sums::UnitSums;
use super::unit_margin::{UnitMargin, VolState};

/// A slope below this share of the absolute sum of its terms is a perfect hedge with rounding: exactly zero.
const PERFECT_HEDGE: f64 = 1e-12;

impl<R: Real> UnitSums<R> {
    /// The slope of the unit's linear part, spot in use included: `L = sum n m S phi + sum n m + h S phi`, exactly
    /// zero for a perfect hedge.
    #[must_use]
    #[inline(always)]
    pub fn slope(&self, spot: Spot<R>) -> R {
        let zero = R::splat(0.0);
        let of_spot = worth_usd(spot);
        let slope = self.slope_usd + of_spot;
        let least = (self.slope_gross_usd + of_spot.abs()) * PERFECT_HEDGE;
        // A factor, so that what is not a number stays so.
        let counts = slope.abs().if_at_least(least, R::splat(1.0), zero);
        slope * counts + zero
    }

    /// P&L of the MR1 grid: volatility states `up`, `same`, `down`, each over the price moves of the unit's class.
    #[must_use]
    #[inline(always)]
    pub fn grid(&self, params: &UnitParams<R>, spot: Spot<R>) -> [[R; MR1_MOVES]; 3] {
        let slope = self.slope(spot);
        let mut grid = [[R::splat(0.0); MR1_MOVES]; 3];
        for (state, row) in grid.iter_mut().enumerate() {
            for (column, cell) in row.iter_mut().enumerate() {
                *R::alone(cell) =
                    self.options[GRID + state * MR1_MOVES + column] + slope * params.figures.moves[column];
            }
        }
        grid
    }

    /// P&L of MR6's two moves, the fall first.
    #[must_use]
    #[inline(always)]
    pub fn extreme(&self, params: &UnitParams<R>, spot: Spot<R>) -> [R; 2] {
        let move_pnl = self.slope(spot) * params.figures.extreme;
        [self.options[EXTREME] - move_pnl, self.options[EXTREME + 1] + move_pnl]
    }

    /// All components and the requirement of the unit under an amount of spot in use, and its MMR without: only MR1,
    /// MR6 and, where spot is a bucket of its own, MR4 depend on it.
    #[must_use]
    pub fn stress(&self, params: &UnitParams<R>, rules: &Rules, spot: Spot<R>) -> UnitMargin<R> {
        if self.has_options { self.stress_options(params, rules, spot) } else { self.stress_line(params, rules, spot) }
    }

    /// [`Self::stress`], handed on to `take`. Either kind of unit is followed by its own copy of what `take` does, so
    /// that its figures are used out of registers. Returned, they would be written to memory one by one and read again
    /// in pairs at once, which processors wait for: the account pass took a fifth longer.
    #[inline(always)]
    pub(super) fn stress_then(
        &self,
        params: &UnitParams<R>,
        rules: &Rules,
        spot: Spot<R>,
        mut take: impl FnMut(UnitMargin<R>),
    ) {
        if self.has_options {
            take(R::apart(
                #[inline(always)]
                || self.stress_options(params, rules, spot),
            ));
        } else {
            take(self.stress_line(params, rules, spot));
        }
    }

    /// Nine of ten units hold no option: their P&L is a straight line, which is lowest at an end, and what remains
    /// needs no branch.
    #[inline(always)]
    fn stress_line(&self, params: &UnitParams<R>, rules: &Rules, spot: Spot<R>) -> UnitMargin<R> {
        let (figures, zero) = (&params.figures, R::splat(0.0));
        let line = |slope: R| {
            let falling = slope.if_below(zero, R::splat(figures.highest_move), R::splat(figures.moves[0]));
            let price = zero.if_below(slope, R::splat(figures.lowest_move), falling);
            (price, loss(slope * price), slope.abs() * figures.extreme * rules.mr6.charge)
        };
        let (slope, slope_no_hedge) = (self.slope(spot), self.slope(Spot::default()));
        let (mr1_price, mr1, mr6) = line(slope);
        let (mr4, mr9) = (self.basis(params, spot), self.stablecoin_hedge(params, rules));
        let mr7 = figures.charge.apply(self.charge_usd);
        let requirement = |mr1: R, mr6: R, mr4: R| higher(higher(mr1, mr6) + mr4 + mr9, mr7);
        let mmr = requirement(mr1, mr6, mr4);
        let (_, mr1_no_hedge, mr6_no_hedge) = line(slope_no_hedge);
        UnitMargin {
            unit: self.unit,
            mr1,
            mr1_price,
            mr1_vol: R::each(|_| VolState::Up),
            mr2: zero,
            mr3: zero,
            mr4,
            mr5: zero,
            mr6,
            mr6_price: slope.if_below(zero, R::splat(figures.extreme), R::splat(-figures.extreme)),
            mr7,
            mr9,
            mmr,
            imr: mmr * rules.imr_multiplier,
            cash_delta: self.cash_delta_usd,
            gamma: zero,
            vega: zero,
            theta: zero,
            spot_in_use: spot.coin,
            upl: self.upl_usd,
            mmr_no_hedge: requirement(mr1_no_hedge, mr6_no_hedge, self.basis_usd),
            order_imr: zero,
        }
    }

    #[inline(always)]
    fn stress_options(&self, params: &UnitParams<R>, rules: &Rules, spot: Spot<R>) -> UnitMargin<R> {
        let worst = worst_of(&self.grid(params, spot));
        let extreme = self.extreme(params, spot);
        let (size, zero) = (R::splat(params.figures.extreme), R::splat(0.0));
        let components = Components {
            mr1: loss(worst.pnl),
            mr2: loss(self.options[DECAY]),
            mr3: self.term_structure(rules),
            mr4: self.basis(params, spot),
            mr5: loss(lower(self.options[RATES], self.options[RATES + 1])),
            mr6: loss(lower(extreme[0], extreme[1])) * rules.mr6.charge,
            mr7: params.figures.charge.apply(self.charge_usd),
            mr9: self.stablecoin_hedge(params, rules),
        };
        let mmr = components.combined();
        let mut margin = UnitMargin {
            unit: self.unit,
            mr1: components.mr1,
            mr1_price: R::by_lane(|lane| params.figures.moves[R::one(&worst.cell, lane) % MR1_MOVES]),
            mr1_vol: R::each(|lane| VolState::ALL[R::one(&worst.cell, lane) / MR1_MOVES]),
            mr2: components.mr2,
            mr3: components.mr3,
            mr4: components.mr4,
            mr5: components.mr5,
            mr6: components.mr6,
            mr6_price: extreme[1].if_below(extreme[0], size, -size),
            mr7: components.mr7,
            mr9: components.mr9,
            mmr,
            imr: mmr * rules.imr_multiplier,
            cash_delta: self.cash_delta_usd,
            gamma: self.options[GAMMA],
            vega: self.options[VEGA],
            theta: self.options[DECAY],
            spot_in_use: spot.coin,
            upl: self.upl_usd,
            mmr_no_hedge: mmr,
            order_imr: zero,
        };
        // In a market without spot in use both are the same.
        if spot.coin.any_below(zero) || zero.any_below(spot.coin) {
            let mr1 = loss(worst_of(&self.grid(params, Spot::default())).pnl);
            let [fall, rise] = self.extreme(params, Spot::default());
            let mr6 = loss(lower(fall, rise)) * rules.mr6.charge;
            margin.mmr_no_hedge = Components { mr1, mr6, mr4: self.basis_usd, ..components }.combined();
        }
        margin
    }

    /// MR3: `offset_charge x (sum over expiries of |W_e| - |sum of W_e|)`, the volatility P&L that expiries of
    /// opposite sign set off against one another.
    #[must_use]
    #[inline(always)]
    pub fn term_structure(&self, rules: &Rules) -> R {
        if !self.has_options {
            return R::splat(0.0);
        }
        positive_part(self.vol_gross_usd - self.vol_net_usd.abs()) * rules.mr3_offset_charge
    }

    /// MR4: what the expiries bear, and, where spot in use is a bucket of its own, `abs(h S phi) x floor`.
    #[must_use]
    #[inline(always)]
    pub fn basis(&self, params: &UnitParams<R>, spot: Spot<R>) -> R {
        let of_spot = worth_usd(spot);
        self.basis_usd + of_spot.abs() * params.figures.spot_basis
    }

    /// MR9: for each pair of settle groups in order, what their cash deltas hedge of one another bears the
    /// incremental rate and is taken off both. Nothing in separate books.
    #[must_use]
    #[inline(always)]
    pub fn stablecoin_hedge(&self, params: &UnitParams<R>, rules: &Rules) -> R {
        if rules.risk_unit == RiskUnitMode::Separate {
            R::splat(0.0)
        } else {
            R::apart(
                #[inline(always)]
                || self.charged_pairs(params, rules),
            )
        }
    }

    #[inline(always)]
    fn charged_pairs(&self, params: &UnitParams<R>, rules: &Rules) -> R {
        let pairs = hedged_pairs(&self.group_delta_usd, &rules.mr9.pairs).zip(params.hedge_tiers.iter());
        pairs.fold(R::splat(0.0), |sum, ((_, _, hedged), tiers)| sum + tiers.apply(hedged))
    }
}

/// What spot in use is worth, USD; none is worth nothing, whatever its price.
#[inline(always)]
fn worth_usd<R: Real>(spot: Spot<R>) -> R {
    let zero = R::splat(0.0);
    spot.coin.if_zero(zero, spot.coin * spot.px_usd)
}

/// The hedged size of each pair of settle groups, in order; each hedge is taken off both sides before the next.
#[inline(always)]
pub fn hedged_pairs<R: Real>(
    deltas: &[R; 3],
    pairs: &[(SettleGroup, SettleGroup)],
) -> impl Iterator<Item = (SettleGroup, SettleGroup, R)> {
    let (mut left, zero) = (*deltas, R::splat(0.0));
    pairs.iter().map(move |&(first, second)| {
        let (a, b) = (left[first as usize], left[second as usize]);
        let smaller = lower(a.abs(), b.abs());
        let (if_long, if_short) = (b.if_below(zero, smaller, zero), zero.if_below(b, smaller, zero));
        let hedged = zero.if_below(a, if_long, a.if_below(zero, if_short, zero));
        left[first as usize] = a - hedged.copysign(a);
        left[second as usize] = b - hedged.copysign(b);
        (first, second, hedged)
    })
}

/// The components that make a requirement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Components<R = f64> {
    /// Spot and volatility shock.
    pub mr1: R,
    /// Theta decay.
    pub mr2: R,
    /// Volatility term structure.
    pub mr3: R,
    /// Basis.
    pub mr4: R,
    /// Interest rate.
    pub mr5: R,
    /// Extreme move.
    pub mr6: R,
    /// Minimum charge.
    pub mr7: R,
    /// Stablecoin hedge risk.
    pub mr9: R,
}

impl<R: Real> Components<R> {
    /// `max( max(MR1, MR2, MR6) + MR3 + MR4 + MR5 + MR9, MR7 )`.
    #[must_use]
    #[inline(always)]
    pub fn combined(&self) -> R {
        let worst = higher(higher(self.mr1, self.mr2), self.mr6);
        higher(worst + self.mr3 + self.mr4 + self.mr5 + self.mr9, self.mr7)
    }
}

/// A cell of the MR1 grid.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Worst<R: Real> {
    pnl: R,
    /// Its place: volatility states one after the other.
    cell: R::Each<usize>,
}

/// The lowest cell of the grid; of equal cells the first in order of state and price.
#[inline(always)]
fn worst_of<R: Real>(grid: &[[R; MR1_MOVES]; 3]) -> Worst<R> {
    // The value alone first, state by state side by side: that loop has no branches.
    let highest = R::splat(f64::INFINITY);
    let mut least = [highest; 3];
    for column in 0..MR1_MOVES {
        for (least, row) in least.iter_mut().zip(grid) {
            *least = lower(*least, row[column]);
        }
    }
    let pnl = least.into_iter().fold(highest, lower);
    Worst { pnl, cell: R::first_equal(grid.as_flattened(), pnl) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::margin::priced::ClassFigures;
    use crate::margin::rules::{Class, SpotOffset};
    use crate::margin::tiers::MarketTiers;
    use std::sync::Arc;

    fn params(rules: &Rules) -> UnitParams {
        UnitParams {
            name: "BTC".to_string(),
            base: 0,
            quote: String::new(),
            spot_usd: 100.0,
            class_mr1: Class::Major,
            class_mr467: Class::Major,
            figures: Arc::new(ClassFigures::of(rules, Class::Major, Class::Major)),
            hedge_tiers: Arc::new([]),
            hedged_by: [false; SpotOffset::COUNT],
            expiries: vec![None],
        }
    }

    #[test]
    fn pairs_are_matched_in_order() {
        let pairs = [
            (SettleGroup::Usdt, SettleGroup::Usd),
            (SettleGroup::Usdt, SettleGroup::Usdc),
            (SettleGroup::Usdc, SettleGroup::Usd),
        ];
        for (deltas, expected) in [
            ([10.0, 0.0, -4.0], [4.0, 0.0, 0.0]),
            ([10.0, -8.0, -4.0], [4.0, 6.0, 0.0]),
            ([1.0, 5.0, -4.0], [1.0, 0.0, 3.0]),
            ([1.0, 2.0, 3.0], [0.0, 0.0, 0.0]),
        ] {
            let hedged: Vec<f64> = hedged_pairs(&deltas, &pairs).map(|(_, _, hedged)| hedged).collect();
            assert_eq!(hedged, expected, "{deltas:?}");
        }
    }

    #[test]
    fn components_combine() {
        let zero = Components { mr1: 0.0, mr2: 0.0, mr3: 0.0, mr4: 0.0, mr5: 0.0, mr6: 0.0, mr7: 0.0, mr9: 0.0 };
        for (components, expected) in [
            (Components { mr1: 5.0, mr2: 6.0, mr6: 4.0, ..zero }, 6.0),
            (Components { mr1: 5.0, mr3: 1.0, mr4: 2.0, mr5: 3.0, mr9: 4.0, ..zero }, 15.0),
            (Components { mr6: 5.0, mr4: 1.0, mr7: 5.9, ..zero }, 6.0),
            (Components { mr6: 5.0, mr4: 1.0, mr7: 6.1, ..zero }, 6.1),
        ] {
            assert_eq!(components.combined(), expected, "{components:?}");
        }
    }

    /// No coin of the random books is of classes under which MR6 decides a unit without options.
    #[test]
    fn the_worse_of_both_shocks_decides_a_line() {
        let mut rules = crate::rules::load(None, &[]).unwrap().rules;
        for (mr1_move, mr6_move, charge, expected) in
            [(0.2, 0.3, 0.5, 200.0), (0.2, 0.3, 1.0, 300.0), (0.4, 0.3, 1.0, 400.0)]
        {
            rules.mr1.price.major = [0.0, -mr1_move, mr1_move, 0.0, 0.0, 0.0, 0.0];
            rules.mr6.price.major = mr6_move;
            rules.mr6.charge = charge;
            let params = params(&rules);
            for slope_usd in [1000.0, -1000.0] {
                let sums = UnitSums { slope_usd, slope_gross_usd: 1000.0, ..UnitSums::new(0) };
                let margin = sums.stress(&params, &rules, Spot::default());
                assert_eq!(
                    (margin.mmr, margin.mmr_no_hedge),
                    (expected, expected),
                    "{slope_usd} {mr1_move} {mr6_move} {charge}"
                );
            }
        }
    }

    #[test]
    fn separate_books_bear_no_stablecoin_hedge_risk() {
        let mut rules = crate::rules::load(None, &[]).unwrap().rules;
        let sums = UnitSums { group_delta_usd: [1e6, -1e6, 0.0], ..UnitSums::new(0) };
        let tiers = rules.mr9.tiers[0].clone();
        let params = UnitParams {
            hedge_tiers: (0..3).map(|_| MarketTiers::at(&[], &rules.mr9.tiers, 1.0)).collect(),
            ..params(&rules)
        };
        for (mode, expected) in [(RiskUnitMode::Separate, 0.0), (RiskUnitMode::Merged, tiers.apply(1e6))] {
            rules.risk_unit = mode;
            assert_eq!(sums.stablecoin_hedge(&params, &rules), expected, "{mode:?}");
        }
    }

    #[test]
    fn a_perfect_hedge_has_no_slope() {
        let sums = UnitSums { slope_usd: 0.1 + 0.2, slope_gross_usd: 0.1 + 0.2, ..UnitSums::new(0) };
        for (coin, expected) in [(-0.3, 0.0), (-0.25, 0.1 + 0.2 - 0.25)] {
            assert_eq!(sums.slope(Spot { coin, px_usd: 1.0 }), expected, "{coin}");
        }
    }

    #[test]
    fn ties_go_to_the_earlier_scenario() {
        let mut grid = [[0.0; MR1_MOVES]; 3];
        assert_eq!(worst_of(&grid), Worst { pnl: 0.0, cell: 0 });
        grid[2][1] = -3.0;
        grid[1][6] = -3.0;
        assert_eq!(worst_of(&grid), Worst { pnl: -3.0, cell: MR1_MOVES + 6 });
    }
}
