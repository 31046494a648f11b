//! Stress components of one risk unit: MR1 to MR7 and MR9.
//!
//! [`UnitSums`] gathers what the positions of a unit add up to; [`UnitSums::stress`] turns the sums and an amount of
//! spot in use into the components. Hedged and unhedged margin come from the same sums, because spot in use only
//! adds to the unit's slope.

use super::priced::{
    Contract, ContractKind, DECAY, EXTREME, GAMMA, GRID, OPTION_COLUMNS, OptionRow, RATES, TERM, UnitParams, VEGA,
};
use super::rules::{MR1_MOVES, RiskUnitMode, Rules, SettleGroup};
use super::unit_margin::{UnitMargin, VolState};

/// A slope below this share of the absolute sum of its terms is a perfect hedge with rounding: exactly zero.
const PERFECT_HEDGE: f64 = 1e-12;

/// What the positions of one risk unit add up to. USD unless named otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitSums {
    /// The unit.
    pub unit: u32,
    /// Summed option rows.
    pub options: OptionRow,
    /// Summed slopes of swaps and futures.
    pub slope_usd: f64,
    /// Sum of the absolute slopes.
    pub slope_gross_usd: f64,
    /// `Q_u`, coins.
    pub delta_coin: f64,
    /// Summed cash deltas.
    pub cash_delta_usd: f64,
    /// Unrealised P&L of swaps and futures.
    pub upl_usd: f64,
    /// Raw MR7 charge.
    pub charge_usd: f64,
    /// Cash delta by settle group.
    pub group_delta_usd: [f64; 3],
    /// The expiries that some position has, in order of their first position; never empty after [`UnitSums::reset`].
    pub expiries: Vec<ExpirySums>,
    /// Without options every volatility state is the same, and MR2, MR3 and MR5 are zero.
    has_options: bool,
}

/// What the positions of one expiry add up to, USD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpirySums {
    /// Place of the expiry among the unit's.
    pub expiry: u32,
    /// Cash delta.
    pub delta_usd: f64,
    /// P&L of volatility up.
    pub vol_usd: f64,
}

/// Spot in use, as a position of the unit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spot {
    /// Coins, signed.
    pub coin: f64,
    /// USD value of one coin.
    pub px_usd: f64,
}

impl UnitSums {
    /// Sums of an empty unit.
    #[must_use]
    pub fn new() -> Self {
        Self {
            unit: 0,
            options: [0.0; OPTION_COLUMNS],
            slope_usd: 0.0,
            slope_gross_usd: 0.0,
            delta_coin: 0.0,
            cash_delta_usd: 0.0,
            upl_usd: 0.0,
            charge_usd: 0.0,
            group_delta_usd: [0.0; 3],
            expiries: Vec::new(),
            has_options: false,
        }
    }

    /// Empties the sums for the unit and expiry of a first position, keeping the buffers.
    #[inline]
    pub fn reset(&mut self, unit: u32, expiry: u32) {
        self.expiries.clear();
        self.expiries.push(ExpirySums { expiry, delta_usd: 0.0, vol_usd: 0.0 });
        if self.has_options {
            self.options = [0.0; OPTION_COLUMNS];
            self.has_options = false;
        }
        self.unit = unit;
        (self.slope_usd, self.slope_gross_usd, self.delta_coin, self.cash_delta_usd) = (0.0, 0.0, 0.0, 0.0);
        (self.upl_usd, self.charge_usd, self.group_delta_usd) = (0.0, 0.0, [0.0; 3]);
    }

    /// Adds a position of `n` contracts.
    #[inline]
    pub fn add(&mut self, contract: &Contract, n: f64, option_rows: &[OptionRow]) {
        let cash_delta = n * contract.cash_delta_usd;
        self.delta_coin += n * contract.delta_coin;
        self.cash_delta_usd += cash_delta;
        self.group_delta_usd[contract.group] += cash_delta;
        self.charge_usd += n.abs() * if n < 0.0 { contract.charge_short_usd } else { contract.charge_long_usd };
        // The slope of an option is zero.
        let slope = n * contract.slope_usd;
        self.slope_usd += slope;
        self.slope_gross_usd += slope.abs();
        let mut vol = 0.0;
        if let ContractKind::Option { row } = contract.kind {
            let row = &option_rows[row as usize];
            self.has_options = true;
            for (sum, column) in self.options.iter_mut().zip(row) {
                *sum += n * column;
            }
            vol = n * row[TERM];
        }
        let sums = self.expiry_mut(contract.expiry);
        sums.delta_usd += cash_delta;
        sums.vol_usd += vol;
    }

