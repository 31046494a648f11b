//! What the groups of accounts come to, by grouping, scenario and risk unit.
//!
//! ```text
//! a piece      codes of its book -> ScenarioGroups, one a scenario     many threads
//! GroupTally   codes of all pieces so far, by the names of the groups  merged in order of the pieces
//! GroupTotals  groups in byte order of their names: the rows of the tables
//! ```
//!
//! A group has the number of its first account only while it is summed up: no number is written, so that nothing
//! depends on how the book was cut. Sums are compensated and merged in order, as those of the book are.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use super::at_risk::{Names, lower_first, shortfall_imr_usd, shortfall_mmr_usd};
use super::charges::Charges;
use super::counts::share;
use super::group_units::{UnitSums, Units};
use super::sum::Sum;
use super::summary::{AccountCounts, BindingCounts};
use super::unit_columns::UnitColumns;
use crate::book::{Book, Grouping, IdTable, Interner};
use crate::engine::Chunk;
use crate::engine::lanes::widest;
use crate::figures::Totals;
use crate::margin::extremes::loss;
use crate::margin::{AccountMargin, UnitMargin};
use crate::{Error, Result};
use std::ops::Range;

/// Sums over the accounts of a group in one scenario.
#[derive(Debug, Clone, Default)]
pub(crate) struct GroupSums {
    counts: AccountCounts,
    totals: [Sum; Totals::NAMES.len()],
    shortfalls: Shortfalls<Sum>,
    worst: Option<WorstAccount>,
}

/// What accounts lack: beside MMR and the liquidation fee, beside IMR, and below zero equity. USD.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shortfalls<T> {
    pub mmr: T,
    pub imr: T,
    pub equity: T,
}

/// The account with the lowest margin ratio, the first of equals.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WorstAccount {
    pub margin_ratio: f64,
    pub account_id: Box<str>,
}

impl GroupSums {
    #[inline(always)]
    fn count(&mut self, account_id: &str, margin: &AccountMargin) {
        self.counts.add(margin.into());
        for (sum, value) in self.totals.iter_mut().zip(Totals::of(margin)) {
            sum.add(value);
        }
        self.shortfalls.mmr.add(shortfall_mmr_usd(margin));
        self.shortfalls.imr.add(shortfall_imr_usd(margin));
        self.shortfalls.equity.add(loss(margin.total_eq));
        if let Some(margin_ratio) = margin.margin_ratio.filter(|ratio| self.is_worse(*ratio)) {
            self.worst = Some(WorstAccount { margin_ratio, account_id: account_id.into() });
        }
    }

    /// Accounts come in order of their ids: of equals the first stays.
    fn is_worse(&self, margin_ratio: f64) -> bool {
        lower_first(Some(margin_ratio), self.worst.as_ref().map(|worst| worst.margin_ratio)).is_lt()
    }

    fn merge(&mut self, later: &Self) {
        self.counts.merge(&later.counts);
        for (sum, part) in self.totals.iter_mut().zip(&later.totals) {
            sum.merge(part);
        }
        self.shortfalls.mmr.merge(&later.shortfalls.mmr);
        self.shortfalls.imr.merge(&later.shortfalls.imr);
        self.shortfalls.equity.merge(&later.shortfalls.equity);
        if let Some(worst) = later.worst.as_ref().filter(|worst| self.is_worse(worst.margin_ratio)) {
            self.worst = Some(worst.clone());
        }
    }
}

/// The groups of one grouping in one scenario, by their numbers.
#[derive(Debug, Clone, Default)]
struct Grouped {
    groups: Vec<GroupSums>,
    units: Units,
}

/// All groups of some consecutive accounts in one scenario.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScenarioGroups {
    /// MMR of all accounts.
    mmr: Sum,
    /// One for each grouping.
    by: Vec<Grouped>,
}

impl ScenarioGroups {
    /// Of no account yet of this book.
    pub fn new(book: &Book) -> Self {
        let grouped = |groups: &crate::book::Groups| Grouped {
            groups: vec![GroupSums::default(); groups.names().len()],
            units: Units::default(),
        };
        Self { mmr: Sum::default(), by: book.groups().iter().map(grouped).collect() }
    }

    /// Has at least so many groups of each grouping.
    pub fn grow(&mut self, groups: impl ExactSizeIterator<Item = usize>) {
        self.by.resize_with(self.by.len().max(groups.len()), Grouped::default);
        for (grouped, count) in self.by.iter_mut().zip(groups) {
            grouped.groups.resize_with(grouped.groups.len().max(count), GroupSums::default);
        }
    }

