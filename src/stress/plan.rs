//! How many scenarios a pass takes, and the passes.

use super::accounts::{self, AccountsTable};
use super::columns::{ACCOUNTS_DISTRIBUTION, WORST};
use super::gather::{Gathered, Written};
use super::pass::{Encoders, Pass};
use super::risk_table::ROW_BYTES;
use super::rows::Worst;
use super::words::{self, Writing};
use super::worst::WorstTable;
use super::{Detail, Distributed, StressRequest, Work};
use crate::engine::lanes::SideBySide;
use crate::engine::{CHUNK_ACCOUNTS, OpenBook};
use crate::kept::AtWork;
use crate::margin::priced::PricedMarket;
use crate::memory::{MemoryLimit, Need};
use crate::publish::OutputFile;
use crate::publish::manifest::Timings;
use crate::snapshot::Snapshot;
use crate::snapshot::stream::{Cut, Piece};
use crate::source::beside_bytes;
use crate::tables::columns::{ACCOUNTS, RISK_UNITS};
use crate::tables::encode::{self, TableFile};
use crate::tables::groups::{self, AccountGroups};
use crate::totals::at_risk::Names;
use crate::totals::footprint::{priced_bytes, with_market};
use crate::totals::group_list;
use crate::totals::groups::GroupTally;
use crate::totals::spread::Floor;
use crate::totals::summary::Summary;
use crate::{Error, Result};
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

/// Scenarios of the first pass, if the rows of accounts at risk may be too many: it shows how many they are.
const FIRST_SCENARIOS: usize = 16;

/// What memory allows.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// Scenarios of a pass.
    pub group: usize,
    /// Bytes that may be gathered of the accounts.
    room: u64,
    /// Scenarios whose priced tables leave that room.
    most: usize,
    /// Scenarios that are computed side by side.
    lanes: usize,
    /// Bytes of the rows at risk in a scenario, at most, as far as scenarios were computed.
    rows_at_risk: u64,
    limit: MemoryLimit,
    rows: u64,
    priced: u64,
    need: Need,
}

impl Plan {
    /// As many scenarios as take half of what is to spare, and tells the book what remains for it.
    pub fn new(request: &StressRequest, book: &mut OpenBook, scenarios: usize) -> Result<Self> {
        let threads = rayon::current_num_threads();
        let (limit, rows) = (request.snapshot.memory_limit, book.group_rows());
        // The priced table of one scenario is counted below, with the others.
        let mut need = with_market(Need::STRESS.of_rows(book.rows()), book.market(), 0);
        need = need.keeping(beside_bytes(&request.output.dir));
        if request.distribution == Distributed::Accounts {
            need = need.keeping(accounts::TABLE_BYTES);
            need.each =
                need.each.saturating_add(accounts::piece_bytes(scenarios, book.rows().min(CHUNK_ACCOUNTS as u64)));
        }
        let spare = limit.spare(rows, threads, need);
        // Alone, and in its lane beside others.
        let priced = priced_bytes(book.market()) * if request.width.lanes() == 1 { 1 } else { 2 };
        let most = usize::try_from(spare / 2 / priced).unwrap_or(usize::MAX);
        let most = if request.detail == Detail::All { scenarios } else { most.clamp(1, scenarios.max(1)) };
        let tables = priced.saturating_mul(most as u64 + 1);
        if tables > spare {
            let what = format!("it must hold the priced tables of {most} scenarios at once");
            return Err(limit.exceeded(&what, rows, threads, need.keeping(tables)));
        }
        // A quarter is left for more pieces side by side, or for the book.
        let room = (spare - tables) / 4 * 3;
        book.need(need.keeping(tables + room));
        let at_most = book.rows().saturating_mul(most as u64).saturating_mul(ROW_BYTES);
        let fits = request.detail != Detail::AtRisk || at_most <= room;
        let group = if fits { most } else { most.min(FIRST_SCENARIOS) };
        if group < scenarios {
            book.keep();
        }
        Ok(Self { group, room, most, lanes: request.width.lanes(), rows_at_risk: 0, limit, rows, priced, need })
    }

