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
    fn offer(&mut self, amount: f64, account: usize) {
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

/// The hedge of one account in one risk unit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Hedge {
    /// Spot in use, coins.
    pub spot_coin: f64,
    /// What it leaves of the unit's coin delta, absolute.
    pub unhedged_coin: f64,
    /// USD price of a coin of it.
    pub px_usd: f64,
    /// The account owes the coin.
    pub is_liability: bool,
    /// The account's own cap, and nothing else, keeps it from being larger.
    pub is_capped: bool,
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

/// A hedge is smaller than before if it lost more than rounding.
const ROUNDING: f64 = 1e-12;

impl HedgeStats {
    fn add(&mut self, base: &Hedge, now: &Hedge) {
        for (state, hedge) in [base, now].into_iter().enumerate() {
            self.hedged[state] += u64::from(hedge.spot_coin != 0.0);
            self.spot_coin[state].add(hedge.spot_coin.abs());
            self.unhedged_coin[state].add(hedge.unhedged_coin);
            self.capped[state] += u64::from(hedge.is_capped);
        }
        if now.spot_coin != 0.0 {
            self.spot_usd.add(now.spot_coin.abs() * now.px_usd);
        }
        self.reduced += u64::from(now.spot_coin.abs() < base.spot_coin.abs() * (1.0 - ROUNDING));
        self.reduced_to_none += u64::from(base.spot_coin != 0.0 && now.spot_coin == 0.0);
        self.new_liability += u64::from(now.is_liability && !base.is_liability);
    }

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
    /// Of nothing yet, in a market of `units` risk units.
    #[must_use]
    pub fn new(tally: Tally, units: usize) -> Self {
        Self { tally, hedges: vec![HedgeStats::default(); units], ..Self::default() }
    }

    /// Adds the account that follows; `tally` has it already.
    pub fn add(&mut self, account: usize, base: &AccountMargin, now: &AccountMargin) {
        self.migration[place(base.status)][place(now.status)] += 1;
        self.newly_im_deficit += u64::from(now.im_deficit && !base.im_deficit);
        let shortfall = shortfall_usd(now);
        self.shortfall.add(shortfall);
        self.shortfall_accounts += u64::from(shortfall > 0.0);
        self.largest_shortfall.offer(shortfall, account);
        self.largest_mmr.offer(now.mmr, account);
    }

    /// Adds the hedge of an account in a risk unit.
    pub fn add_hedge(&mut self, unit: u32, base: &Hedge, now: &Hedge) {
        if let Some(stats) = self.hedges.get_mut(unit as usize) {
            stats.add(base, now);
        }
    }

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
    use crate::fixture;

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

    #[test]
    fn where_a_hedge_turns_into_risk() {
        let hedge =
            |spot_coin: f64, unhedged_coin| Hedge { spot_coin, unhedged_coin, px_usd: 10.0, ..Hedge::default() };
        let before = hedge(-2.0, 0.0);
        let owed = Hedge { is_liability: true, ..hedge(0.0, 3.0) };
        let capped = Hedge { is_capped: true, ..hedge(1.0, 4.0) };
        let mut stats = HedgeStats::default();
        for (base, now) in [(before, hedge(-1.5, 0.5)), (before, owed), (owed, owed), (hedge(0.0, 0.0), capped)] {
            let mut more = HedgeStats::default();
            more.add(&base, &now);
            stats.merge(&more);
        }
        assert_eq!((stats.hedged, stats.capped), ([2, 2], [0, 1]));
        assert_eq!((stats.reduced, stats.reduced_to_none, stats.new_liability), (2, 1, 1));
        assert_eq!(stats.spot_coin.map(Sum::value), [4.0, 2.5]);
        assert_eq!(stats.unhedged_coin.map(Sum::value), [3.0, 10.5]);
        assert_eq!(stats.spot_usd.value(), 25.0);
    }

    #[test]
    fn accounts_are_counted_by_what_became_of_them() {
        let margin =
            |status, total_eq, im_deficit| AccountMargin { total_eq, status, im_deficit, ..fixture::account(1) };
        let healthy = margin(Status::Healthy, 100.0, false);
        let broken = margin(Status::Liquidation, -5.0, true);
        let mut stats = ScenarioStats::default();
        for (account, (base, now)) in [(healthy, healthy), (healthy, broken), (broken, broken)].iter().enumerate() {
            stats.add(account, base, now);
        }
        assert_eq!((stats.newly_in_liquidation(), stats.newly_im_deficit), (1, 1));
        assert_eq!((stats.shortfall.value(), stats.shortfall_accounts), (10.0, 2));
        assert_eq!(stats.largest_shortfall.0, [(5.0, 1), (5.0, 2)]);
        assert_eq!(stats.migration.iter().flatten().sum::<u64>(), 3);
    }
}
