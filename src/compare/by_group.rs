//! What changed from run A to run B in each group of accounts, by the groupings that both runs have.
//!
//! An account may be of another group in B than it was in A. Its figures in A then count in the one and those in B in
//! the other; what it brought from one to the other is told apart, as `moved`, and what causes did to it counts in B's.

use super::change::{CAUSES, Causes, Change, excess_usd, main_of, mmr_usd};
use super::recorded::{Accounts, Room};
use crate::book::{IdTable, Interner};
use crate::figures::{AccountFigure, AccountRow};
use crate::margin::Status;
use crate::progress::Progress;
use crate::publish::OutputFile;
use crate::results::{FinishedRun, ResultColumns, each_result};
use crate::source::Format;
use crate::tables::columns::{Column, Table, TableSpec, count, label, text, usd};
use crate::tables::encode::write_table;
use crate::tables::filled::{self, Filled, columns_of};
use crate::tables::groups::{BY, GROUP};
use crate::totals::sum::Sum;
use crate::{Error, Invalid, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// Groups of both runs: what changed in each.
pub static GROUP_CHANGES: Table = Table::new(|| {
    let row = "grouping that both runs have x group, in byte order of its name";
    TableSpec::new("group_changes", row, columns_of(columns()))
});

/// The groups of the accounts of two runs.
pub(super) struct Membership<'a> {
    /// The accounts of each run, in byte order.
    ids: [&'a IdTable; 2],
    /// The groupings that both runs have, in the order of A.
    by: Vec<String>,
    /// The groups of each, of both runs.
    names: Vec<Interner>,
    /// Of each run the groups of its accounts, account by account.
    codes: [Vec<u32>; 2],
}

impl<'a> Membership<'a> {
    /// Reads the groups of all accounts; `None` if the runs have no grouping in common.
    pub fn read<T>(
        runs: [(&FinishedRun, &'a Accounts<T>); 2],
        room: Room,
        progress: &dyn Progress,
    ) -> Result<Option<Self>> {
        let [(a, _), (b, _)] = runs;
        let by: Vec<String> = a.by.iter().filter(|by| b.by.contains(by)).cloned().collect();
        if by.is_empty() {
            return Ok(None);
        }
        let names = by.iter().map(|_| Interner::default()).collect();
        let ids = runs.map(|(_, accounts)| &accounts.ids);
        let mut members = Self { ids, by, names, codes: [Vec::new(), Vec::new()] };
        for (side, (run, accounts)) in runs.into_iter().enumerate() {
            members.read_side(side, run, accounts, room, progress)?;
        }
        Ok(Some(members))
    }

    fn read_side<T>(
        &mut self,
        side: usize,
        run: &FinishedRun,
        accounts: &Accounts<T>,
        room: Room,
        progress: &dyn Progress,
    ) -> Result<()> {
        let broken = |account: &str| -> Error {
            let problem = "the table `account_groups` of a run does not have the accounts of its table `accounts`";
            Invalid::new(problem).file(&run.dir).value(account).hint("run it again").into()
        };
        let Self { ids: _, by, names, codes } = self;
        let codes = &mut codes[side];
        // The run may have more groupings, in another order.
        let places: Vec<Option<usize>> =
            run.by.iter().map(|of_run| by.iter().position(|known| known == of_run)).collect();
        let mut row_number = 0;
        let columns = ResultColumns { names: &["account_id", "by", "group"], flags: &[], figures: &[] };
        each_result(
            &run.dir,
            "account_groups",
            columns,
            |_| true,
            progress,
            |row| {
                let (account, grouping) = (row_number / run.by.len(), row_number % run.by.len());
                row_number += 1;
                let [id, of, group] = row.names.as_slice() else { return Err(broken("")) };
                if account >= accounts.ids.len() || accounts.ids.get(account) != id || *of != run.by[grouping] {
                    return Err(broken(id));
                }
                if grouping == 0 {
                    codes.resize(codes.len() + by.len(), 0);
                    room.check(accounts.bytes() + (codes.len() * size_of::<u32>()) as u64)?;
                }
                if let Some(place) = places[grouping] {
                    codes[account * by.len() + place] = names[place].intern(group);
                }
                Ok(())
            },
        )?;
        if row_number == accounts.ids.len() * run.by.len() { Ok(()) } else { Err(broken("")) }
    }

    /// The places of an account in both runs.
    fn places(&self, id: &str) -> [Option<usize>; 2] {
        self.ids.map(|ids| ids.find_sorted(id))
    }

    /// The groups of an account in a run, by grouping.
    fn of(&self, side: usize, account: usize) -> &[u32] {
        let width = self.by.len();
        self.codes[side].get(account * width..(account + 1) * width).unwrap_or_default()
    }
}

/// Figures that are summed up on both sides.
const FIGURES: [AccountFigure; 4] =
    [AccountFigure::mmr, AccountFigure::imr, AccountFigure::adj_eq, AccountFigure::total_eq];

/// What changed in a group.
#[derive(Debug, Clone, Default)]
struct GroupChange {
    accounts: [u64; 2],
    /// Accounts that were not in the group in A, and that are not in it in B.
    joined: u64,
    left: u64,
    liquidation: [u64; 2],
    newly: [u64; 2],
    sums: [[Sum; FIGURES.len()]; 2],
    /// MMR, then excess: in A and in B, what each cause contributed, what accounts brought from other groups.
    mmr: Attributed,
    excess: Attributed,
}

/// A figure, with what led from A to B.
#[derive(Debug, Clone, Default)]
struct Attributed {
    sides: [Sum; 2],
    causes: [Sum; CAUSES.len()],
    moved: Sum,
}

impl Attributed {
    fn merge(&mut self, later: &Self) {
        let mine = self.sides.iter_mut().chain(&mut self.causes).chain([&mut self.moved]);
        let theirs = later.sides.iter().chain(&later.causes).chain([&later.moved]);
        mine.zip(theirs).for_each(|(sum, part)| sum.merge(part));
    }

    /// The change of the figure.
    fn change(&self) -> f64 {
        self.sides[1].value() - self.sides[0].value()
    }
}

impl GroupChange {
    fn count(&mut self, side: usize, row: &AccountRow) {
        self.accounts[side] += 1;
        self.liquidation[side] += u64::from(row.status() == Some(Status::Liquidation));
        for (sum, figure) in self.sums[side].iter_mut().zip(FIGURES) {
            sum.add(row.number(figure));
        }
        self.mmr.sides[side].add(mmr_usd(row));
        self.excess.sides[side].add(excess_usd(row));
    }

    fn merge(&mut self, later: &Self) {
        for side in 0..2 {
            self.accounts[side] += later.accounts[side];
            self.liquidation[side] += later.liquidation[side];
            self.newly[side] += later.newly[side];
            self.sums[side].iter_mut().zip(&later.sums[side]).for_each(|(sum, part)| sum.merge(part));
        }
        self.joined += later.joined;
        self.left += later.left;
        self.mmr.merge(&later.mmr);
        self.excess.merge(&later.excess);
    }
}

/// What changed in each group over some consecutive accounts.
#[derive(Debug, Clone, Default)]
pub struct ByGroup {
    /// By grouping and group.
    groups: BTreeMap<(u32, u32), GroupChange>,
    /// Causes are told apart.
    with_causes: bool,
}

impl ByGroup {
    /// Adds accounts; `places` are theirs in the runs.
    pub(super) fn add(&mut self, members: &Membership, id: &str, change: &Change) {
        let places = members.places(id);
        self.with_causes |= change.why.is_some();
        for grouping in 0..members.by.len() {
            let code = |side: usize| {
                let account = places[side].filter(|_| [&change.a, &change.b][side].is_some())?;
                members.of(side, account).get(grouping).copied()
            };
            self.add_to(grouping as u32, [code(0), code(1)], change);
        }
    }

    fn add_to(&mut self, grouping: u32, [before, after]: [Option<u32>; 2], change: &Change) {
        let has_moved = before.is_some() && after.is_some() && before != after;
        if let (Some(group), Some(row)) = (before, &change.a) {
            let of = self.groups.entry((grouping, group)).or_default();
            of.count(0, row);
            of.left += u64::from(after != before);
            if has_moved {
                of.mmr.moved.add(-mmr_usd(row));
                of.excess.moved.add(-excess_usd(row));
            }
        }
        if let (Some(group), Some(row)) = (after, &change.b) {
            let of = self.groups.entry((grouping, group)).or_default();
            of.count(1, row);
            of.joined += u64::from(after != before);
            of.newly[0] += u64::from(change.is_newly_in_liquidation());
            of.newly[1] += u64::from(change.has_new_im_deficit());
            if let Some(row) = change.a.as_ref().filter(|_| has_moved) {
                of.mmr.moved.add(mmr_usd(row));
                of.excess.moved.add(excess_usd(row));
            }
        }
        // What causes did counts where the account is now; of one that was closed, where it was.
        if let (Some(group), Some(why)) = (after.or(before), &change.why) {
            let of = self.groups.entry((grouping, group)).or_default();
            let add = |sums: &mut [Sum; CAUSES.len()], parts: &Causes| {
                sums.iter_mut().zip(parts).for_each(|(sum, part)| sum.add(*part));
            };
            add(&mut of.mmr.causes, &why.mmr);
            add(&mut of.excess.causes, &why.excess);
        }
    }

    /// Adds the accounts that follow.
    pub(super) fn merge(&mut self, later: &Self) {
        self.with_causes |= later.with_causes;
        for (key, change) in &later.groups {
            self.groups.entry(*key).or_default().merge(change);
        }
    }
}

/// A row of [`GROUP_CHANGES`].
struct Row<'a> {
    by: &'a str,
    group: &'a str,
    change: &'a GroupChange,
    with_causes: bool,
}

impl Row<'_> {
    fn sum(&self, side: usize, place: usize) -> f64 {
        self.change.sums[side][place].value()
    }

    /// What changed MMR most: a cause, or accounts that came from other groups or went there.
    fn main_cause(&self) -> Option<&'static str> {
        let causes = self.causes(&self.change.mmr)?;
        let largest = causes.iter().fold(0.0_f64, |largest, cause| largest.max(cause.abs()));
        if self.change.mmr.moved.value().abs() > largest { Some("moved") } else { main_of(&causes) }
    }

    fn causes(&self, of: &Attributed) -> Option<Causes> {
        self.with_causes.then(|| of.causes.map(Sum::value))
    }
}

