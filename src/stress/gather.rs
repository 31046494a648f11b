//! What a pass over the book leaves: outcomes of its scenarios, the worst scenario of each account, rows on disk.

use super::rows::Worst;
use super::stats::ScenarioStats;
use super::worst::WorstTable;
use crate::Result;
use crate::book::{Book, IdTable};
use crate::margin::AccountMargin;
use crate::publish::OutputFile;
use crate::tables::encode::{Encoded, TableFile};
use crate::totals::at_risk::AtRisk;
use crate::totals::flagged::{Flagged, bytes_of};
use crate::totals::spread::Spread;
use std::mem::size_of;

/// What a scenario did, and the accounts that are at risk in it.
#[derive(Default)]
pub(super) struct Outcome {
    pub stats: ScenarioStats,
    /// How many are at risk.
    pub count: u64,
    /// Those accounts, if they are written; accounts are numbered over the whole book.
    pub at_risk: Vec<AtRisk>,
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
    /// Written in the last pass.
    table: Option<WorstTable<'a>>,
    detail: Option<[TableFile; 2]>,
    /// Accounts so far.
    accounts: usize,
    /// Bytes that may be gathered.
    room: u64,
    bytes: u64,
}

/// Bytes of an account's id.
const ID_BYTES: u64 = 40;

impl<'a> Gathered<'a> {
    /// Nothing yet. `worst` is what the passes before have left, `table` is there in the last pass.
    pub fn new(
        scenarios: usize,
        worst: Vec<Worst>,
        table: Option<WorstTable<'a>>,
        detail: Option<[TableFile; 2]>,
        room: u64,
    ) -> Self {
        // They are there twice while a pass may have to begin again.
        let bytes = (2 * worst.len() * size_of::<Worst>()) as u64;
        Self {
            outcomes: (0..scenarios).map(|_| Outcome::default()).collect(),
            ids: IdTable::default(),
            spread: Spread::default(),
            flagged: Flagged::default(),
            worst,
            table,
            detail,
            accounts: 0,
            room,
            bytes,
        }
    }

    /// Bytes that are missing to hold what the whole book brings; what came when none were left is counted alone.
    pub fn missing(&self) -> u64 {
        self.bytes.saturating_sub(self.room)
    }

    /// Adds the accounts that follow.
    pub fn add(&mut self, part: Part) -> Result<()> {
        let rows: usize = part.outcomes.iter().map(|outcome| outcome.at_risk.len()).sum();
        let is_new = self.accounts >= self.worst.len() && self.table.is_none();
        let kept = if is_new { part.worst.len() * size_of::<Worst>() } else { 0 };
        let flagged = part.flagged.as_ref().map_or(0, |(book, rows)| bytes_of(book) + rows.len() * size_of::<AtRisk>());
        self.bytes += (rows * size_of::<AtRisk>() + kept + flagged) as u64 + part.ids.len() as u64 * ID_BYTES;
        if self.missing() > 0 {
            self.accounts += part.ids.len();
            return Ok(());
        }
        for (all, more) in self.outcomes.iter_mut().zip(part.outcomes) {
            all.stats.merge(&more.stats);
            all.count += more.count;
            all.at_risk.extend(more.at_risk);
        }
        if let Some(spread) = part.spread {
            self.spread.merge(&spread);
        }
        if let Some((book, rows)) = part.flagged {
            self.flagged.add(&book, rows);
        }
        for (place, (mut worst, base)) in part.worst.into_iter().zip(part.base).enumerate() {
            if let Some(before) = self.worst.get_mut(self.accounts) {
                before.take(&worst);
                worst = *before;
            } else if self.table.is_none() {
                self.worst.push(worst);
            }
            if let Some(table) = &mut self.table {
                table.add(part.ids.get(place), base, worst)?;
            }
            self.accounts += 1;
        }
        for id in part.ids.iter() {
            self.ids.push(id);
        }
        if let (Some([accounts, units]), Some([rows, unit_rows])) = (&mut self.detail, part.detail) {
            accounts.append(rows)?;
            units.append(unit_rows)?;
        }
        Ok(())
    }

    /// Finishes the tables that were written in this pass: `worst`, and `accounts` and `risk_units`.
    pub fn finish_tables(&mut self) -> Result<(Option<OutputFile>, Vec<OutputFile>)> {
        let worst = self.table.take().map(WorstTable::finish).transpose()?;
        let detail =
            self.detail.take().map_or(Ok(Vec::new()), |tables| tables.into_iter().map(TableFile::finish).collect());
        Ok((worst, detail?))
    }
}