    /// Counts the accounts that follow, of the same book, without their risk units.
    pub fn count(&mut self, book: &Book, chunk: &Chunk) {
        widest(
            #[inline(always)]
            || {
                for (place, margin) in (chunk.first_account..).zip(&chunk.accounts) {
                    let codes = book.groups().iter().map(|groups| groups.code(place));
                    self.count_margin(codes, book.accounts().get(place), margin);
                }
            },
        );
    }

    /// Counts all risk units of a book, which had none yet; `scenarios` has one of these for each scenario.
    pub fn count_units(scenarios: &mut [Self], book: &Book, rows: &UnitColumns) {
        let by_scenario = rows.by_scenario(scenarios.len());
        for (all, of_scenario) in scenarios.iter_mut().zip(&by_scenario) {
            for (grouped, groups) in all.by.iter_mut().zip(book.groups()) {
                grouped.units = Units::of_rows(rows, of_scenario, |account| groups.code(account as usize));
            }
        }
    }

    /// Counts the account that follows, of the same book.
    #[inline(always)]
    pub fn count_account(&mut self, book: &Book, account: usize, margin: &AccountMargin, units: &[UnitMargin]) {
        let codes = book.groups().iter().map(|groups| groups.code(account));
        self.count_in(codes, book.accounts().get(account), margin, units);
    }

    /// Counts the account that follows; `codes` are the numbers of its groups, one for each grouping.
    #[inline(always)]
    pub fn count_in(
        &mut self,
        codes: impl Iterator<Item = u32> + Clone,
        account_id: &str,
        margin: &AccountMargin,
        units: &[UnitMargin],
    ) {
        for (grouped, code) in self.by.iter_mut().zip(codes.clone()) {
            grouped.units.count(code, units);
        }
        self.count_margin(codes, account_id, margin);
    }

    #[inline(always)]
    fn count_margin(&mut self, codes: impl Iterator<Item = u32>, account_id: &str, margin: &AccountMargin) {
        self.mmr.add(margin.mmr);
        for (grouped, code) in self.by.iter_mut().zip(codes) {
            grouped.groups[code as usize].count(account_id, margin);
        }
    }

    /// Adds the accounts that follow; `numbers` are those here of their groups.
    fn merge(&mut self, later: &Self, numbers: &[Vec<u32>]) {
        self.mmr.merge(&later.mmr);
        self.by.resize_with(self.by.len().max(later.by.len()), Grouped::default);
        for ((mine, theirs), numbers) in self.by.iter_mut().zip(&later.by).zip(numbers) {
            for (group, &number) in theirs.groups.iter().zip(numbers) {
                let number = number as usize;
                if number >= mine.groups.len() {
                    mine.groups.resize_with(number + 1, GroupSums::default);
                }
                mine.groups[number].merge(group);
            }
            mine.units.merge(&theirs.units, numbers);
        }
    }

    /// Without room for more.
    fn fitted(mut self) -> Self {
        for grouped in &mut self.by {
            grouped.groups.shrink_to_fit();
            grouped.units.fit();
        }
        self
    }

    /// Bytes that it takes; a list that grows has room for as many again.
    pub fn bytes(&self) -> usize {
        // An id is an allocation of its own.
        const ID_BYTES: usize = 32;
        let of =
            |grouped: &Grouped| grouped.groups.capacity() * (size_of::<GroupSums>() + ID_BYTES) + grouped.units.bytes();
        self.by.iter().map(of).sum()
    }
}

/// What they are called in an error of the memory limit.
pub(crate) const GROUPS: &str = "the groups of accounts";

/// The names of the groups of a book, one table for each grouping.
pub(crate) fn group_names(book: &Book) -> Vec<IdTable> {
    book.groups().iter().map(|groups| groups.names().clone()).collect()
}

/// All groups of the accounts so far, in every scenario.
#[derive(Debug, Default)]
pub(crate) struct GroupTally {
    names: Vec<Interner>,
    scenarios: Vec<ScenarioGroups>,
}

impl GroupTally {
    /// Adds the accounts that follow: the names of their groups, and what these come to in each scenario.
    pub fn merge(&mut self, names: &[IdTable], later: &[ScenarioGroups]) {
        self.names.resize_with(self.names.len().max(names.len()), Interner::default);
        let numbers = self.names.iter_mut().zip(names);
        let numbers: Vec<Vec<u32>> =
            numbers.map(|(known, names)| names.iter().map(|name| known.intern(name)).collect()).collect();
        self.scenarios.resize_with(self.scenarios.len().max(later.len()), ScenarioGroups::default);
        for (scenario, later) in self.scenarios.iter_mut().zip(later) {
            scenario.merge(later, &numbers);
        }
    }