const MAIN_CAUSE: &str = "What changed MMR most: a cause, or `moved`, accounts that came from other groups or went \
                          there; null where causes are not told apart, and where nothing changed.";

fn columns<'a>() -> Vec<Filled<'a, Row<'a>>> {
    let mut columns = vec![
        label("by", BY).text(|row: &Row| row.by),
        text("group", GROUP).repeated().text(|row: &Row| row.group),
        count("accounts_a", "Accounts in A.").count(|row: &Row| row.change.accounts[0]),
        count("accounts_b", "Accounts in B.").count(|row: &Row| row.change.accounts[1]),
        count("accounts_joined", "Accounts of the group in B that were not in it in A: new, or of another group.")
            .count(|row: &Row| row.change.joined),
        count("accounts_left", "Accounts of the group in A that are not in it in B: closed, or of another group.")
            .count(|row: &Row| row.change.left),
        count("liquidation_a", "Accounts in `liquidation` in A.").count(|row: &Row| row.change.liquidation[0]),
        count("liquidation_b", "Accounts in `liquidation` in B.").count(|row: &Row| row.change.liquidation[1]),
        count("newly_liquidation", "Accounts in `liquidation` in B and not in A.")
            .count(|row: &Row| row.change.newly[0]),
        count("newly_im_deficit", "Accounts with an IM deficit in B and not in A.")
            .count(|row: &Row| row.change.newly[1]),
    ];
    for (place, figure) in FIGURES.into_iter().enumerate() {
        let name = figure.figure().name;
        for (side, end, before) in [(0, "a", "Sum over accounts in A"), (1, "b", "Sum over accounts in B")] {
            let column = Column::of(figure.figure()).named(format!("{name}_{end}"), before);
            columns.push(column.number(move |row: &Row| row.sum(side, place)));
        }
        let column = usd("", "B less A of it.").named(format!("{name}_change"), "");
        columns.push(column.number(move |row: &Row| row.sum(1, place) - row.sum(0, place)));
    }
    columns.extend(attributed("mmr", "the change of MMR", |change| &change.mmr));
    columns.push(label("mmr_main_cause", MAIN_CAUSE).optional_text(|row: &Row| row.main_cause()));
    columns.push(
        usd("excess_change", "B less A of the excess, `adj_eq - mmr - liquidation_fee`.")
            .number(|row: &Row| row.change.excess.change()),
    );
    columns.extend(attributed("excess", "`excess_change`", |change| &change.excess));
    columns
}