    /// The sums of an expiry. Positions stand in order of their instruments, so it is mostly the last one.
    #[inline]
    fn expiry_mut(&mut self, expiry: u32) -> &mut ExpirySums {
        let last = self.expiries.len().saturating_sub(1);
        let is_last = self.expiries.get(last).is_some_and(|sums| sums.expiry == expiry);
        let place = if is_last { last } else { self.place_of(expiry) };
        &mut self.expiries[place]
    }

    #[cold]
    fn place_of(&mut self, expiry: u32) -> usize {
        self.expiries.iter().position(|sums| sums.expiry == expiry).unwrap_or_else(|| {
            self.expiries.push(ExpirySums { expiry, delta_usd: 0.0, vol_usd: 0.0 });
            self.expiries.len() - 1
        })
    }

    /// The slope of the unit's linear part, spot in use included: `L = sum n m S phi + sum n m + h S phi`, exactly
    /// zero for a perfect hedge.
    #[must_use]
    #[inline]
    pub fn slope(&self, spot: Spot) -> f64 {
        let of_spot = if spot.coin == 0.0 { 0.0 } else { spot.coin * spot.px_usd };
        let slope = self.slope_usd + of_spot;
        if slope.abs() < PERFECT_HEDGE * (self.slope_gross_usd + of_spot.abs()) { 0.0 } else { slope }
    }

    /// P&L of the MR1 grid: volatility states `up`, `same`, `down`, each over the price moves of the unit's class.
    #[must_use]
    pub fn grid(&self, params: &UnitParams, spot: Spot) -> [[f64; MR1_MOVES]; 3] {
        let slope = self.slope(spot);
        let mut grid = [[0.0; MR1_MOVES]; 3];
        for (state, row) in grid.iter_mut().enumerate() {
            for (column, cell) in row.iter_mut().enumerate() {
                *cell = self.options[GRID + state * MR1_MOVES + column] + slope * params.figures.moves[column];
            }
        }
        grid
    }

    /// P&L of MR6's two moves, the fall first.
    #[must_use]
    #[inline]
    pub fn extreme(&self, params: &UnitParams, spot: Spot) -> [f64; 2] {
        let move_pnl = self.slope(spot) * params.figures.extreme;
        [self.options[EXTREME] - move_pnl, self.options[EXTREME + 1] + move_pnl]
    }

    /// All components and the requirement of the unit under an amount of spot in use, and its MMR without: only MR1 and
    /// MR6 depend on it.
    #[must_use]
    #[inline]
    pub fn stress(&self, params: &UnitParams, rules: &Rules, spot: Spot) -> UnitMargin {
        if self.has_options { self.stress_options(params, rules, spot) } else { self.stress_line(params, rules, spot) }
    }

    /// Nine of ten units hold no option: their P&L is a straight line, which is lowest at an end, and what remains
    /// needs no branch.
    #[inline]
    fn stress_line(&self, params: &UnitParams, rules: &Rules, spot: Spot) -> UnitMargin {
        let figures = &params.figures;
        let line = |slope: f64| {
            let falling = if slope < 0.0 { figures.highest_move } else { figures.moves[0] };
            let price = if slope > 0.0 { figures.lowest_move } else { falling };
            (price, loss(slope * price), rules.mr6.charge * (slope.abs() * figures.extreme))
        };
        let (slope, slope_no_hedge) = (self.slope(spot), self.slope(Spot::default()));
        let (mr1_price, mr1, mr6) = line(slope);
        let (mr4, mr9) = (self.basis(params), self.stablecoin_hedge(rules));
        let mr7 = figures.charge.apply(self.charge_usd);
        let requirement = |mr1: f64, mr6: f64| higher(higher(mr1, mr6) + mr4 + mr9, mr7);
        let mmr = requirement(mr1, mr6);
        let (_, mr1_no_hedge, mr6_no_hedge) = line(slope_no_hedge);
        UnitMargin {
            unit: self.unit,
            mr1,
            mr1_price,
            mr1_vol: VolState::Up,
            mr2: 0.0,
            mr3: 0.0,
            mr4,
            mr5: 0.0,
            mr6,
            mr6_price: if slope < 0.0 { figures.extreme } else { -figures.extreme },
            mr7,
            mr9,
            mmr,
            imr: rules.imr_multiplier * mmr,
            cash_delta: self.cash_delta_usd,
            gamma: 0.0,
            vega: 0.0,
            theta: 0.0,
            spot_in_use: spot.coin,
            upl: self.upl_usd,
            mmr_no_hedge: requirement(mr1_no_hedge, mr6_no_hedge),
            order_imr: 0.0,
        }
    }

