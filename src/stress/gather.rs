//! What a pass over the book leaves: outcomes of its scenarios, the worst scenario of each account, rows on disk.

use super::accounts::{AccountStatistics, AccountsTable, ByAccount};
use super::risk_table::{ROW_BYTES, RiskLists};
use super::rows::Worst;
use super::stats::ScenarioStats;
use super::words::{self, Writing};
use super::worst::WorstTable;
use crate::Result;
use crate::book::{Book, IdTable};
use crate::kept::AtWork;
use crate::margin::AccountMargin;
use crate::publish::OutputFile;
use crate::tables::encode::{Encoded, TableFile};
use crate::totals::at_risk::AtRisk;
use crate::totals::flagged::{Flagged, bytes_of};
use crate::totals::groups::{GroupTally, ScenarioGroups};
use crate::totals::spread::Spread;
use crate::totals::weighted::Weights;
use std::mem::size_of;
use std::sync::Arc;

/// What a scenario did, and the accounts that are at risk in it.
#[derive(Default)]
pub(super) struct Outcome {
    pub stats: ScenarioStats,
    /// How many are at risk.
    pub count: u64,
    /// Those accounts, if they are written; accounts are numbered over the whole book.
    pub at_risk: RiskLists,
    /// What the groups come to, if any were asked for. Of a piece alone.
    pub groups: Option<ScenarioGroups>,
}

/// A piece in all scenarios of a pass.
pub(super) struct Part {
    pub ids: IdTable,
    pub outcomes: Vec<Outcome>,
    pub base: Vec<AccountMargin>,
    /// The worst scenario of each account so far, that of earlier passes included.
    pub worst: Vec<Worst>,
    /// In the pass of the base case.
    pub spread: Option<Spread>,
    /// The accounts whose distances will be searched, and their rows at risk.
    pub flagged: Option<(Book, Vec<AtRisk>)>,
    /// In the pass of the base case its rows at risk, if they are written: with more figures than the table has.
    pub base_at_risk: Vec<AtRisk>,
    pub detail: Option<[Encoded; 2]>,
    /// The figures of the accounts, while there are passes to come; then what they come to over all scenarios.
    pub figures: Option<ByAccount>,
    pub statistics: Option<Vec<AccountStatistics>>,
    /// The names of the groups of the piece, by grouping.
    pub group_names: Vec<IdTable>,
    /// In the pass of the base case, the rows of `account_groups`.
    pub account_groups: Option<Encoded>,
}

/// The tables that are written in a pass, and what is kept on disk for the next.
#[derive(Default)]
pub(super) struct Written<'a> {
    /// In the last pass.
    pub worst: Option<WorstTable<'a>>,
    /// In the last pass, if distributions of accounts are written.
    pub accounts: Option<AccountsTable>,
    /// In the passes before, if they are.
    pub keeping: Option<Writing>,
    /// The worst scenario of each account so far, in the passes before the last.
    pub worst_so_far: Option<Writing>,
    pub detail: Option<[TableFile; 2]>,
    /// In the pass of the base case, if there are groups.
    pub account_groups: Option<TableFile>,
}

/// Gathers the parts of a pass, in order.
pub(super) struct Gathered<'a> {
    /// One a scenario of the pass.
    pub outcomes: Vec<Outcome>,
    /// Of every account, in the pass of the base case.
    pub ids: IdTable,
    /// How the accounts lie in the base case.
    pub spread: Spread,
    pub flagged: Flagged,
    /// The rows at risk in the base case, in order of the book, if they are written.
    pub base_at_risk: Vec<AtRisk>,
    /// What the groups come to in the scenarios of the pass.
    pub groups: GroupTally,
    written: Written<'a>,
    weights: &'a Weights,
    /// The groups of pieces at work.
    at_work: Arc<AtWork>,
    /// The pass of the base case.
    is_first: bool,
    /// Bytes that may be gathered.
    room: u64,
    bytes: u64,
    /// Bytes of these that hold rows at risk.
    rows_at_risk: u64,
}

/// Bytes of an account's id.
const ID_BYTES: u64 = 40;

impl<'a> Gathered<'a> {
    /// Nothing yet of so many scenarios.
    pub fn new(
        (scenarios, is_first): (usize, bool),
        written: Written<'a>,
        weights: &'a Weights,
        (room, at_work): (u64, Arc<AtWork>),
    ) -> Self {
        Self {
            outcomes: (0..scenarios).map(|_| Outcome::default()).collect(),
            ids: IdTable::default(),
            spread: Spread::default(),
            flagged: Flagged::default(),
            base_at_risk: Vec::new(),
            groups: GroupTally::default(),
            written,
            weights,
            at_work,
            is_first,
            room,
            bytes: 0,
            rows_at_risk: 0,
        }
    }

    /// Bytes of what was gathered, but for groups.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of the rows at risk of all its scenarios.
    pub fn rows_at_risk(&self) -> u64 {
        self.rows_at_risk
    }