    /// Bytes that may be gathered in a pass: more if fewer scenarios are priced.
    fn room(&self) -> u64 {
        self.room + self.most.saturating_sub(self.group) as u64 * self.priced
    }

    /// Learns from a pass how many accounts are at risk in a scenario, and sets the next to as many scenarios as fit.
    fn learn(&mut self, gathered: &Gathered) {
        let scenarios = gathered.outcomes.len().max(1) as u64;
        self.rows_at_risk = self.rows_at_risk.max(gathered.rows_at_risk().div_ceil(scenarios));
        if self.rows_at_risk == 0 {
            return;
        }
        // A third more: scenarios differ, and pieces at work hold rows too.
        let each = self.rows_at_risk.saturating_mul(4).div_ceil(3).saturating_add(self.priced);
        let whole = self.room.saturating_add(self.most as u64 * self.priced);
        let fit = whole.saturating_sub(gathered.beside_rows()) / each;
        let group = usize::try_from(fit).unwrap_or(usize::MAX).clamp(1, self.most);
        // Lanes that are left empty cost as much as full ones.
        self.group = if group > self.lanes { group - group % self.lanes } else { group };
    }

    /// Bytes that may be taken between the passes, when no scenario is priced, beside what was gathered.
    pub fn for_ladders(&self, gathered: &Gathered) -> u64 {
        self.limit.spare(0, rayon::current_num_threads(), self.need).saturating_sub(gathered.bytes())
    }

    /// Of fewer scenarios, after what `group` of them brought did not fit by `missing` bytes.
    fn less(self, missing: u64, gathered: Option<&Gathered>, request: &StressRequest) -> Result<Self> {
        if self.group > 1 && request.detail != Detail::All {
            let mut less = self;
            if let Some(gathered) = gathered {
                less.learn(gathered);
            }
            less.group = less.group.min(self.group.div_ceil(2));
            let scenarios = less.group;
            tracing::info!(scenarios, "what a pass brings does not fit the memory limit: fewer scenarios a pass");
            return Ok(less);
        }
        let whole = self.priced.saturating_mul(self.group as u64 + 1).saturating_add(self.room());
        // As much again is what the reader got a quarter of.
        let kept = whole.saturating_add(missing.saturating_mul(4).div_ceil(3));
        let what = "what a stress keeps of every account and of the accounts at risk does not fit";
        Err(self.limit.exceeded(what, self.rows, rayon::current_num_threads(), self.need.keeping(kept)))
    }
}

/// The passes over the book.
pub(super) struct Passes<'a, 'w> {
    pub work: &'a Work<'w>,
    pub base: &'a PricedMarket,
    pub names: Names<'a>,
    pub floor: Floor,
    pub plan: Plan,
    /// Figures of all accounts in the scenarios of the passes before, if their distributions are written.
    pub kept: Vec<words::Written>,
    /// The worst scenario of each account in the passes before.
    worst: Option<words::Written>,
    /// What the groups come to in the scenarios of the passes before.
    groups: GroupTally,
    /// Written in the pass of the base case, if there are groups.
    account_groups: Option<OutputFile>,
    pub timings: &'a mut Timings,
}

impl<'a, 'w> Passes<'a, 'w> {
    /// No pass yet over a book that is priced in the base case.
    pub fn new(
        work: &'a Work<'w>,
        (base, names): (&'a PricedMarket, Names<'a>),
        plan: Plan,
        timings: &'a mut Timings,
    ) -> Self {
        let (floor, kept, groups) = (Floor::default(), Vec::new(), GroupTally::default());
        Self { work, base, names, floor, plan, kept, worst: None, groups, account_groups: None, timings }
    }