    fn stress_options(&self, params: &UnitParams, rules: &Rules, spot: Spot) -> UnitMargin {
        let worst = worst_of(&self.grid(params, spot));
        let extreme = self.extreme(params, spot);
        let size = params.figures.extreme;
        let components = Components {
            mr1: loss(worst.pnl),
            mr2: loss(self.options[DECAY]),
            mr3: self.term_structure(rules),
            mr4: self.basis(params),
            mr5: loss(lower([self.options[RATES], self.options[RATES + 1]])),
            mr6: rules.mr6.charge * loss(lower(extreme)),
            mr7: params.figures.charge.apply(self.charge_usd),
            mr9: self.stablecoin_hedge(rules),
        };
        let mmr = components.combined();
        let mut margin = UnitMargin {
            unit: self.unit,
            mr1: components.mr1,
            mr1_price: params.figures.moves[worst.column],
            mr1_vol: worst.vol,
            mr2: components.mr2,
            mr3: components.mr3,
            mr4: components.mr4,
            mr5: components.mr5,
            mr6: components.mr6,
            mr6_price: if extreme[1] < extreme[0] { size } else { -size },
            mr7: components.mr7,
            mr9: components.mr9,
            mmr,
            imr: rules.imr_multiplier * mmr,
            cash_delta: self.cash_delta_usd,
            gamma: self.options[GAMMA],
            vega: self.options[VEGA],
            theta: self.options[DECAY],
            spot_in_use: spot.coin,
            upl: self.upl_usd,
            mmr_no_hedge: mmr,
            order_imr: 0.0,
        };
        if spot.coin != 0.0 {
            let mr1 = loss(worst_of(&self.grid(params, Spot::default())).pnl);
            let mr6 = rules.mr6.charge * loss(lower(self.extreme(params, Spot::default())));
            margin.mmr_no_hedge = Components { mr1, mr6, ..components }.combined();
        }
        margin
    }

    /// MR3: `offset_charge x (sum over expiries of |W_e| - |sum of W_e|)`, the volatility P&L that expiries of
    /// opposite sign set off against one another.
    #[must_use]
    pub fn term_structure(&self, rules: &Rules) -> f64 {
        if !self.has_options {
            return 0.0;
        }
        let (mut gross, mut net) = (0.0, 0.0f64);
        for sums in &self.expiries {
            gross += sums.vol_usd.abs();
            net += sums.vol_usd;
        }
        rules.mr3_offset_charge * (gross - net.abs()).max(0.0)
    }

    /// MR4: `sum over expiries of |D_e| x max(floor, annualized T_e)`. Spot in use has no basis.
    #[must_use]
    pub fn basis(&self, params: &UnitParams) -> f64 {
        let charge = |sums: &ExpirySums| sums.delta_usd.abs() * params.basis_rate[sums.expiry as usize];
        self.expiries.iter().map(charge).sum()
    }

    /// MR9: for each pair of settle groups in order, what their cash deltas hedge of one another bears the
    /// incremental rate and is taken off both. Nothing in separate books.
    #[must_use]
    #[inline]
    pub fn stablecoin_hedge(&self, rules: &Rules) -> f64 {
        if rules.risk_unit == RiskUnitMode::Separate { 0.0 } else { self.charged_pairs(rules) }
    }

    #[inline(never)]
    fn charged_pairs(&self, rules: &Rules) -> f64 {
        hedged_pairs(&self.group_delta_usd, &rules.mr9.pairs).map(|(_, _, hedged)| rules.mr9.tiers.apply(hedged)).sum()
    }
}

impl Default for UnitSums {
    fn default() -> Self {
        Self::new()
    }
}

/// The hedged size of each pair of settle groups, in order; each hedge is taken off both sides before the next.
pub fn hedged_pairs(
    deltas: &[f64; 3],
    pairs: &[(SettleGroup, SettleGroup)],
) -> impl Iterator<Item = (SettleGroup, SettleGroup, f64)> {
    let mut left = *deltas;
    pairs.iter().map(move |&(first, second)| {
        let (a, b) = (left[first as usize], left[second as usize]);
        let opposed = (a > 0.0 && b < 0.0) || (a < 0.0 && b > 0.0);
        let hedged = if opposed { a.abs().min(b.abs()) } else { 0.0 };
        if opposed {
            left[first as usize] -= hedged.copysign(a);
            left[second as usize] -= hedged.copysign(b);
        }
        (first, second, hedged)
    })
}

/// The components that make a requirement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Components {
    /// Spot and volatility shock.
    pub mr1: f64,
    /// Theta decay.
    pub mr2: f64,
    /// Volatility term structure.
    pub mr3: f64,
    /// Basis.
    pub mr4: f64,
    /// Interest rate.
    pub mr5: f64,
    /// Extreme move.
    pub mr6: f64,
    /// Minimum charge.
    pub mr7: f64,
    /// Stablecoin hedge risk.
    pub mr9: f64,
}

