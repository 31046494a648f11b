//! Counts and sums of a comparison, merged in order of the accounts, so that they do not depend on threads.

use super::by_group::ByGroup;
use super::change::{CAUSES, Causes, Change, UnitFigures, mmr_usd};
use crate::figures::{ACCOUNT, AccountFigure, AccountRow, Totals, UnitTotals};
use crate::margin::Status;
use crate::totals::first::keep_first;
use crate::totals::sum::Sum;
use std::cmp::Ordering;

/// How many accounts each list of the largest movers has.
pub(crate) const LARGEST_ACCOUNTS: usize = 10;

/// Statuses, and behind them an account that is not there.
const PLACES: usize = Status::ALL.len() + 1;

/// An account that is listed by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// Its id.
    pub account_id: String,
    /// Both sides of it.
    pub change: Change,
}

impl Moved {
    pub(crate) fn mmr_change(&self) -> f64 {
        self.change.difference(mmr_usd)
    }
}

/// A risk unit over many accounts.
#[derive(Debug, Clone, Default)]
pub struct UnitStats {
    pub(crate) accounts: [u64; 2],
    /// Sums in A and in B, in the order of [`UnitTotals::NAMES`].
    parts: [[Sum; UnitTotals::NAMES.len()]; 2],
    /// MMR after each cause but the last, if causes are told apart.
    walk: Option<[Sum; CAUSES.len() - 1]>,
}

impl UnitStats {
    /// The sums in A (0) or in B (1).
    pub(crate) fn sums(&self, side: usize) -> UnitTotals {
        UnitTotals::new(self.parts[side].map(Sum::value))
    }

    /// What each cause contributed to its MMR.
    pub(crate) fn causes(&self) -> Option<Causes> {
        let walk = self.walk.as_ref()?;
        let mut states = [0.0; CAUSES.len() + 1];
        states[0] = self.sums(0).mmr;
        states[CAUSES.len()] = self.sums(1).mmr;
        for (state, sum) in states[1..].iter_mut().zip(walk) {
            *state = sum.value();
        }
        Some(contributions(&states))
    }

    pub(crate) fn is_held(&self) -> bool {
        self.accounts != [0, 0]
    }

    fn merge(&mut self, later: &Self) {
        for side in 0..2 {
            self.accounts[side] += later.accounts[side];
            for (sum, more) in self.parts[side].iter_mut().zip(&later.parts[side]) {
                sum.merge(more);
            }
        }
        if let Some(more) = &later.walk {
            let walk = self.walk.get_or_insert_default();
            walk.iter_mut().zip(more).for_each(|(sum, more)| sum.merge(more));
        }
    }
}

/// The contributions of causes from the figures before, between and after them: the differences of neighbours. One of
/// them, the largest if that does, also takes what rounding leaves, so that their sum, taken in order, is the whole
/// difference to the last bit. Where no choice makes it so, a few units in the last place of the largest are left over.
/// What contributes nothing stays exactly zero.
#[must_use]
pub fn contributions(states: &[f64; CAUSES.len() + 1]) -> Causes {
    let parts: Causes = std::array::from_fn(|cause| states[cause + 1] - states[cause]);
    let rest = |parts: &Causes| (states[CAUSES.len()] - states[0]) - parts.iter().fold(0.0, |sum, part| sum + part);
    let mut order: [usize; CAUSES.len()] = std::array::from_fn(|cause| cause);
    order.sort_by(|&x, &y| parts[y].abs().total_cmp(&parts[x].abs()));
    let mut best = parts;
    for cause in order.into_iter().filter(|&cause| parts[cause] != 0.0) {
        let mut parts = parts;
        // A second step settles most of what the first leaves; after that it swings between two neighbours.
        for _ in 0..2 {
            parts[cause] += rest(&parts);
        }
        if rest(&parts).abs() < rest(&best).abs() {
            best = parts;
        }
    }
    best
}

/// What became of some consecutive accounts.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    pub(crate) kept: u64,
    pub(crate) new: u64,
    pub(crate) closed: u64,
    pub(crate) migration: [[u64; PLACES]; PLACES],
    pub(crate) im_deficit: [u64; 2],
    pub(crate) ineligible: [u64; 2],
    pub(crate) newly: [u64; 2],
    pub(crate) no_longer: [u64; 2],
    pub(crate) totals: [[Sum; Totals::NAMES.len()]; 2],
    pub(crate) mmr_causes: Option<[Sum; CAUSES.len()]>,
    pub(crate) excess_causes: Option<[Sum; CAUSES.len()]>,
    /// New breaches by main cause: liquidation, IM deficit.
    pub(crate) breaches_by_cause: [[u64; CAUSES.len()]; 2],
    pub(crate) units: Vec<UnitStats>,
    pub(crate) rises: Vec<Moved>,
    pub(crate) falls: Vec<Moved>,
    pub(crate) breaches: Vec<Moved>,
    /// By the groupings that both runs have.
    pub(crate) groups: ByGroup,
}

