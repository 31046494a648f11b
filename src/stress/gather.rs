//! What a pass over the book leaves: outcomes of its scenarios, the worst scenario of each account, rows on disk.

use super::accounts::{AccountStatistics, AccountsTable, ByAccount, Keeping, Kept};
use super::rows::Worst;
use super::stats::ScenarioStats;
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
    pub at_risk: Vec<AtRisk>,
    /// What the groups come to, if any were asked for. Of a piece alone.
    pub groups: Option<ScenarioGroups>,
}

/// A piece in all scenarios of a pass.
pub(super) struct Part {
    pub ids: IdTable,
    pub outcomes: Vec<Outcome>,
    pub base: Vec<AccountMargin>,
    pub worst: Vec<Worst>,
    /// In the pass of the base case.
    pub spread: Option<Spread>,
    /// The accounts whose distances will be searched, and their rows at risk.
    pub flagged: Option<(Book, Vec<AtRisk>)>,
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
    pub keeping: Option<Keeping>,
    pub detail: Option<[TableFile; 2]>,
    /// In the pass of the base case, if there are groups.
    pub account_groups: Option<TableFile>,
}

/// Gathers the parts of a pass, in order.
pub(super) struct Gathered<'a> {
    /// One a scenario of the pass.
    pub outcomes: Vec<Outcome>,
    /// Of every account, from the first pass on.
    pub ids: IdTable,
    /// How the accounts lie in the base case.
    pub spread: Spread,
    pub flagged: Flagged,
    /// The worst scenario so far of every account, while there are passes to come.
    pub worst: Vec<Worst>,
    /// What the groups come to in the scenarios of the pass.
    pub groups: GroupTally,
    written: Written<'a>,
    weights: &'a Weights,
    /// The groups of pieces at work.
    at_work: Arc<AtWork>,
    /// Accounts so far.
    accounts: usize,
    /// Bytes that may be gathered.
    room: u64,
    bytes: u64,
    /// Bytes of these that hold rows at risk.
    rows_at_risk: u64,
}

/// Bytes of an account's id.
const ID_BYTES: u64 = 40;

impl<'a> Gathered<'a> {
    /// Nothing yet. `worst` is what the passes before have left.
    pub fn new(
        scenarios: usize,
        worst: Vec<Worst>,
        written: Written<'a>,
        weights: &'a Weights,
        (room, at_work): (u64, Arc<AtWork>),
    ) -> Self {
        // They are there twice while a pass may have to begin again.
        let bytes = (2 * worst.len() * size_of::<Worst>()) as u64;
        Self {
            outcomes: (0..scenarios).map(|_| Outcome::default()).collect(),
            ids: IdTable::default(),
            spread: Spread::default(),
            flagged: Flagged::default(),
            worst,
            groups: GroupTally::default(),
            written,
            weights,
            at_work,
            accounts: 0,
            room,
            bytes,
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
        (self.bytes - self.rows_at_risk).saturating_add((2 * self.accounts * size_of::<Worst>()) as u64)
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
        let is_new = self.accounts >= self.worst.len() && self.written.worst.is_none();
        let kept = if is_new { part.worst.len() * size_of::<Worst>() } else { 0 };
        let flagged = part.flagged.as_ref().map_or(0, |(book, rows)| bytes_of(book) + rows.len() * size_of::<AtRisk>());
        self.bytes += (kept + flagged) as u64 + part.ids.len() as u64 * ID_BYTES;
        let with_rows = self.bytes.saturating_add((rows * size_of::<AtRisk>()) as u64);
        if with_rows.saturating_add(self.groups.bytes()) > self.room {
            self.add_rows(rows);
            self.accounts += part.ids.len();
            return Ok(());
        }
        let before: usize = self.outcomes.iter().map(|outcome| outcome.at_risk.capacity()).sum();
        let mut groups = Vec::new();
        for (all, more) in self.outcomes.iter_mut().zip(part.outcomes) {
            groups.extend(more.groups);
            all.stats.merge(&more.stats);
            all.count += more.count;
            if all.at_risk.is_empty() {
                all.at_risk = more.at_risk;
            } else {
                // By an eighth, and not to twice the room.
                let lacks = more.at_risk.len().saturating_sub(all.at_risk.capacity() - all.at_risk.len());
                all.at_risk.reserve_exact(if lacks == 0 { 0 } else { more.at_risk.len().max(all.at_risk.len() / 8) });
                all.at_risk.extend(more.at_risk);
            }
        }
        let after: usize = self.outcomes.iter().map(|outcome| outcome.at_risk.capacity()).sum();
        self.add_rows(after.saturating_sub(before));
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
        if let (Some(keeping), Some(figures)) = (&mut self.written.keeping, &part.figures) {
            keeping.append(figures)?;
        }
        let mut statistics = part.statistics.unwrap_or_default().into_iter();
        for (place, (mut worst, base)) in part.worst.into_iter().zip(part.base).enumerate() {
            if let Some(before) = self.worst.get_mut(self.accounts) {
                before.take(&worst);
                worst = *before;
            } else if self.written.worst.is_none() {
                self.worst.push(worst);
            }
            let (id, probability) = (part.ids.get(place), self.weights.share(worst.liquidation_units));
            if let Some(table) = &mut self.written.worst {
                table.add(id, base, worst, probability)?;
            }
            if let (Some(table), Some(statistics)) = (&mut self.written.accounts, statistics.next()) {
                table.add(id, probability, statistics)?;
            }
            self.accounts += 1;
        }
        for id in part.ids.iter() {
            self.ids.push(id);
        }
        if let (Some([accounts, units]), Some([rows, unit_rows])) = (&mut self.written.detail, part.detail) {
            accounts.append(rows)?;
            units.append(unit_rows)?;
        }
        Ok(())
    }

    fn add_rows(&mut self, rows: usize) {
        let bytes = (rows * size_of::<AtRisk>()) as u64;
        self.bytes += bytes;
        self.rows_at_risk += bytes;
    }

    /// Finishes the tables that were written in this pass: `worst`; then `accounts`, `risk_units` and
    /// `accounts_distribution`.
    pub fn finish_tables(&mut self) -> Result<(Option<OutputFile>, Vec<OutputFile>)> {
        let Written { worst, accounts, detail, keeping: _, account_groups: _ } = std::mem::take(&mut self.written);
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
    pub fn kept(&mut self) -> Result<Option<Kept>> {
        self.written.keeping.take().map(Keeping::finish).transpose()
    }
}