impl Components {
    /// `max( max(MR1, MR2, MR6) + MR3 + MR4 + MR5 + MR9, MR7 )`.
    #[must_use]
    pub fn combined(&self) -> f64 {
        let worst = higher(higher(self.mr1, self.mr2), self.mr6);
        higher(worst + self.mr3 + self.mr4 + self.mr5 + self.mr9, self.mr7)
    }
}

/// `max(0, -pnl)`, never a negative zero.
fn loss(pnl: f64) -> f64 {
    if pnl < 0.0 { -pnl } else { 0.0 }
}

/// The higher of two.
fn higher(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// The lower of two, the first if they are equal.
fn lower([first, second]: [f64; 2]) -> f64 {
    if second < first { second } else { first }
}

/// A cell of the MR1 grid.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Worst {
    pnl: f64,
    vol: VolState,
    column: usize,
}

/// The lowest cell of the grid; of equal cells the first in order of state and price.
fn worst_of(grid: &[[f64; MR1_MOVES]; 3]) -> Worst {
    // The value alone first, state by state side by side: that loop has no branches.
    let mut least = [f64::INFINITY; 3];
    for column in 0..MR1_MOVES {
        for (least, row) in least.iter_mut().zip(grid) {
            *least = lower([*least, row[column]]);
        }
    }
    let worst = least.into_iter().fold(f64::INFINITY, |least, pnl| lower([least, pnl]));
    let cell = grid.as_flattened().iter().position(|&pnl| pnl == worst).unwrap_or(0);
    let (state, column) = (cell / MR1_MOVES, cell % MR1_MOVES);
    Worst { pnl: grid[state][column], vol: VolState::ALL[state], column }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::margin::priced::{ClassFigures, DeltaOne, Place, price_delta_one};
    use crate::margin::rules::{Class, SpotOffset};

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
        let spec = DeltaOne {
            inverse: false,
            multiplier: 1.0,
            mark_px: 100.0,
            index_px: 100.0,
            phi_usd: 1.0,
            class: Class::Major,
        };
        let contract = price_delta_one(&spec, Place { unit: 0, expiry: 0, settle: 0, group: 0 }, &rules);
        for (mr1_move, mr6_move, charge, expected) in
            [(0.2, 0.3, 0.5, 200.0), (0.2, 0.3, 1.0, 300.0), (0.4, 0.3, 1.0, 400.0)]
        {
            rules.mr1.price.major = [0.0, -mr1_move, mr1_move, 0.0, 0.0, 0.0, 0.0];
            rules.mr6.price.major = mr6_move;
            rules.mr6.charge = charge;
            let params = UnitParams {
                name: "BTC".to_string(),
                base: 0,
                quote: String::new(),
                spot_usd: 100.0,
                class_mr1: Class::Major,
                class_mr467: Class::Major,
                figures: ClassFigures::of(&rules, Class::Major, Class::Major),
                hedged_by: [false; SpotOffset::COUNT],
                basis_rate: vec![0.0],
                expiries: vec![None],
            };
            for n in [10.0, -10.0] {
                let mut sums = UnitSums::new();
                sums.reset(0, 0);
                sums.add(&contract, n, &[]);
                let margin = sums.stress(&params, &rules, Spot::default());
                assert_eq!(
                    (margin.mmr, margin.mmr_no_hedge),
                    (expected, expected),
                    "{n} {mr1_move} {mr6_move} {charge}"
                );
            }
        }
    }

    #[test]
    fn separate_books_bear_no_stablecoin_hedge_risk() {
        let mut rules = crate::rules::load(None, &[]).unwrap().rules;
        let sums = UnitSums { group_delta_usd: [1e6, -1e6, 0.0], ..UnitSums::new() };
        for (mode, expected) in [(RiskUnitMode::Separate, 0.0), (RiskUnitMode::Merged, rules.mr9.tiers.apply(1e6))] {
            rules.risk_unit = mode;
            assert_eq!(sums.stablecoin_hedge(&rules), expected, "{mode:?}");
        }
    }

    #[test]
    fn a_perfect_hedge_has_no_slope() {
        let sums = UnitSums { slope_usd: 0.1 + 0.2, slope_gross_usd: 0.1 + 0.2, ..UnitSums::new() };
        for (coin, expected) in [(-0.3, 0.0), (-0.25, 0.1 + 0.2 - 0.25)] {
            assert_eq!(sums.slope(Spot { coin, px_usd: 1.0 }), expected, "{coin}");
        }
    }

    #[test]
    fn ties_go_to_the_earlier_scenario() {
        let mut grid = [[0.0; MR1_MOVES]; 3];
        assert_eq!(worst_of(&grid), Worst { pnl: 0.0, vol: VolState::Up, column: 0 });
        grid[2][1] = -3.0;
        grid[1][6] = -3.0;
        assert_eq!(worst_of(&grid), Worst { pnl: -3.0, vol: VolState::Same, column: 6 });
    }
}