/// The place among [`Status::ALL`]; behind them that of an account that is not there.
fn place(row: Option<&AccountRow>) -> usize {
    row.and_then(|row| row.label(AccountFigure::status)).unwrap_or(Status::ALL.len())
}

impl Stats {
    /// Of nothing yet.
    #[must_use]
    pub fn new(units: usize) -> Self {
        Self { units: vec![UnitStats::default(); units], ..Self::default() }
    }

    /// Adds the accounts that follow; `id` names each by its place in `changes`.
    pub fn add<'a>(&mut self, changes: &[Change], id: impl Fn(usize) -> &'a str) {
        for change in changes {
            self.count(change);
        }
        let named = |at: usize| Moved { account_id: id(at).to_owned(), change: changes[at] };
        let by_change = |at: usize| changes[at].difference(mmr_usd);
        let most = |worse: fn(f64) -> bool, order: fn(f64, f64) -> Ordering| {
            let mut places: Vec<usize> = (0..changes.len()).filter(|&at| worse(by_change(at))).collect();
            let by = |x: &usize, y: &usize| order(by_change(*x), by_change(*y)).then(x.cmp(y));
            keep_first(&mut places, LARGEST_ACCOUNTS, by);
            places.sort_unstable_by(by);
            places.into_iter().map(named).collect::<Vec<_>>()
        };
        let rises = most(|change| change > 0.0, |x, y| y.total_cmp(&x));
        let falls = most(|change| change < 0.0, |x, y| x.total_cmp(&y));
        extend_largest(&mut self.rises, &rises, |x, y| y.total_cmp(&x));
        extend_largest(&mut self.falls, &falls, |x, y| x.total_cmp(&y));
        self.breaches.extend((0..changes.len()).filter(|&at| changes[at].new_breach().is_some()).map(named));
    }

    fn count(&mut self, change: &Change) {
        let sides = [change.a.as_ref(), change.b.as_ref()];
        match sides {
            [None, _] => self.new += 1,
            [_, None] => self.closed += 1,
            _ => self.kept += 1,
        }
        self.migration[place(sides[0])][place(sides[1])] += 1;
        for (side, row) in sides.into_iter().enumerate() {
            let Some(row) = row else { continue };
            self.im_deficit[side] += u64::from(row.flag(AccountFigure::im_deficit) == Some(true));
            self.ineligible[side] += u64::from(row.flag(AccountFigure::ineligible) == Some(true));
            let summed = ACCOUNT.iter().zip(row.values()).filter(|(figure, _)| figure.sums);
            for (sum, (_, value)) in self.totals[side].iter_mut().zip(summed) {
                sum.add(*value);
            }
        }
        let back = Change { a: change.b, b: change.a, why: None };
        for (which, is) in [Change::is_newly_in_liquidation, Change::has_new_im_deficit].into_iter().enumerate() {
            self.newly[which] += u64::from(is(change));
            self.no_longer[which] += u64::from(is(&back));
        }
        if let Some(why) = &change.why {
            for (sums, parts) in [(&mut self.mmr_causes, &why.mmr), (&mut self.excess_causes, &why.excess)] {
                let sums = sums.get_or_insert_default();
                sums.iter_mut().zip(parts).for_each(|(sum, part)| sum.add(*part));
            }
            if let (Some(breach), Some((cause, _))) = (change.new_breach(), change.main_cause()) {
                self.breaches_by_cause[breach as usize][cause] += 1;
            }
        }
    }

    /// Adds the risk units of accounts that follow, in order of the accounts. `states` are those in A, after each
    /// cause if they are told apart, and in B.
    pub fn add_units(&mut self, states: &[Vec<UnitFigures>]) {
        let [first, between @ .., last] = states else { return };
        for (side, units) in [first, last].into_iter().enumerate() {
            let mut before = None;
            for unit in units {
                let Some(stats) = self.units.get_mut(unit.group as usize) else { continue };
                let key = Some((unit.account, unit.group));
                // Several units of an account may be one row: they follow one another.
                stats.accounts[side] += u64::from(key != before);
                before = key;
                stats.parts[side].iter_mut().zip(unit.parts.values()).for_each(|(sum, part)| sum.add(part));
            }
        }
        if between.is_empty() {
            return;
        }
        for stats in &mut self.units {
            stats.walk.get_or_insert_default();
        }
        for (step, units) in between.iter().enumerate() {
            for unit in units {
                let walk = self.units.get_mut(unit.group as usize).and_then(|stats| stats.walk.as_mut());
                if let Some(sum) = walk.and_then(|walk| walk.get_mut(step)) {
                    sum.add(unit.parts.mmr);
                }
            }
        }
    }

    /// Adds the accounts that follow.
    pub fn merge(&mut self, later: Self) {
        self.groups.merge(&later.groups);
        self.kept += later.kept;
        self.new += later.new;
        self.closed += later.closed;
        for (count, more) in self.migration.iter_mut().flatten().zip(later.migration.into_iter().flatten()) {
            *count += more;
        }
        let counts = [
            (&mut self.im_deficit, later.im_deficit),
            (&mut self.ineligible, later.ineligible),
            (&mut self.newly, later.newly),
            (&mut self.no_longer, later.no_longer),
        ];
        for (mine, more) in counts {
            mine.iter_mut().zip(more).for_each(|(count, more)| *count += more);
        }
        for (sum, more) in self.totals.iter_mut().flatten().zip(later.totals.iter().flatten()) {
            sum.merge(more);
        }
        let causes = [(&mut self.mmr_causes, later.mmr_causes), (&mut self.excess_causes, later.excess_causes)];
        for (mine, more) in causes {
            if let Some(more) = more {
                mine.get_or_insert_default().iter_mut().zip(&more).for_each(|(sum, more)| sum.merge(more));
            }
        }
        let counts = self.breaches_by_cause.iter_mut().flatten();
        counts.zip(later.breaches_by_cause.into_iter().flatten()).for_each(|(count, more)| *count += more);
        self.units.resize_with(self.units.len().max(later.units.len()), UnitStats::default);
        for (unit, more) in self.units.iter_mut().zip(&later.units) {
            unit.merge(more);
        }
        extend_largest(&mut self.rises, &later.rises, |x, y| y.total_cmp(&x));
        extend_largest(&mut self.falls, &later.falls, |x, y| x.total_cmp(&y));
        self.breaches.extend(later.breaches);
    }

    /// New breaches, liquidation before IM deficit, the lowest ratio first.
    pub(crate) fn sort_breaches(&mut self) {
        let ratio = |moved: &Moved| {
            let ratio = moved.change.b.as_ref().and_then(|b| b.optional(AccountFigure::margin_ratio));
            ratio.unwrap_or(f64::INFINITY)
        };
        // Stable: equals stay in order of their ids.
        self.breaches
            .sort_by(|x, y| x.change.new_breach().cmp(&y.change.new_breach()).then(ratio(x).total_cmp(&ratio(y))));
    }

    /// Accounts by status before and after, where there are any.
    pub(crate) fn migrations(&self) -> Vec<(Option<Status>, Option<Status>, u64)> {
        let status = |place: usize| Status::ALL.get(place).copied();
        let all = (0..PLACES).flat_map(|from| (0..PLACES).map(move |to| (from, to)));
        let counted = all.map(|(from, to)| (status(from), status(to), self.migration[from][to]));
        counted.filter(|(_, _, accounts)| *accounts > 0).collect()
    }

    /// Accounts of a status in A or in B.
    pub(crate) fn with_status(&self, side: usize, status: usize) -> u64 {
        (0..PLACES)
            .map(|other| if side == 0 { self.migration[status][other] } else { self.migration[other][status] })
            .sum()
    }
}

