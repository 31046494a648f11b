//! What scenarios do to many accounts: counts and sums that are merged in order of the accounts.

use crate::margin::extremes::loss;
use crate::margin::{AccountMargin, Status};
use crate::totals::sum::Sum;
use crate::totals::summary::Tally;

/// How many accounts the table `largest` lists.
const LARGEST_ACCOUNTS: usize = 10;

/// The largest of many amounts, with their accounts; of equals the first account.
#[derive(Debug, Clone, Default)]
pub(crate) struct Largest(pub(crate) Vec<(f64, usize)>);

impl Largest {
    /// What an amount must exceed to be among them.
    pub(crate) fn least(&self) -> f64 {
        if self.0.len() == LARGEST_ACCOUNTS { self.0.last().map_or(0.0, |&(least, _)| least) } else { 0.0 }
    }

    pub(crate) fn offer(&mut self, amount: f64, account: usize) {
        let full = self.0.len() == LARGEST_ACCOUNTS;
        if amount <= 0.0 || (full && self.0.last().is_some_and(|&(least, _)| amount <= least)) {
            return;
        }
        // Accounts come in order, so an equal amount belongs behind those that are there.
        let place = self.0.partition_point(|&(other, _)| other >= amount);
        self.0.insert(place, (amount, account));
        self.0.truncate(LARGEST_ACCOUNTS);
    }

    fn merge(&mut self, later: &Self) {
        later.0.iter().for_each(|&(amount, account)| self.offer(amount, account));
    }

    pub(crate) fn sum(&self) -> f64 {
        self.0.iter().fold(0.0, |sum, (amount, _)| sum + amount)
    }
}

/// Hedges of one risk unit over many accounts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HedgeStats {
    pub(crate) hedged: [u64; 2],
    pub(crate) spot_coin: [Sum; 2],
    pub(crate) spot_usd: Sum,
    pub(crate) unhedged_coin: [Sum; 2],
    pub(crate) reduced: u64,
    pub(crate) reduced_to_none: u64,
    pub(crate) new_liability: u64,
    pub(crate) capped: [u64; 2],
}

impl HedgeStats {
    fn merge(&mut self, later: &Self) {
        for state in 0..2 {
            self.hedged[state] += later.hedged[state];
            self.spot_coin[state].merge(&later.spot_coin[state]);
            self.unhedged_coin[state].merge(&later.unhedged_coin[state]);
            self.capped[state] += later.capped[state];
        }
        self.spot_usd.merge(&later.spot_usd);
        self.reduced += later.reduced;
        self.reduced_to_none += later.reduced_to_none;
        self.new_liability += later.new_liability;
    }
}

/// What a scenario did to some consecutive accounts.
#[derive(Debug, Clone, Default)]
pub struct ScenarioStats {
    /// Counts and totals, as of a run.
    pub(crate) tally: Tally,
    /// Accounts by place of the base status, then of the status, in [`Status::ALL`].
    pub(crate) migration: [[u64; 5]; 5],
    pub(crate) newly_im_deficit: u64,
    pub(crate) shortfall: Sum,
    pub(crate) shortfall_accounts: u64,
    pub(crate) largest_shortfall: Largest,
    pub(crate) largest_mmr: Largest,
    pub(crate) hedges: Vec<HedgeStats>,
}

pub(crate) fn place(status: Status) -> usize {
    Status::ALL.iter().position(|&other| other == status).unwrap_or(0)
}

/// USD that an account owes beyond all it has: `max(0, -total_eq)`.
#[must_use]
pub fn shortfall_usd(margin: &AccountMargin) -> f64 {
    loss(margin.total_eq)
}

impl ScenarioStats {
    /// Adds the accounts that follow.
    pub fn merge(&mut self, later: &Self) {
        self.tally.merge(&later.tally);
        for (row, more) in self.migration.iter_mut().flatten().zip(later.migration.iter().flatten()) {
            *row += more;
        }
        self.newly_im_deficit += later.newly_im_deficit;
        self.shortfall.merge(&later.shortfall);
        self.shortfall_accounts += later.shortfall_accounts;
        self.largest_shortfall.merge(&later.largest_shortfall);
        self.largest_mmr.merge(&later.largest_mmr);
        self.hedges.resize_with(self.hedges.len().max(later.hedges.len()), HedgeStats::default);
        for (stats, more) in self.hedges.iter_mut().zip(&later.hedges) {
            stats.merge(more);
        }
    }

    pub(crate) fn newly_in_liquidation(&self) -> u64 {
        let into = place(Status::Liquidation);
        (0..Status::ALL.len()).filter(|&from| from != into).map(|from| self.migration[from][into]).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_the_same_however_they_come() {
        let amounts: Vec<f64> = (0..100).map(|account| f64::from(account * 37 % 29)).collect();
        let of = |range: std::ops::Range<usize>| {
            let mut largest = Largest::default();
            range.for_each(|account| largest.offer(amounts[account], account));
            largest
        };
        let mut sorted: Vec<(f64, usize)> = amounts.iter().copied().zip(0..).collect();
        sorted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for cut in [0, 1, 13, 50, 99, 100] {
            let mut merged = of(0..cut);
            merged.merge(&of(cut..100));
            assert_eq!(merged.0, sorted[..LARGEST_ACCOUNTS], "cut at {cut}");
        }
        assert!(Largest::default().sum().is_sign_positive());
    }
}