fn attributed<'a>(
    name: &'static str,
    what: &str,
    of: for<'r> fn(&'r GroupChange) -> &'r Attributed,
) -> Vec<Filled<'a, Row<'a>>> {
    let mut columns = Vec::new();
    for (place, cause) in CAUSES.into_iter().enumerate() {
        let meaning = format!("What this cause contributed to {what}; null where causes are not told apart.");
        let column = usd("", "").named(format!("{name}_{cause}"), "").meaning(meaning);
        columns.push(column.optional(move |row: &Row| row.causes(of(row.change)).map(|causes| causes[place])));
    }
    let meaning = format!(
        "What accounts that came from other groups brought to {what}, less what those that went to other groups took, \
         as they were in A."
    );
    let column = usd("", "").named(format!("{name}_moved"), "").meaning(meaning);
    columns.push(column.number(move |row: &Row| of(row.change).moved.value()));
    columns
}

/// Writes `group_changes`.
pub(super) fn write(folder: &Path, format: Format, members: &Membership, found: &ByGroup) -> Result<OutputFile> {
    let mut rows: Vec<(u32, Row)> = Vec::new();
    for (&(grouping, group), change) in &found.groups {
        let (Some(by), Some(names)) = (members.by.get(grouping as usize), members.names.get(grouping as usize)) else {
            continue;
        };
        let group = names.ids().get(group as usize);
        rows.push((grouping, Row { by, group, change, with_causes: found.with_causes }));
    }
    rows.sort_by(|(a, row), (b, other)| a.cmp(b).then_with(|| row.group.cmp(other.group)));
    let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    let columns = columns();
    write_table(folder, &GROUP_CHANGES, format, rows.len(), |range| {
        filled::batch(&GROUP_CHANGES, &columns, rows.get(range).unwrap_or_default())
    })
}