/// Keeps the first of both lists, of equals those that were there.
fn extend_largest(mine: &mut Vec<Moved>, later: &[Moved], order: fn(f64, f64) -> Ordering) {
    mine.extend(later.iter().cloned());
    mine.sort_by(|x, y| order(x.mmr_change(), y.mmr_change()));
    mine.truncate(LARGEST_ACCOUNTS);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::change::Why;
    use crate::margin::AccountMargin;
    use proptest::prelude::*;

    fn figures(mmr: f64, adj_eq: f64) -> AccountRow {
        let ratio = adj_eq / mmr;
        AccountRow::from(&AccountMargin {
            adj_eq,
            mmr,
            imr: 1.3 * mmr,
            liquidation_fee: 0.0,
            margin_ratio: Some(ratio),
            status: if ratio <= 1.0 { Status::Liquidation } else { Status::Healthy },
            im_deficit: adj_eq < 1.3 * mmr,
            ..crate::fixture::account(1)
        })
    }

    fn change(before: Option<f64>, after: Option<f64>, adj_eq: f64) -> Change {
        let side = |mmr: Option<f64>| mmr.map(|mmr| figures(mmr, adj_eq));
        Change { a: side(before), b: side(after), why: None }
    }

    proptest! {
        #[test]
        fn contributions_add_up(
            states in prop::array::uniform6(prop_oneof![3 => -1e9..1e9f64, 1 => Just(0.0f64), 1 => 1e-6..1.0f64]),
            still in prop::array::uniform5(any::<bool>()),
        ) {
            let mut states = states;
            for cause in 0..CAUSES.len() {
                if still[cause] {
                    states[cause + 1] = states[cause];
                }
            }
            let parts = contributions(&states);
            let largest = parts.iter().fold(0.0f64, |most, part| most.max(part.abs()));
            let sum = parts.iter().fold(0.0, |sum, part| sum + part);
            prop_assert!((sum - (states[5] - states[0])).abs() <= largest * f64::EPSILON * 8.0);
            for cause in 0..CAUSES.len() {
                let plain = states[cause + 1] - states[cause];
                prop_assert!((parts[cause] - plain).abs() <= largest * 4e-15);
                prop_assert_eq!(parts[cause] == 0.0, plain == 0.0);
            }
        }
    }

    #[test]
    fn one_cause_takes_everything_to_the_bit() {
        for cause in 0..CAUSES.len() {
            let states: [f64; 6] = std::array::from_fn(|state| if state > cause { 0.3 } else { 0.1 });
            let mut expected = Causes::default();
            expected[cause] = 0.3 - 0.1;
            assert_eq!(contributions(&states), expected);
        }
        assert_eq!(contributions(&[7.7; 6]), Causes::default());
    }

    #[test]
    fn accounts_are_counted_whichever_way_they_are_cut() {
        let changes: Vec<Change> = (0..60)
            .map(|n: usize| {
                let mmr = |k: usize, rest: usize| (!n.is_multiple_of(rest)).then(|| (n * k % 13 + 1) as f64 * 10.0);
                change(mmr(3, 7), mmr(5, 5), 75.0)
            })
            .filter(|change| change.a.is_some() || change.b.is_some())
            .collect();
        let ids: Vec<String> = (0..changes.len()).map(|n| format!("a{n:02}")).collect();
        let of = |range: std::ops::Range<usize>| {
            let mut stats = Stats::new(0);
            stats.add(&changes[range.clone()], |at| ids[range.start + at].as_str());
            stats
        };
        let whole = of(0..changes.len());
        assert_eq!(whole.kept + whole.new + whole.closed, changes.len() as u64);
        assert!(whole.new > 0 && whole.closed > 0 && whole.newly[0] > 0 && whole.no_longer[0] > 0);
        let mut by_change: Vec<(f64, usize)> =
            changes.iter().map(|change| change.difference(mmr_usd)).zip(0..).collect();
        by_change.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
        let expected: Vec<&String> =
            by_change.iter().filter(|(change, _)| *change > 0.0).take(10).map(|&(_, place)| &ids[place]).collect();
        for cut in [0, 1, 7, 30, changes.len()] {
            let mut merged = of(0..cut);
            merged.merge(of(cut..changes.len()));
            assert_eq!(merged.migration, whole.migration);
            assert_eq!((merged.newly, merged.no_longer), (whole.newly, whole.no_longer));
            assert_eq!(merged.rises.iter().map(|moved| &moved.account_id).collect::<Vec<_>>(), expected, "{cut}");
            assert_eq!((&merged.falls, &merged.breaches), (&whole.falls, &whole.breaches));
        }
    }

    #[test]
    fn the_main_cause_of_a_breach_is_where_the_room_went() {
        let why = Why {
            mmr: [50.0, 0.0, 1.0, 0.0, 0.0],
            excess: [-10.0, -30.0, 0.0, -30.0, 5.0],
            im_excess: [-40.0, -30.0, 0.0, 0.0, 0.0],
        };
        let moved = |before: f64, after: f64, adj_eq: f64| Change {
            why: Some(why),
            ..change(Some(before), Some(after), adj_eq)
        };
        assert_eq!(moved(50.0, 101.0, 100.0).main_cause(), Some((1, -30.0)));
        assert_eq!(moved(50.0, 90.0, 100.0).main_cause(), Some((0, -40.0)));
        assert_eq!(moved(50.0, 60.0, 100.0).main_cause(), None);
        assert_eq!(moved(120.0, 110.0, 100.0).main_cause(), None);
    }
}