    /// The tables of groups after the last pass, none if there are no groups; `base` tells of those of the base case.
    pub fn write_groups(&mut self, base: &mut Summary) -> Result<Vec<OutputFile>> {
        let Work { request, folder, .. } = *self.work;
        let Some(account_groups) = self.account_groups.take() else { return Ok(Vec::new()) };
        let totals = self.groups.totals(&request.groups, self.names);
        let mut files: Vec<OutputFile> = groups::write(folder.path(), &totals, request.output.format)?.into();
        files.push(account_groups);
        group_list::tell(&totals, base)?;
        Ok(files)
    }

    /// What a pass brought: rows at risk are learnt of, groups and figures are kept.
    fn take(&mut self, gathered: &mut Gathered) -> Result<()> {
        if self.work.request.detail == Detail::AtRisk {
            self.plan.learn(gathered);
        }
        self.kept.extend(gathered.kept()?);
        self.worst = gathered.worst_so_far()?;
        self.groups.then(std::mem::take(&mut gathered.groups));
        if let Some(table) = gathered.account_groups()? {
            self.account_groups = Some(table);
        }
        Ok(())
    }

    /// A pass that may take fewer scenarios, if its groups do not fit beside what is read.
    fn fitting(&mut self, book: &mut OpenBook, first: usize) -> Result<(Gathered<'a>, Option<Snapshot>)> {
        loop {
            match self.pass(book, first) {
                Err(error) if error.is_memory() && self.may_be_narrower() => {
                    self.plan = self.plan.less(0, None, self.work.request)?;
                    if first == 0 {
                        book.keep();
                    }
                }
                outcome => return outcome,
            }
        }
    }

    fn may_be_narrower(&self) -> bool {
        !self.work.request.groups.is_empty() && self.plan.group > 1 && self.work.request.detail != Detail::All
    }

    /// The pass of the base case and the first scenarios; of fewer, once more, if what they bring does not fit.
    pub fn first(&mut self, book: &mut OpenBook) -> Result<(Gathered<'a>, Snapshot)> {
        loop {
            let (mut gathered, snapshot) = self.fitting(book, 0)?;
            match (gathered.missing(), snapshot) {
                (0, Some(snapshot)) => {
                    self.take(&mut gathered)?;
                    return Ok((gathered, snapshot));
                }
                (0, None) => return Err(Error::Runtime("a first pass without a snapshot".to_owned())),
                (missing, _) => {
                    self.plan = self.plan.less(missing, Some(&gathered), self.work.request)?;
                    book.keep();
                }
            }
        }
    }