    /// Adds what the same accounts come to in the scenarios that follow.
    pub fn then(&mut self, later: Self) {
        // Groups are numbered in order of their first accounts: alike in every pass.
        if self.names.is_empty() {
            self.names = later.names;
        }
        self.scenarios.extend(later.scenarios.into_iter().map(ScenarioGroups::fitted));
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> u64 {
        let names: usize = self.names.iter().map(Interner::bytes).sum();
        (names + self.scenarios.iter().map(ScenarioGroups::bytes).sum::<usize>()) as u64
    }

    /// The groups in order.
    pub fn totals<'a>(&'a self, by: &[Grouping], names: Names<'a>) -> GroupTotals<'a> {
        let order = |names: &Interner| {
            let mut order: Vec<u32> = (0..names.len() as u32).collect();
            order.sort_unstable_by(|a, b| names.ids().get(*a as usize).cmp(names.ids().get(*b as usize)));
            order
        };
        let units = |scenario: &ScenarioGroups| {
            let in_order = |grouped: &Grouped| {
                let mut places: Vec<u32> = (0..grouped.units.keys.len() as u32).collect();
                places.sort_unstable_by_key(|&place| grouped.units.keys[place as usize]);
                places
            };
            scenario.by.iter().map(in_order).collect()
        };
        GroupTotals {
            tally: self,
            by: by.iter().map(ToString::to_string).collect(),
            names,
            order: self.names.iter().map(order).collect(),
            units: self.scenarios.iter().map(units).collect(),
        }
    }
}

/// The groups of all accounts: by grouping as given, group in byte order of its name, scenario in order.
pub(crate) struct GroupTotals<'a> {
    tally: &'a GroupTally,
    by: Vec<String>,
    names: Names<'a>,
    /// Of each grouping the numbers of its groups in order.
    order: Vec<Vec<u32>>,
    /// Of each scenario and grouping the places of the units, in order of group number and unit.
    units: Vec<Vec<Vec<u32>>>,
}

/// A group in a scenario.
#[derive(Clone)]
pub(crate) struct GroupRow<'a> {
    pub by: &'a str,
    pub group: &'a str,
    pub scenario: &'a str,
    pub counts: AccountCounts,
    pub totals: Totals,
    pub shortfalls: Shortfalls<f64>,
    /// Its share of the MMR of all accounts; `None` where that is zero.
    pub mmr_share: Option<f64>,
    /// What the MMR of its derivatives is made of.
    pub charges: Charges,
    pub worst: Option<&'a WorstAccount>,
}

/// A risk unit of a group in a scenario.
#[derive(Clone)]
pub(crate) struct UnitRow<'a> {
    pub by: &'a str,
    pub group: &'a str,
    pub scenario: &'a str,
    pub risk_unit: &'a str,
    pub accounts: u64,
    pub mmr: f64,
    pub imr: f64,
    pub mmr_no_hedge: f64,
    pub cash_delta: f64,
    pub gamma: f64,
    pub vega: f64,
    pub theta: f64,
    pub charges: Charges,
    pub binding: BindingCounts,
}

impl<'a> GroupTotals<'a> {
    /// The groupings, as they are called.
    pub fn by(&self) -> &[String] {
        &self.by
    }

    /// The names of the groups of each grouping.
    pub fn names(&self) -> impl Iterator<Item = &IdTable> {
        self.tally.names.iter().map(Interner::ids)
    }

