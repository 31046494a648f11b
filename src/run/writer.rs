//! What becomes of the accounts of a run, piece by piece: the tables that are written meanwhile, and what is gathered
//! beside them.

use super::RunRequest;
use crate::Result;
use crate::book::{Book, BookBuilder, IdTable};
use crate::kept::{AtWork, Kept};
use crate::page::Drill;
use crate::publish::OutputFile;
use crate::snapshot::Snapshot;
use crate::tables::columns::{ACCOUNTS, RISK_UNITS};
use crate::tables::encode::{self, Encoded, Encoder, TableFile};
use crate::tables::groups::AccountGroups;
use crate::totals::at_risk::AtRisk;
use crate::totals::flagged::{Flagged, bytes_of};
use crate::totals::groups::{GROUPS, GroupTally, ScenarioGroups, group_names};
use crate::totals::spread::Spread;
use crate::totals::summary::Tally;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What became of some consecutive accounts, ready to be appended.
pub(super) struct Part {
    pub accounts: Encoded,
    pub risk_units: Encoded,
    /// Their accounts are those of `flagged`.
    pub at_risk: Vec<AtRisk>,
    pub flagged: Book,
    /// All accounts, if groups are netted.
    pub whole: Option<Book>,
    pub tally: Tally,
    pub spread: Spread,
    pub drill: Drill,
    /// If groups were asked for.
    pub groups: Option<GroupsPart>,
}

/// The groups of some consecutive accounts.
pub(super) struct GroupsPart {
    names: Vec<IdTable>,
    scenarios: Vec<ScenarioGroups>,
    rows: Encoded,
    /// What it takes until it is appended.
    bytes: u64,
}

/// What encodes the tables that are written while accounts go by; shared by all threads.
pub(super) struct Encoders {
    pub accounts: Encoder,
    pub risk_units: Encoder,
    groups: Option<AccountGroups>,
    /// The groups of pieces at work.
    at_work: Arc<AtWork>,
}

impl Encoders {
    /// The groups of a piece, if groups were asked for; `scenarios` are what they come to.
    pub fn groups(&self, book: &Book, scenarios: Vec<ScenarioGroups>) -> Result<Option<GroupsPart>> {
        let Some(table) = &self.groups else { return Ok(None) };
        let bytes = scenarios.iter().map(ScenarioGroups::bytes).sum::<usize>() as u64;
        self.at_work.add(bytes, GROUPS)?;
        Ok(Some(GroupsPart { names: group_names(book), scenarios, rows: table.encode(book)?, bytes }))
    }
}

/// All accounts, margined: the large tables are written, the rest is gathered.
pub(super) struct Margined {
    /// Its book is empty or not used any more.
    pub snapshot: Snapshot,
    /// Whole but for what comes at their ends.
    pub tables: Tables,
    pub at_risk: Vec<AtRisk>,
    pub flagged: Book,
    /// All accounts, if groups are netted.
    pub whole: Option<Book>,
    pub tally: Tally,
    pub spread: Spread,
    pub drill: Drill,
    pub groups: GroupTally,
    pub compute: Duration,
    pub append: Duration,
}

/// A copy of a piece.
pub(super) fn whole(book: &Book) -> Result<Book> {
    let mut copy = BookBuilder::default();
    copy.append(book);
    copy.build()
}

/// The tables that are written while accounts go by.
pub(super) struct Tables {
    accounts: TableFile,
    risk_units: TableFile,
    account_groups: Option<TableFile>,
}

impl Tables {
    /// Brings the files to the disk, side by side.
    pub fn finish(self) -> Result<Vec<OutputFile>> {
        let Self { accounts, risk_units, account_groups } = self;
        let (large, more) = rayon::join(|| accounts.finish(), || risk_units.finish());
        let mut files = vec![large?, more?];
        files.extend(account_groups.map(TableFile::finish).transpose()?);
        Ok(files)
    }
}

/// The large tables while they are written, and what is gathered beside them.
pub(super) struct Writer {
    tables: Tables,
    flagged: Flagged,
    whole: Option<BookBuilder>,
    tally: Tally,
    spread: Spread,
    drill: Drill,
    groups: GroupTally,
    append: Duration,
    budget: Arc<Kept>,
    at_work: Arc<AtWork>,
}

impl Writer {
    pub fn create(folder: &Path, request: &RunRequest, budget: &Arc<Kept>) -> Result<(Encoders, Self)> {
        let format = request.output.format;
        let (accounts_encoder, accounts) = encode::create(folder, &ACCOUNTS, format)?;
        let (units_encoder, risk_units) = encode::create(folder, &RISK_UNITS, format)?;
        let (mut groups, mut account_groups) = (None, None);
        if !request.groups.is_empty() {
            let (encoder, file) = AccountGroups::create(folder, &request.groups, format)?;
            (groups, account_groups) = (Some(encoder), Some(file));
        }
        let at_work = Arc::new(AtWork::of(budget));
        let writer = Self {
            tables: Tables { accounts, risk_units, account_groups },
            flagged: Flagged::default(),
            whole: request.net_by.is_some().then(BookBuilder::default),
            tally: Tally::default(),
            spread: Spread::default(),
            drill: Drill::default(),
            groups: GroupTally::default(),
            append: Duration::ZERO,
            budget: Arc::clone(budget),
            at_work: Arc::clone(&at_work),
        };
        Ok((Encoders { accounts: accounts_encoder, risk_units: units_encoder, groups, at_work }, writer))
    }

    pub fn append(&mut self, part: Part) -> Result<()> {
        let clock = Instant::now();
        self.tables.accounts.append(part.accounts)?;
        self.tables.risk_units.append(part.risk_units)?;
        self.budget.add(Flagged::bytes(&part.flagged, &part.at_risk), "the accounts at risk")?;
        self.flagged.add(&part.flagged, part.at_risk);
        if let (Some(all), Some(book)) = (&mut self.whole, &part.whole) {
            self.budget.add(2 * bytes_of(book) as u64, "the book, which is netted in memory,")?;
            all.append(book);
        }
        self.tally.merge(&part.tally);
        self.spread.merge(&part.spread);
        self.drill.merge(part.drill);
        if let Some(groups) = part.groups {
            self.append_groups(groups)?;
        }
        self.append += clock.elapsed();
        Ok(())
    }

    fn append_groups(&mut self, part: GroupsPart) -> Result<()> {
        if let Some(table) = &mut self.tables.account_groups {
            table.append(part.rows)?;
        }
        let before = self.groups.bytes();
        self.groups.merge(&part.names, &part.scenarios);
        self.at_work.give_back(part.bytes);
        self.budget.add(self.groups.bytes() - before, GROUPS)
    }

    pub fn finish(self, snapshot: Snapshot, clock: Instant) -> Result<Margined> {
        let (flagged, at_risk) = self.flagged.build()?;
        let whole = self.whole.map(BookBuilder::build).transpose()?;
        Ok(Margined {
            snapshot,
            tables: self.tables,
            at_risk,
            flagged,
            whole,
            tally: self.tally,
            spread: self.spread,
            drill: self.drill,
            groups: self.groups,
            compute: clock.elapsed(),
            append: self.append,
        })
    }
}
