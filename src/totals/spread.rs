//! How margin spreads over accounts and risk units: what the charts of the report page are drawn from.
//!
//! Gathered from the base case while it is computed, so that nobody has to read the large tables again. Like the
//! totals, it does not depend on threads.

use super::at_risk::{shortfall_imr_usd, shortfall_mmr_usd};
use super::charges::{ChargeSums, Charges};
use super::counts::{StatusCounts, share};
use super::first::keep_first;
use super::sum::Sum;
use crate::book::Book;
use crate::engine::Chunk;
use crate::margin::extremes::positive_part;
use crate::margin::rules::StatusRules;
use crate::margin::{AccountMargin, Status, UnitMargin};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// How the accounts lie: margin ratios, what they lack, and how much of the margin is whose.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Distribution {
    /// Accounts by margin ratio, ascending, from the first bin that holds one to the last.
    pub margin_ratios: Vec<RatioBin>,
    /// USD of equity that accounts are short of MMR and liquidation fee, the sum of `shortfall_mmr`.
    pub shortfall_mmr: f64,
    /// USD of equity that accounts are short of IMR, the sum of `shortfall_imr`.
    pub shortfall_imr: f64,
    /// What the accounts with the largest MMR have of all MMR: the first one, ten, a hundred, a thousand.
    pub concentration: Vec<Concentration>,
    /// The ten accounts with the largest MMR.
    pub largest: Vec<LargeAccount>,
}

/// Accounts with a margin ratio above `above` and up to `to`. Thresholds of the status are bounds of bins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RatioBin {
    /// Null for the lowest bin.
    pub above: Option<f64>,
    /// Null for the highest bin.
    pub to: Option<f64>,
    /// The accounts.
    #[serde(flatten)]
    pub accounts: StatusCounts,
}

/// The share of the largest accounts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Concentration {
    /// So many accounts, or all if there are fewer.
    pub accounts: u64,
    /// Their MMR.
    pub mmr: f64,
    /// Its share of all MMR; null where that is zero.
    pub mmr_share: Option<f64>,
}

/// One of the accounts with the largest MMR.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs)]
pub struct LargeAccount {
    pub account_id: String,
    pub mmr: f64,
    pub mmr_share: Option<f64>,
    pub adj_eq: f64,
    pub margin_ratio: Option<f64>,
    pub status: String,
}

/// Bins of a decade of the margin ratio.
const BINS_PER_DECADE: i32 = 16;
/// Decades of the least and the greatest bound above zero.
const DECADES: std::ops::RangeInclusive<i32> = -1..=3;

/// Bounds of bins: zero, then in equal steps of the logarithm, each threshold in place of the bound next to it.
fn bounds(status: &StatusRules) -> Vec<f64> {
    let steps = DECADES.start() * BINS_PER_DECADE..=DECADES.end() * BINS_PER_DECADE;
    let log = |step: i32| f64::from(step) / f64::from(BINS_PER_DECADE);
    let mut bounds: Vec<f64> = steps.map(|step| libm::pow(10.0, log(step))).collect();
    let thresholds = [status.liquidation, status.near, status.warning];
    for threshold in thresholds.into_iter().filter(|threshold| *threshold > 0.0) {
        let distance = |place: &usize| (bounds[*place] / threshold).ln().abs();
        let free =
            (0..bounds.len()).filter(|place| !thresholds.contains(&bounds[*place]) || bounds[*place] == threshold);
        if let Some(nearest) = free.min_by(|a, b| distance(a).total_cmp(&distance(b))) {
            bounds[nearest] = threshold;
        }
    }
    bounds.push(0.0);
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    bounds
}

/// Accounts that [`Spread`] keeps: for the share of the largest thousand.
const KEPT: usize = 1000;
/// Accounts that are listed.
const LISTED: usize = 10;

/// What the parts of a run tell one another while they are counted: an MMR that a thousand accounts of some part have
/// at least, so that no account below it is among the largest. It only saves work: results do not depend on who knew
/// what when.
#[derive(Debug, Clone, Default)]
pub struct Floor(Arc<AtomicU64>);

