//! The rows of the tables of a stress.

use super::stats::HedgeStats;
use crate::margin::account_figures::AccountFigures;
use crate::margin::rules::Rules;
use crate::margin::{AccountMargin, Status};
use crate::totals::losses::FigureDistribution;
use crate::totals::summary::{AccountCounts, Totals};

/// A row of [`SCENARIOS`].
#[derive(Debug, Clone)]
pub struct ScenarioRow {
    /// Number of the scenario.
    pub scenario: usize,
    /// Days that pass.
    pub days: f64,
    /// Accounts by where they stand.
    pub accounts: AccountCounts,
    /// Accounts in liquidation that are not so in the base case.
    pub newly_liquidation: u64,
    /// Accounts with an IM deficit that have none in the base case.
    pub newly_im_deficit: u64,
    /// Sums over all accounts.
    pub totals: Totals,
    /// Sum of what accounts owe beyond all they have.
    pub shortfall: f64,
    /// Accounts that have one.
    pub shortfall_accounts: u64,
    /// Shortfall of the ten largest.
    pub largest_ten_shortfall: f64,
    /// MMR of the ten largest.
    pub largest_ten_mmr: f64,
    /// What it weighs in a distribution; the base case is no part of it.
    pub weight: Option<f64>,
    /// Total equity in the base case less that in the scenario.
    pub equity_loss: f64,
}

/// A row of [`MIGRATION`].
pub(crate) struct MigrationRow {
    pub scenario: usize,
    pub from: Status,
    pub to: Status,
    pub accounts: u64,
}

/// A row of [`LARGEST`].
pub(crate) struct LargestRow {
    pub scenario: usize,
    pub by: &'static str,
    pub rank: usize,
    pub account: usize,
    pub amount: f64,
    pub total: f64,
}

/// A row of [`HEDGES`].
pub(crate) struct HedgeRow {
    pub scenario: usize,
    pub unit: usize,
    pub stats: HedgeStats,
}

/// A row of [`DISTRIBUTION`].
pub(crate) struct FigureRow {
    pub figure: &'static str,
    pub distribution: FigureDistribution,
}

/// A row of [`TAIL`].
pub(crate) struct TailRow {
    pub figure: &'static str,
    pub rank: usize,
    pub scenario: usize,
    pub amount: f64,
    pub weight: f64,
    /// Its share of all weight.
    pub weight_share: f64,
    /// That of the scenario and of those before it.
    pub tail_share: f64,
}

/// The worst scenario of an account.
#[derive(Debug, Clone, Copy)]
pub struct Worst {
    /// Number of the scenario, the first of equals.
    pub scenario: usize,
    /// The account's margin in it.
    pub margin: AccountMargin,
    /// In how many scenarios, the base case included, the account is in liquidation.
    pub liquidations: u64,
    /// Weight of the scenarios in which it is, in [`units`](crate::totals::weighted::Weights::units).
    pub liquidation_units: u64,
}

impl Worst {
    /// Takes a later scenario in, which replaces the worst if it is worse: a lower margin ratio, having none counting
    /// as the highest; of two without a ratio the one with less adjusted equity.
    pub fn take(&mut self, later: &Self) {
        let is_worse = match (later.margin.margin_ratio, self.margin.margin_ratio) {
            (Some(now), Some(before)) => now < before,
            (None, None) => later.margin.adj_eq < self.margin.adj_eq,
            (now, _) => now.is_some(),
        };
        self.liquidations += later.liquidations;
        self.liquidation_units += later.liquidation_units;
        if is_worse {
            (self.scenario, self.margin) = (later.scenario, later.margin);
        }
    }

    /// Words of 64 bits that hold it on disk from one pass to the next.
    pub(crate) const WORDS: usize = 16;

    /// As it stands on disk: the numbers, of which the rest of the margin follows.
    pub(crate) fn words(&self) -> [u64; Self::WORDS] {
        let margin = &self.margin;
        let [adj_eq, total_eq, upl, mmr, imr, deriv_mmr, borrow_mmr, borrow_imr, fee, ratio, no_hedge, imr_no, order] =
            [
                margin.adj_eq,
                margin.total_eq,
                margin.upl,
                margin.mmr,
                margin.imr,
                margin.deriv_mmr,
                margin.borrow_mmr,
                margin.borrow_imr,
                margin.liquidation_fee,
                margin.margin_ratio.unwrap_or(f64::INFINITY),
                margin.mmr_no_hedge,
                margin.imr_no_hedge,
                margin.order_imr,
            ]
            .map(f64::to_bits);
        let counts = [self.scenario as u64, self.liquidations, self.liquidation_units];
        let [scenario, liquidations, units] = counts;
        [
            scenario,
            liquidations,
            units,
            adj_eq,
            total_eq,
            upl,
            mmr,
            imr,
            deriv_mmr,
            borrow_mmr,
            borrow_imr,
            fee,
            ratio,
            no_hedge,
            imr_no,
            order,
        ]
    }

    /// What [`Worst::words`] wrote.
    pub(crate) fn of_words(words: &[u64; Self::WORDS], rules: &Rules) -> Self {
        let [scenario, liquidations, liquidation_units, numbers @ ..] = *words;
        let [
            adj_eq,
            total_eq,
            upl,
            mmr,
            imr,
            deriv_mmr,
            borrow_mmr,
            borrow_imr,
            liquidation_fee,
            margin_ratio,
            mmr_no_hedge,
            imr_no_hedge,
            order_imr,
        ] = numbers.map(f64::from_bits);
        let figures = AccountFigures {
            adj_eq,
            total_eq,
            upl,
            mmr,
            imr,
            deriv_mmr,
            borrow_mmr,
            borrow_imr,
            liquidation_fee,
            margin_ratio,
            mmr_no_hedge,
            imr_no_hedge,
            order_imr,
        };
        let margin = AccountMargin::of(&figures, rules);
        Self { scenario: scenario as usize, margin, liquidations, liquidation_units }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_scenario_comes_back_from_disk() {
        let rules = crate::rules::load(None, &[]).unwrap().rules;
        for ratio in [0.75_f64, f64::INFINITY] {
            let numbers = (1..=13).map(|number| f64::from(number) / 3.0).map(f64::to_bits);
            let mut words: [u64; Worst::WORDS] =
                [7, 8, 9].into_iter().chain(numbers).collect::<Vec<_>>().try_into().unwrap();
            words[12] = ratio.to_bits();
            let worst = Worst::of_words(&words, &rules);
            assert_eq!((worst.scenario, worst.liquidations, worst.liquidation_units), (7, 8, 9));
            assert_eq!(worst.margin.margin_ratio, (ratio < f64::INFINITY).then_some(ratio));
            assert_eq!((worst.margin.adj_eq, worst.margin.order_imr), (1.0 / 3.0, 13.0 / 3.0));
            assert_eq!(worst.words(), words);
        }
    }
}