    /// A pass of the scenarios from number `first` on; of fewer, once more, if what they bring does not fit.
    pub fn next(&mut self, book: &mut OpenBook, first: usize) -> Result<Gathered<'a>> {
        loop {
            let (mut gathered, _) = self.fitting(book, first)?;
            match gathered.missing() {
                0 => {
                    self.take(&mut gathered)?;
                    return Ok(gathered);
                }
                missing => self.plan = self.plan.less(missing, Some(&gathered), self.work.request)?,
            }
        }
    }

    /// `stress`, or `stress 2/5` where there are several passes.
    fn name_of_pass(&self, first: usize) -> String {
        let most = self.plan.group.max(1);
        let (before, left) = (first.div_ceil(most), self.work.scenarios.len().saturating_sub(first).div_ceil(most));
        match before + left {
            0 | 1 => "stress".to_owned(),
            passes => format!("stress {}/{passes}", before + 1),
        }
    }

    fn pass(&mut self, book: &mut OpenBook, first: usize) -> Result<(Gathered<'a>, Option<Snapshot>)> {
        let Work { request, scenarios, folder, progress, weights, .. } = *self.work;
        let of_accounts = request.distribution == Distributed::Accounts;
        let end = scenarios.len().min(first.saturating_add(self.plan.group));
        let group = scenarios.get(first..end).unwrap_or_default();
        let clock = Instant::now();
        progress.stage("price", "scenarios", group.len() as u64);
        let few = group.par_chunks(request.width.lanes());
        let priced: Vec<SideBySide> = few
            .map(|few| {
                let alone = few.iter().map(|scenario| self.work.price(scenario)).collect::<Result<_>>()?;
                progress.advance(few.len() as u64);
                SideBySide::new(request.width, alone)
            })
            .collect::<Result<_>>()?;
        self.timings.price += clock.elapsed();
        tracing::info!(first, scenarios = group.len(), "a pass over the book");
        let clock = Instant::now();
        let (budget, steps) =
            (book.budget(), book.rows().saturating_add(book.valued_rows().saturating_mul(group.len() as u64)));
        let name = self.name_of_pass(first);
        let pass = Pass {
            names: self.names,
            base: self.base,
            priced: &priced,
            first,
            status: &request.rules.rules.status,
            floor: &self.floor,
            distance: request.distance,
            with_at_risk: request.detail != Detail::None,
            weights,
            kept: of_accounts.then_some(&self.kept),
            worst: self.worst.as_ref(),
            progress,
            active: AtomicUsize::new(0),
        };
        let (is_last, names) = (end == scenarios.len(), self.names);
        // What the passes before brought of groups stays.
        let room = self.plan.room().saturating_sub(self.groups.bytes());
        let start = || {
            // An attempt before this one may have written some of it.
            if first == 0 {
                folder.clear()?;
            }
            for table in [&*WORST, &*ACCOUNTS_DISTRIBUTION] {
                folder.discard(&format!("{}.{}", table.name, request.output.format.extension()))?;
            }
            progress.stage(&name, "rows x scenarios", steps);
            let at_work = Arc::new(AtWork::of(&budget));
            let (mut encoders, detail) = detail_tables(request, folder.path())?;
            encoders.at_work = Arc::clone(&at_work);
            let (place, format) = (folder.path(), request.output.format);
            let mut written = Written { detail, ..Written::default() };
            if first == 0 && !request.groups.is_empty() {
                let (encoder, file) = AccountGroups::create(place, &request.groups, format)?;
                (encoders.groups, written.account_groups) = (Some(encoder), Some(file));
            }
            if is_last {
                written.worst = Some(WorstTable::create(place, format, names)?);
                written.accounts = of_accounts.then(|| AccountsTable::create(place, format)).transpose()?;
            } else {
                written.keeping = of_accounts.then(|| accounts::keeping(place, group.len())).transpose()?;
                written.worst_so_far = Some(Writing::create(place, Worst::WORDS)?);
            }
            Ok((encoders, Gathered::new((group.len(), first == 0), written, weights, (room, at_work))))
        };
        let cut = Cut::Margined(piece_accounts(request.detail, request.distribution, scenarios.len()));
        let (part, add) = (|encoders: &Encoders, piece: &Piece| pass.part(piece, encoders), Gathered::add);
        let passed = if first == 0 {
            book.pass(cut, start, part, add).map(|(gathered, snapshot)| (gathered, Some(snapshot)))
        } else {
            book.again(cut, start, part, add).map(|gathered| (gathered, None))
        };
        self.timings.compute += clock.elapsed();
        passed
    }
}

/// With all rows written a piece has as many rows as a run's, whatever the number of scenarios. With distributions of
/// accounts it has no more accounts than can be summed up at once.
pub(super) fn piece_accounts(detail: Detail, distribution: Distributed, scenarios: usize) -> usize {
    let accounts = match detail {
        Detail::All => (CHUNK_ACCOUNTS / scenarios.max(1)).max(1),
        Detail::AtRisk | Detail::None => CHUNK_ACCOUNTS,
    };
    match distribution {
        Distributed::Accounts => accounts.min(accounts::piece_accounts(scenarios)),
        Distributed::Book | Distributed::None => accounts,
    }
}

fn detail_tables(request: &StressRequest, folder: &std::path::Path) -> Result<(Encoders, Option<[TableFile; 2]>)> {
    if request.detail != Detail::All {
        return Ok((Encoders::default(), None));
    }
    let (accounts, accounts_file) = encode::create(folder, &ACCOUNTS, request.output.format)?;
    let (units, units_file) = encode::create(folder, &RISK_UNITS, request.output.format)?;
    Ok((Encoders { detail: Some([accounts, units]), ..Encoders::default() }, Some([accounts_file, units_file])))
}