impl Floor {
    fn mmr_usd(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }

    /// The bits of numbers that are not negative have the order of the numbers.
    fn raise(&self, mmr_usd: f64) {
        self.0.fetch_max(positive_part(mmr_usd).to_bits(), Relaxed);
    }
}

/// The accounts with the largest MMR; of equals the first.
#[derive(Debug, Clone, Default)]
struct Largest {
    /// In no order.
    accounts: Vec<Large>,
    /// What an account must exceed to be among them.
    least: f64,
    /// What it must not be below.
    floor: Floor,
    /// Accounts that were offered.
    offered: u64,
}

/// There are many until the end: what they hold is kept small.
#[derive(Debug, Clone)]
struct Large {
    mmr: f64,
    adj_eq: f64,
    margin_ratio: Option<f64>,
    status: Status,
    /// How many were offered before it.
    order: u64,
    /// Index into the book.
    account: usize,
    /// Empty but for the largest that [`Largest::name`] found.
    id: String,
}

impl Large {
    fn larger_first(&self, other: &Self) -> Ordering {
        other.mmr.total_cmp(&self.mmr).then(self.order.cmp(&other.order))
    }
}

impl Largest {
    #[inline]
    fn offer(&mut self, margin: &AccountMargin, account: usize) {
        if margin.mmr > self.least && margin.mmr >= self.floor.mmr_usd() {
            self.take(margin, account);
        }
        self.offered += 1;
    }

    #[cold]
    fn take(&mut self, margin: &AccountMargin, account: usize) {
        let &AccountMargin { mmr, adj_eq, margin_ratio, status, .. } = margin;
        let order = self.offered;
        self.accounts.push(Large { mmr, adj_eq, margin_ratio, status, order, account, id: String::new() });
        if self.accounts.len() >= 2 * KEPT {
            self.cut();
        }
    }

    /// Looks up the ids of those that may be listed, which all stand in this book.
    fn name(&mut self, book: &Book) {
        self.cut();
        if self.accounts.len() > LISTED {
            self.accounts.select_nth_unstable_by(LISTED - 1, Large::larger_first);
        }
        for account in self.accounts.iter_mut().take(LISTED) {
            book.accounts().get(account.account).clone_into(&mut account.id);
        }
    }

    fn merge(&mut self, later: &Self) {
        let wanted = later.accounts.iter().filter(|account| account.mmr > self.least);
        self.accounts.extend(wanted.map(|account| Large { order: self.offered + account.order, ..account.clone() }));
        self.offered += later.offered;
        self.cut();
    }

    fn cut(&mut self) {
        if keep_first(&mut self.accounts, KEPT, Large::larger_first) {
            self.least = self.accounts[KEPT - 1].mmr;
            self.floor.raise(self.least);
        }
    }

