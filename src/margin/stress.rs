//! Stress components of one risk unit: MR1 to MR7 and MR9.
//!
//! [`UnitSums`] gathers what the positions of a unit add up to; [`UnitSums::stress`] turns the sums and an amount of
//! spot in use into the components. Hedged and unhedged margin come from the same sums, because spot in use only
//! adds to the unit's slope.

use super::priced::{
    Contract, ContractKind, DECAY, EXTREME, GAMMA, GRID, OPTION_COLUMNS, OptionRow, RATES, TERM, UnitParams, VEGA,
};
use super::rules::{MR1_MOVES, RiskUnitMode, Rules, SettleGroup};

/// The volatility state of an MR1 scenario, in the order in which ties are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VolState {
    /// Volatility shifted up.
    Up,
    /// Unchanged.
    Same,
    /// Shifted down.
    Down,
}

impl VolState {
    /// All states in tie order.
    pub const ALL: [Self; 3] = [Self::Up, Self::Same, Self::Down];

    /// The name in tables: `up`, `same`, `down`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Same => "same",
            Self::Down => "down",
        }
    }
}

/// The margin of one risk unit. All money in USD; components are not negative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitMargin {
    /// Index of the risk unit in its priced table.
    pub unit: u32,
    /// MR1, spot and volatility shock.
    pub mr1: f64,
    /// The price move that gave MR1.
    pub mr1_price: f64,
    /// The volatility state that gave MR1.
    pub mr1_vol: VolState,
    /// MR2, theta decay of options.
    pub mr2: f64,
    /// MR3, volatility term structure.
    pub mr3: f64,
    /// MR4, basis.
    pub mr4: f64,
    /// MR5, interest rate.
    pub mr5: f64,
    /// MR6, extreme move.
    pub mr6: f64,
    /// The move that gave MR6.
    pub mr6_price: f64,
    /// MR7, minimum charge.
    pub mr7: f64,
    /// MR9, stablecoin hedge risk (merged units only).
    pub mr9: f64,
    /// Maintenance margin, `max(max(MR1, MR2, MR6) + MR3 + MR4 + MR5 + MR9, MR7)`.
    pub mmr: f64,
    /// Initial margin, `imr_multiplier x mmr`.
    pub imr: f64,
    /// Sum of cash deltas.
    pub cash_delta: f64,
    /// Change of the options' coin delta for +1 % of the index, in USD.
    pub gamma: f64,
    /// Change of value for +1 volatility point.
    pub vega: f64,
    /// Signed P&L of MR2's day.
    pub theta: f64,
    /// Spot in use, in coins, signed.
    pub spot_in_use: f64,
    /// Unrealised P&L of swaps and futures.
    pub upl: f64,
    /// Maintenance margin with spot hedging off.
    pub mmr_no_hedge: f64,
}

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
    /// Cash delta by expiry.
    pub expiry_delta_usd: Vec<f64>,
    /// P&L of volatility up, by expiry.
    pub expiry_vol_usd: Vec<f64>,
    /// The expiries that some position has, in order of their first position: all others hold zero, and the sums over
    /// expiries pass them by.
    expiries: Vec<u32>,
    is_touched: Vec<bool>,
    /// Without options every volatility state is the same, and MR2, MR3 and MR5 are zero.
    has_options: bool,
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
            expiry_delta_usd: Vec::new(),
            expiry_vol_usd: Vec::new(),
            expiries: Vec::new(),
            is_touched: Vec::new(),
            has_options: false,
        }
    }

    /// Empties the sums for a unit with `expiries` expiry buckets, keeping the buffers.
    pub fn reset(&mut self, unit: u32, expiries: usize) {
        for &expiry in &self.expiries {
            self.expiry_delta_usd[expiry as usize] = 0.0;
            self.expiry_vol_usd[expiry as usize] = 0.0;
            self.is_touched[expiry as usize] = false;
        }
        self.expiries.clear();
        self.expiry_delta_usd.resize(expiries, 0.0);
        self.expiry_vol_usd.resize(expiries, 0.0);
        self.is_touched.resize(expiries, false);
        if self.has_options {
            self.options = [0.0; OPTION_COLUMNS];
            self.has_options = false;
        }
        self.unit = unit;
        (self.slope_usd, self.slope_gross_usd, self.delta_coin, self.cash_delta_usd) = (0.0, 0.0, 0.0, 0.0);
        (self.upl_usd, self.charge_usd, self.group_delta_usd) = (0.0, 0.0, [0.0; 3]);
    }

    /// Adds a position of `n` contracts.
    pub fn add(&mut self, contract: &Contract, n: f64, option_rows: &[OptionRow]) {
        let cash_delta = n * contract.cash_delta_usd;
        self.delta_coin += n * contract.delta_coin;
        self.cash_delta_usd += cash_delta;
        let expiry = contract.expiry as usize;
        if !self.is_touched[expiry] {
            self.is_touched[expiry] = true;
            self.expiries.push(contract.expiry);
        }
        self.expiry_delta_usd[expiry] += cash_delta;
        self.group_delta_usd[contract.group] += cash_delta;
        self.charge_usd += if n < 0.0 { -n * contract.charge_short_usd } else { n * contract.charge_long_usd };
        if let ContractKind::Option { row } = contract.kind {
            let row = &option_rows[row as usize];
            self.has_options = true;
            for (sum, column) in self.options.iter_mut().zip(row) {
                *sum += n * column;
            }
            self.expiry_vol_usd[expiry] += n * row[TERM];
        } else {
            let slope = n * contract.slope_usd;
            self.slope_usd += slope;
            self.slope_gross_usd += slope.abs();
        }
    }

    /// The slope of the unit's linear part, spot in use included: `L = sum n m S phi + sum n m + h S phi`, exactly
    /// zero for a perfect hedge.
    #[must_use]
    pub fn slope(&self, spot: Spot) -> f64 {
        let of_spot = if spot.coin == 0.0 { 0.0 } else { spot.coin * spot.px_usd };
        let slope = self.slope_usd + of_spot;
        if slope.abs() < PERFECT_HEDGE * (self.slope_gross_usd + of_spot.abs()) { 0.0 } else { slope }
    }

    /// P&L of the MR1 grid: volatility states `up`, `same`, `down`, each over the price moves of the unit's class.
    #[must_use]
    pub fn grid(&self, params: &UnitParams, rules: &Rules, spot: Spot) -> [[f64; MR1_MOVES]; 3] {
        let slope = self.slope(spot);
        let moves = rules.mr1.price.get(params.class_mr1);
        let mut grid = [[0.0; MR1_MOVES]; 3];
        for (state, row) in grid.iter_mut().enumerate() {
            for (column, cell) in row.iter_mut().enumerate() {
                *cell = self.options[GRID + state * MR1_MOVES + column] + slope * moves[column];
            }
        }
        grid
    }

    /// P&L of MR6's two moves, the fall first.
    #[must_use]
    pub fn extreme(&self, params: &UnitParams, rules: &Rules, spot: Spot) -> [f64; 2] {
        let slope = self.slope(spot);
        let size = rules.mr6.price.get(params.class_mr467);
        [self.options[EXTREME] - slope * size, self.options[EXTREME + 1] + slope * size]
    }

    /// All components and the requirement of the unit under an amount of spot in use.
    #[must_use]
    pub fn stress(&self, params: &UnitParams, rules: &Rules, spot: Spot) -> UnitMargin {
        let (worst, state, column) = self.worst(params, rules, spot);
        let extreme = self.extreme(params, rules, spot);
        let rise_is_worse = extreme[1] < extreme[0];
        let size = rules.mr6.price.get(params.class_mr467);
        let components = Components {
            mr1: loss(worst),
            mr2: loss(self.options[DECAY]),
            mr3: self.term_structure(rules),
            mr4: self.basis(params),
            mr5: loss(self.options[RATES].min(self.options[RATES + 1])),
            mr6: rules.mr6.charge * loss(lower(extreme)),
            mr7: rules.mr7.tiers.get(params.class_mr467).apply(self.charge_usd),
            mr9: self.stablecoin_hedge(rules),
        };
        let mmr = components.combined();
        let mut margin = UnitMargin {
            unit: self.unit,
            mr1: components.mr1,
            mr1_price: rules.mr1.price.get(params.class_mr1)[column],
            mr1_vol: state,
            mr2: components.mr2,
            mr3: components.mr3,
            mr4: components.mr4,
            mr5: components.mr5,
            mr6: components.mr6,
            mr6_price: if rise_is_worse { *size } else { -size },
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
        };
        if spot.coin != 0.0 {
            margin.mmr_no_hedge = self.requirement(&margin, params, rules, Spot::default());
        }
        margin
    }

    /// The requirement of the unit with another amount of spot in use than `margin` has: only MR1 and MR6 depend on it.
    #[must_use]
    pub fn requirement(&self, margin: &UnitMargin, params: &UnitParams, rules: &Rules, spot: Spot) -> f64 {
        let &UnitMargin { mr2, mr3, mr4, mr5, mr7, mr9, .. } = margin;
        let mr1 = loss(self.worst(params, rules, spot).0);
        let mr6 = rules.mr6.charge * loss(lower(self.extreme(params, rules, spot)));
        Components { mr1, mr2, mr3, mr4, mr5, mr6, mr7, mr9 }.combined()
    }

    /// The worst cell of [`UnitSums::grid`].
    fn worst(&self, params: &UnitParams, rules: &Rules, spot: Spot) -> (f64, VolState, usize) {
        if self.has_options {
            return worst_of(&self.grid(params, rules, spot));
        }
        // A straight line is lowest at an end.
        let slope = self.slope(spot);
        let column = if slope > 0.0 {
            params.lowest_move
        } else if slope < 0.0 {
            params.highest_move
        } else {
            0
        };
        (slope * rules.mr1.price.get(params.class_mr1)[column], VolState::Up, column)
    }

    /// MR3: `offset_charge x (sum over expiries of |W_e| - |sum of W_e|)`, the volatility P&L that expiries of
    /// opposite sign set off against one another.
    #[must_use]
    pub fn term_structure(&self, rules: &Rules) -> f64 {
        if !self.has_options {
            return 0.0;
        }
        let (mut gross, mut net) = (0.0, 0.0f64);
        for &expiry in &self.expiries {
            let pnl = self.expiry_vol_usd[expiry as usize];
            gross += pnl.abs();
            net += pnl;
        }
        rules.mr3_offset_charge * (gross - net.abs()).max(0.0)
    }

    /// MR4: `sum over expiries of |D_e| x max(floor, annualized T_e)`. Spot in use has no basis.
    #[must_use]
    pub fn basis(&self, params: &UnitParams) -> f64 {
        let charge = |&expiry: &u32| self.expiry_delta_usd[expiry as usize].abs() * params.basis_rate[expiry as usize];
        self.expiries.iter().map(charge).sum()
    }

    /// MR9: for each pair of settle groups in order, what their cash deltas hedge of one another bears the
    /// incremental rate and is taken off both. Nothing in separate books.
    #[must_use]
    pub fn stablecoin_hedge(&self, rules: &Rules) -> f64 {
        if rules.risk_unit == RiskUnitMode::Separate {
            return 0.0;
        }
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
        let worst = self.mr1.max(self.mr2).max(self.mr6);
        (worst + self.mr3 + self.mr4 + self.mr5 + self.mr9).max(self.mr7)
    }
}