    /// All groups of one grouping in the base case, in order.
    ///
    /// # Errors
    /// Those of [`GroupTotals::rows`].
    pub fn base_rows(&self, by: usize) -> impl Iterator<Item = Result<GroupRow<'_>>> {
        self.order.get(by).into_iter().flatten().filter_map(move |&group| self.row(by, group, 0))
    }

    /// The rows of some cells, in order.
    ///
    /// # Errors
    /// [`Error::Runtime`] for a figure that is not finite.
    pub fn rows(&self, cells: Range<usize>) -> impl Iterator<Item = Result<GroupRow<'_>>> {
        cells.filter_map(|cell| self.cell(cell)).filter_map(|(by, group, scenario)| self.row(by, group, scenario))
    }

    /// The risk units of some cells, in order.
    ///
    /// # Errors
    /// Those of [`GroupTotals::rows`].
    pub fn units(&self, cells: Range<usize>) -> impl Iterator<Item = Result<UnitRow<'_>>> {
        cells.filter_map(|cell| self.cell(cell)).flat_map(|(by, group, scenario)| self.units_of(by, group, scenario))
    }

    /// All cells, each a group in a scenario, in pieces of about so many rows of [`GroupTotals::rows`].
    pub fn pieces(&self, rows: usize) -> Vec<Range<usize>> {
        self.pieces_of(rows, |_| 1)
    }

    /// The same by rows of [`GroupTotals::units`].
    pub fn unit_pieces(&self, rows: usize) -> Vec<Range<usize>> {
        self.pieces_of(rows, |(by, group, scenario)| self.sums_of(by, group, scenario).count())
    }

    fn pieces_of(&self, most: usize, rows_of: impl Fn((usize, u32, usize)) -> usize) -> Vec<Range<usize>> {
        let cells = self.order.iter().map(Vec::len).sum::<usize>() * self.tally.scenarios.len();
        let (mut pieces, mut start, mut rows) = (Vec::new(), 0, 0);
        for cell in 0..cells {
            rows += self.cell(cell).map_or(0, &rows_of);
            if rows >= most || cell + 1 == cells {
                pieces.push(start..cell + 1);
                (start, rows) = (cell + 1, 0);
            }
        }
        pieces
    }

    /// Grouping, number of the group, scenario.
    fn cell(&self, cell: usize) -> Option<(usize, u32, usize)> {
        let scenarios = self.tally.scenarios.len().max(1);
        let (mut place, scenario) = (cell / scenarios, cell % scenarios);
        for (by, order) in self.order.iter().enumerate() {
            if let Some(&group) = order.get(place) {
                return Some((by, group, scenario));
            }
            place -= order.len();
        }
        None
    }

    fn scenario(&self, scenario: usize) -> &'a str {
        self.names.scenarios.get(scenario).map_or("", String::as_str)
    }

    fn group(&self, by: usize, group: u32) -> &'a str {
        self.tally.names.get(by).map_or("", |names| names.ids().get(group as usize))
    }

    fn row(&self, by: usize, group: u32, scenario: usize) -> Option<Result<GroupRow<'_>>> {
        let all = self.tally.scenarios.get(scenario)?;
        let sums = all.by.get(by)?.groups.get(group as usize).filter(|sums| sums.counts.margined > 0)?;
        let units = UnitSums::of_all(self.sums_of(by, group, scenario).map(|(_, unit)| unit));
        let (totals, charges) = (Totals::new(sums.totals.map(Sum::value)), units.charges());
        let Shortfalls { mmr, imr, equity } = sums.shortfalls;
        let shortfalls = Shortfalls { mmr: mmr.value(), imr: imr.value(), equity: equity.value() };
        let row = GroupRow {
            by: self.by.get(by)?,
            group: self.group(by, group),
            scenario: self.scenario(scenario),
            counts: sums.counts,
            totals,
            shortfalls,
            mmr_share: share(totals.mmr, all.mmr.value()),
            charges,
            worst: sums.worst.as_ref(),
        };
        let figures = totals.values().into_iter().chain([shortfalls.mmr, shortfalls.imr, shortfalls.equity]);
        Some(finite(row.by, row.group, row.scenario, figures).map(|()| row))
    }

    fn sums_of(&self, by: usize, group: u32, scenario: usize) -> impl Iterator<Item = (u32, UnitSums)> {
        let units = self.tally.scenarios.get(scenario).and_then(|all| all.by.get(by)).map(|grouped| &grouped.units);
        let places = self.units.get(scenario).and_then(|of| of.get(by));
        units.zip(places).into_iter().flat_map(move |(units, places)| {
            let of_group = |place: &u32| units.keys[*place as usize].0;
            let start = places.partition_point(|place| of_group(place) < group);
            let end = places.partition_point(|place| of_group(place) <= group);
            places[start..end].iter().map(|&place| (units.keys[place as usize].1, units.at(place as usize)))
        })
    }

    /// The risk units of a group in a scenario, in byte order of their names.
    fn units_of(&self, by: usize, group: u32, scenario: usize) -> impl Iterator<Item = Result<UnitRow<'_>>> {
        self.sums_of(by, group, scenario).map(move |(unit, sums)| {
            let figures = sums.figures();
            let [mmr, imr, mmr_no_hedge, cash_delta, gamma, vega, theta] = figures;
            let row = UnitRow {
                by: self.by.get(by).map_or("", String::as_str),
                group: self.group(by, group),
                scenario: self.scenario(scenario),
                risk_unit: self.names.units.get(unit as usize).map_or("", String::as_str),
                accounts: sums.accounts(),
                mmr,
                imr,
                mmr_no_hedge,
                cash_delta,
                gamma,
                vega,
                theta,
                charges: sums.charges(),
                binding: BindingCounts::from(sums.binding),
            };
            finite(row.by, row.group, row.scenario, figures).map(|()| row)
        })
    }
}

fn finite(by: &str, group: &str, scenario: &str, figures: impl IntoIterator<Item = f64>) -> Result<()> {
    if figures.into_iter().all(f64::is_finite) {
        return Ok(());
    }
    Err(Error::Runtime(format!(
        "scenario `{scenario}`: a total of group `{group}` by `{by}` is not finite: some account's figures are \
         absurdly large"
    )))
}