    fn in_order(&self) -> Vec<Large> {
        let mut accounts = self.accounts.clone();
        accounts.sort_unstable_by(Large::larger_first);
        accounts
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct UnitSpread {
    charges: ChargeSums,
    /// Those of units with options.
    with_options: ChargeSums,
    mmr_no_hedge: Sum,
}

impl UnitSpread {
    fn add(&mut self, unit: &UnitMargin) {
        self.mmr_no_hedge.add(unit.mmr_no_hedge);
        self.charges.add(unit);
        // Options that offset one another to the last bit count as none.
        if unit.vega != 0.0 {
            self.with_options.add(unit);
        }
    }
}

/// The spread of some consecutive accounts.
#[derive(Debug, Clone, Default)]
pub struct Spread {
    bounds: Vec<f64>,
    /// One entry more than bounds.
    ratios: Vec<StatusCounts>,
    units: Vec<UnitSpread>,
    shortfall_mmr: Sum,
    shortfall_imr: Sum,
    largest: Largest,
}

impl Spread {
    /// Of nothing yet. `units` is the number of risk units of the priced market; the parts of a run share a floor.
    #[must_use]
    pub fn new(units: usize, status: &StatusRules, floor: &Floor) -> Self {
        let bounds = bounds(status);
        let ratios = vec![StatusCounts::default(); bounds.len() + 1];
        let largest = Largest { floor: floor.clone(), ..Largest::default() };
        Self { bounds, ratios, units: vec![UnitSpread::default(); units], largest, ..Self::default() }
    }

    /// Counts the chunk that follows, of the same book.
    pub fn count(&mut self, chunk: &Chunk) {
        for (place, margin) in chunk.accounts.iter().enumerate() {
            if let Some(ratio) = margin.margin_ratio {
                let bin = self.bounds.partition_point(|&bound| bound < ratio);
                *self.ratios[bin].of(margin.status) += 1;
            }
            self.shortfall_mmr.add(shortfall_mmr_usd(margin));
            self.shortfall_imr.add(shortfall_imr_usd(margin));
            self.largest.offer(margin, chunk.first_account + place);
        }
        for unit in &chunk.units {
            self.units[unit.unit as usize].add(unit);
        }
    }

    /// Ends what is counted of one book.
    pub fn finish(&mut self, book: &Book) {
        self.largest.name(book);
    }

    /// Adds what follows. Both are finished.
    pub fn merge(&mut self, later: &Self) {
        if self.bounds.is_empty() {
            self.bounds.clone_from(&later.bounds);
            self.ratios = vec![StatusCounts::default(); later.ratios.len()];
            self.largest.floor = later.largest.floor.clone();
        }
        for (counts, more) in self.ratios.iter_mut().zip(&later.ratios) {
            for status in Status::ALL {
                *counts.of(status) += *more.clone().of(status);
            }
        }
        self.units.resize_with(self.units.len().max(later.units.len()), UnitSpread::default);
        for (unit, more) in self.units.iter_mut().zip(&later.units) {
            unit.mmr_no_hedge.merge(&more.mmr_no_hedge);
            unit.charges.merge(&more.charges);
            unit.with_options.merge(&more.with_options);
        }
        self.shortfall_mmr.merge(&later.shortfall_mmr);
        self.shortfall_imr.merge(&later.shortfall_imr);
        self.largest.merge(&later.largest);
    }

    /// What a risk unit's MMR is made of, and its MMR with spot hedging off.
    pub(crate) fn unit(&self, unit: usize) -> (Charges, f64) {
        let spread = self.units.get(unit).copied().unwrap_or_default();
        (spread.charges.charges(), spread.mmr_no_hedge.value())
    }

    /// What a risk unit's MMR is made of, and that of its accounts with options alone.
    pub(super) fn charges_of(&self, unit: usize) -> (Charges, Charges) {
        let spread = self.units.get(unit).copied().unwrap_or_default();
        (spread.charges.charges(), spread.with_options.charges())
    }

    /// The distribution; `mmr` is that of all accounts.
    pub(crate) fn distribution(&self, mmr: f64) -> Distribution {
        let accounts = self.largest.in_order();
        let concentration = [1, 10, 100, KEPT].into_iter().map(|count| {
            let sum = accounts.iter().take(count).fold(0.0, |sum, large| sum + large.mmr);
            Concentration { accounts: count as u64, mmr: sum, mmr_share: share(sum, mmr) }
        });
        let listed = accounts.iter().take(LISTED).map(|large| LargeAccount {
            account_id: large.id.clone(),
            mmr: large.mmr,
            mmr_share: share(large.mmr, mmr),
            adj_eq: large.adj_eq,
            margin_ratio: large.margin_ratio,
            status: large.status.name().to_owned(),
        });
        Distribution {
            margin_ratios: self.bins(),
            shortfall_mmr: self.shortfall_mmr.value(),
            shortfall_imr: self.shortfall_imr.value(),
            concentration: concentration.collect(),
            largest: listed.collect(),
        }
    }

    fn bins(&self) -> Vec<RatioBin> {
        let is_held = |counts: &StatusCounts| *counts != StatusCounts::default();
        let first = self.ratios.iter().position(is_held).unwrap_or(0);
        let end = self.ratios.iter().rposition(is_held).map_or(first, |last| last + 1);
        let bin = |bin: usize| RatioBin {
            above: bin.checked_sub(1).map(|below| self.bounds[below]),
            to: self.bounds.get(bin).copied(),
            accounts: self.ratios[bin],
        };
        (first..end).map(bin).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    const STATUS: StatusRules = StatusRules { liquidation: 1.0, near: 1.5, warning: 3.0 };

    #[test]
    fn thresholds_are_bounds() {
        for near in [1.5, 1.01, 2.0, 2.95] {
            let bounds = bounds(&StatusRules { near, ..STATUS });
            for bound in [0.0, 0.1, 1.0, near, 3.0, 1000.0] {
                assert!(bounds.iter().any(|found| (found - bound).abs() < 1e-12), "{bound}: {bounds:?}");
            }
            assert!(bounds.is_sorted_by(|a, b| a < b), "{bounds:?}");
        }
    }

    #[test]
    fn a_ratio_on_a_threshold_lies_below_it() {
        let mut spread = Spread::new(3, &STATUS, &Floor::default());
        let mut chunk = fixture::chunk(0..6);
        let ratios = [Some(-3.0), Some(1.0), Some(1.5), Some(1.500_001), None, Some(5000.0)];
        for (margin, ratio) in chunk.accounts.iter_mut().zip(ratios) {
            margin.margin_ratio = ratio;
        }
        spread.count(&chunk);
        spread.finish(&fixture::book(6));
        let bins = spread.distribution(1.0).margin_ratios;
        let held = bins.iter().filter(|bin| bin.accounts != StatusCounts::default());
        let found: Vec<_> = held.map(|bin| (bin.above.is_some(), bin.to.map(|to| (to * 1e3).round() / 1e3))).collect();
        assert_eq!(
            found,
            [(false, Some(0.0)), (true, Some(1.0)), (true, Some(1.5)), (true, Some(1.778)), (true, None)]
        );
        assert!(bins.windows(2).all(|pair| pair[0].to == pair[1].above), "no gaps");
    }

    #[test]
    fn the_largest_do_not_depend_on_how_the_book_is_cut() {
        let accounts = 5 * KEPT;
        let book = fixture::book(accounts);
        let of = |range: std::ops::Range<usize>, floor: &Floor| {
            let mut spread = Spread::new(3, &STATUS, floor);
            let mut chunk = fixture::chunk(range.clone());
            for (margin, account) in chunk.accounts.iter_mut().zip(range) {
                margin.mmr = (account * 37 % 29) as f64;
            }
            spread.count(&chunk);
            spread.finish(&book);
            spread
        };
        let whole = of(0..accounts, &Floor::default()).distribution(100.0);
        assert_eq!(whole.largest.len(), LISTED);
        assert_eq!(whole.largest[0].mmr, 28.0);
        assert!(whole.largest.is_sorted_by(|a, b| a.account_id < b.account_id), "of equals the first");
        assert_eq!(whole.concentration[0], Concentration { accounts: 1, mmr: 28.0, mmr_share: Some(0.28) });
        for cut in [1, 700, 2048, 4999] {
            let floor = Floor::default();
            // The later part first: what it tells the earlier one must not take its accounts away.
            let (late, early) = (of(cut..accounts, &floor), of(0..cut, &floor));
            for parts in [[&early, &late], [&of(0..cut, &Floor::default()), &of(cut..accounts, &Floor::default())]] {
                let mut merged = Spread::default();
                for part in parts {
                    merged.merge(part);
                }
                let merged = merged.distribution(100.0);
                assert_eq!(
                    (merged.largest, merged.concentration),
                    (whole.largest.clone(), whole.concentration.clone())
                );
                assert_eq!(merged.margin_ratios, whole.margin_ratios, "cut at {cut}");
            }
        }
    }
}