    /// Bytes that a pass gathers beside them, if it follows this one.
    pub fn beside_rows(&self) -> u64 {
        self.bytes - self.rows_at_risk
    }

    /// Bytes that are missing to hold what the whole book brings; what came when none were left is counted alone.
    pub fn missing(&self) -> u64 {
        self.bytes.saturating_add(self.groups.bytes()).saturating_sub(self.room)
    }

    /// Adds the accounts that follow.
    pub fn add(&mut self, part: Part) -> Result<()> {
        let of_groups = part.outcomes.iter().filter_map(|outcome| outcome.groups.as_ref());
        self.at_work.give_back(of_groups.map(ScenarioGroups::bytes).sum::<usize>() as u64);
        let rows: usize = part.outcomes.iter().map(|outcome| outcome.at_risk.len()).sum();
        let flagged = part.flagged.as_ref().map_or(0, |(book, rows)| bytes_of(book) + rows.len() * size_of::<AtRisk>());
        // Twice: the list is copied when it grows.
        let base = 2 * part.base_at_risk.len() * size_of::<AtRisk>();
        self.bytes += (flagged + base) as u64 + part.ids.len() as u64 * ID_BYTES;
        let with_rows = self.bytes.saturating_add(rows as u64 * ROW_BYTES);
        if with_rows.saturating_add(self.groups.bytes()) > self.room {
            self.add_rows(rows);
            return Ok(());
        }
        let mut groups = Vec::new();
        for (all, more) in self.outcomes.iter_mut().zip(part.outcomes) {
            groups.extend(more.groups);
            all.stats.merge(&more.stats);
            all.count += more.count;
            all.at_risk.append(more.at_risk);
        }
        self.add_rows(rows);
        self.groups.merge(&part.group_names, &groups);
        if let (Some(table), Some(rows)) = (&mut self.written.account_groups, part.account_groups) {
            table.append(rows)?;
        }
        if let Some(spread) = part.spread {
            self.spread.merge(&spread);
        }
        if let Some((book, rows)) = part.flagged {
            self.flagged.add(&book, rows);
        }
        self.base_at_risk.extend(part.base_at_risk);
        if let (Some(keeping), Some(figures)) = (&mut self.written.keeping, &part.figures) {
            keeping.append(figures.words())?;
        }
        let mut statistics = part.statistics.unwrap_or_default().into_iter();
        if let Some(worst) = &mut self.written.worst_so_far {
            worst.append(part.worst.iter().flat_map(Worst::words))?;
        }
        for (place, (worst, base)) in part.worst.into_iter().zip(part.base).enumerate() {
            let (id, probability) = (part.ids.get(place), self.weights.share(worst.liquidation_units));
            if let Some(table) = &mut self.written.worst {
                table.add(id, base, worst, probability)?;
            }
            if let (Some(table), Some(statistics)) = (&mut self.written.accounts, statistics.next()) {
                table.add(id, probability, statistics)?;
            }
        }
        // They stay in memory from the first pass on.
        if self.is_first {
            for id in part.ids.iter() {
                self.ids.push(id);
            }
        }
        if let (Some([accounts, units]), Some([rows, unit_rows])) = (&mut self.written.detail, part.detail) {
            accounts.append(rows)?;
            units.append(unit_rows)?;
        }
        Ok(())
    }

    fn add_rows(&mut self, rows: usize) {
        let bytes = rows as u64 * ROW_BYTES;
        self.bytes += bytes;
        self.rows_at_risk += bytes;
    }

    /// Finishes the tables that were written in this pass: `worst`; then `accounts`, `risk_units` and
    /// `accounts_distribution`.
    pub fn finish_tables(&mut self) -> Result<(Option<OutputFile>, Vec<OutputFile>)> {
        let Written { worst, accounts, detail, .. } = std::mem::take(&mut self.written);
        let worst = worst.map(WorstTable::finish).transpose()?;
        let mut files = Vec::new();
        for table in detail.into_iter().flatten() {
            files.push(table.finish()?);
        }
        files.extend(accounts.map(AccountsTable::finish).transpose()?);
        Ok((worst, files))
    }

    /// The table `account_groups`, after the pass that wrote it.
    pub fn account_groups(&mut self) -> Result<Option<OutputFile>> {
        self.written.account_groups.take().map(TableFile::finish).transpose()
    }

    /// The figures of all accounts in the scenarios of this pass, if they are kept for the last.
    pub fn kept(&mut self) -> Result<Option<words::Written>> {
        self.written.keeping.take().map(Writing::finish).transpose()
    }

    /// The worst scenario of each account so far, if there are passes to come.
    pub fn worst_so_far(&mut self) -> Result<Option<words::Written>> {
        self.written.worst_so_far.take().map(Writing::finish).transpose()
    }
}