/// `max(0, -pnl)`, never a negative zero.
fn loss(pnl: f64) -> f64 {
    if pnl < 0.0 { -pnl } else { 0.0 }
}

/// The lower of two, the first if they are equal.
fn lower([first, second]: [f64; 2]) -> f64 {
    if second < first { second } else { first }
}

/// The lowest cell of the grid; of equal cells the first in order of state and price.
fn worst_of(grid: &[[f64; MR1_MOVES]; 3]) -> (f64, VolState, usize) {
    let lower = |least: f64, pnl: f64| if pnl < least { pnl } else { least };
    // The value alone first, state by state side by side: that loop has no branches.
    let mut least = [f64::INFINITY; 3];
    for column in 0..MR1_MOVES {
        for (least, row) in least.iter_mut().zip(grid) {
            *least = lower(*least, row[column]);
        }
    }
    let worst = least.into_iter().fold(f64::INFINITY, lower);
    let cell = grid.as_flattened().iter().position(|&pnl| pnl == worst).unwrap_or(0);
    let (state, column) = (cell / MR1_MOVES, cell % MR1_MOVES);
    (grid[state][column], VolState::ALL[state], column)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn ties_go_to_the_earlier_scenario() {
        let mut grid = [[0.0; MR1_MOVES]; 3];
        assert_eq!(worst_of(&grid), (0.0, VolState::Up, 0));
        grid[2][1] = -3.0;
        grid[1][6] = -3.0;
        assert_eq!(worst_of(&grid), (-3.0, VolState::Same, 6));
    }
}
