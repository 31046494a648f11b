//! The margins of a book in every scenario, as rows of the two large tables: what a run writes and what
//! [`crate::batches`] hands back.

use crate::book::Book;
use crate::engine::{self, CHUNK_ACCOUNTS, Chunk};
use crate::margin::priced::PricedMarket;
use crate::margin::requirement::Workspace;
use crate::margin::rules::Rules;
use crate::market::Market;
use crate::market::scenario::{self, Scenario};
use crate::progress::Progress;
use crate::tables::rows::{AccountRows, UnitRows, by_account};
use crate::totals::at_risk::{self, AtRisk};
use crate::totals::groups::ScenarioGroups;
use crate::totals::summary::Tally;
use crate::totals::unit_columns::UnitColumns;
use crate::{Error, Result};
use arrow_array::RecordBatch;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// Accounts whose margins are in memory at once: with a few units each they fit the first-level cache, out of which
/// they are counted and taken apart column by column.
const BLOCK_ACCOUNTS: usize = 32;

/// Computes the margins of some accounts of a book.
pub(crate) type Compute<'a> = Box<dyn Fn(&Book, Range<usize>, &mut Buffers) -> Result<()> + Sync + 'a>;

/// What [`Compute`] works in and its result; empty at first, and handed in again for the next accounts.
#[derive(Default)]
pub(crate) struct Buffers {
    work: Vec<Workspace>,
    /// One a scenario, the base case first.
    pub(super) chunks: Vec<Chunk>,
}

/// A market, priced in all scenarios.
pub(crate) struct Margins<'a> {
    pub(super) compute: Compute<'a>,
    pub(super) unit_names: Vec<String>,
    pub(super) scenarios: Vec<String>,
    pub(super) share: UnitShare,
    pub(super) progress: &'a dyn Progress,
}

/// Consecutive accounts, margined.
pub(crate) struct Rows {
    pub accounts: RecordBatch,
    pub risk_units: RecordBatch,
    pub at_risk: Vec<AtRisk>,
    /// Of the base case.
    pub tally: Tally,
    /// What the groups of the book come to, one entry a scenario; empty if the book has no groups.
    pub groups: Vec<ScenarioGroups>,
}

impl<'a> Margins<'a> {
    /// Prices the market in each of the scenarios, the base case first.
    pub fn price(
        market: &Market,
        scenarios: Vec<Scenario>,
        rules: &'a Rules,
        progress: &'a dyn Progress,
    ) -> Result<Self> {
        progress.check()?;
        progress.stage("price", "scenarios", scenarios.len() as u64);
        let markets = scenarios.par_iter().map(|scenario| {
            let market = scenario::apply(market, scenario, rules.rate)?;
            progress.advance(1);
            Ok(engine::price(&market, rules))
        });
        let priced: Vec<PricedMarket> = markets.collect::<Result<_>>()?;
        let unit_names = priced.first().map_or_else(Vec::new, PricedMarket::unit_names);
        tracing::info!(scenarios = priced.len(), risk_units = unit_names.len(), "the market is read and priced");
        let scenarios = scenarios.into_iter().map(|scenario| scenario.name).collect();
        let compute: Compute = Box::new(move |book, range, buffers| {
            if buffers.work.is_empty() {
                buffers.work.extend(priced.iter().map(Workspace::new));
                buffers.chunks.resize_with(priced.len(), Chunk::default);
            }
            let mut scenarios = priced.iter().zip(&mut buffers.work).zip(&mut buffers.chunks);
            scenarios
                .try_for_each(|((priced, work), chunk)| chunk.fill(work, priced, book, range.clone(), |_, _, _| ()))
        });
        Ok(Self { compute, unit_names, scenarios, share: UnitShare::default(), progress })
    }

    pub fn unit_names(&self) -> &[String] {
        &self.unit_names
    }

    pub fn scenarios(&self) -> &[String] {
        &self.scenarios
    }

    /// Accounts of a piece, see [`piece_accounts`].
    pub fn piece_accounts(&self) -> usize {
        piece_accounts(self.scenarios.len())
    }

    /// Margins a piece of a book. `observe` sees each block of accounts: in the base case, which of them are at risk in
    /// it, and in all scenarios.
    pub fn rows(&self, book: &Book, mut observe: impl FnMut(&Chunk, &[AtRisk], &[Chunk])) -> Result<Rows> {
        self.progress.check()?;
        let mut tally = Tally::new(self.unit_names.len());
        let mut at_risk = Vec::new();
        let positions = book.instrument().len();
        let scenarios = self.scenarios.len();
        let mut accounts = AccountRows::with_capacity(book.len() * scenarios, &self.scenarios);
        let units = self.share.units_of(positions) * scenarios;
        let mut risk_units = UnitRows::with_capacity(units, &self.unit_names, &self.scenarios);
        let grouped = if book.groups().is_empty() { 0 } else { scenarios };
        let mut groups: Vec<ScenarioGroups> = (0..grouped).map(|_| ScenarioGroups::new(book)).collect();
        let mut mmr_no_hedge = Vec::with_capacity(if grouped > 0 { units } else { 0 });
        let (mut buffers, mut units) = (Buffers::default(), 0);
        for start in (0..book.len()).step_by(BLOCK_ACCOUNTS) {
            let block = start..book.len().min(start + BLOCK_ACCOUNTS);
            let chunks = self.chunks(book, block, &mut buffers)?;
            for (scenario, chunk) in chunks.iter().enumerate() {
                let rows = at_risk::select(chunk, scenario);
                if scenario == 0 {
                    tally.count(chunk);
                    units += chunk.units.len();
                    observe(chunk, &rows, chunks);
                }
                at_risk.extend(rows);
                if let Some(groups) = groups.get_mut(scenario) {
                    groups.count(book, chunk);
                }
            }
            let rows = by_account(chunks);
            accounts.extend(&rows, book, scenarios)?;
            risk_units.extend(&rows, book, scenarios)?;
            if grouped > 0 {
                mmr_no_hedge.extend(rows.units.iter().map(|unit| unit.mmr_no_hedge));
            }
        }
        if grouped > 0 {
            let rows = UnitColumns::new(risk_units.keys(), |figure| risk_units.numbers(figure), &mmr_no_hedge);
            ScenarioGroups::count_units(&mut groups, book, &rows);
        }
        self.share.learn(positions, units);
        Ok(Rows { accounts: accounts.finish()?, risk_units: risk_units.finish()?, at_risk, tally, groups })
    }

    /// The margins of a block of accounts, one chunk a scenario.
    fn chunks<'b>(&self, book: &Book, block: Range<usize>, buffers: &'b mut Buffers) -> Result<&'b [Chunk]> {
        (self.compute)(book, block.clone(), buffers)?;
        let is_whole = |chunk: &Chunk| {
            (chunk.first_account, chunk.accounts.len(), chunk.unit_end.len()) == (block.start, block.len(), block.len())
        };
        let chunks = &buffers.chunks;
        if chunks.len() == self.scenarios.len() && chunks.iter().all(is_whole) {
            return Ok(chunks);
        }
        Err(Error::Runtime(format!("the margins of accounts {block:?} are not complete")))
    }
}

/// Accounts of a piece in so many scenarios: a piece makes as many rows, whatever their number. What is summed up over
/// accounts has the bits that this cut gives it.
pub(crate) fn piece_accounts(scenarios: usize) -> usize {
    (CHUNK_ACCOUNTS / scenarios.max(1)).max(1)
}

/// How many risk units come to a thousand positions, as in the accounts before. Columns get that much room: with room
/// for a unit a position, half of what is cleared for them would never be used. They grow if it is too little.
pub(super) struct UnitShare(AtomicUsize);

impl Default for UnitShare {
    fn default() -> Self {
        Self(AtomicUsize::new(600))
    }
}

impl UnitShare {
    fn units_of(&self, positions: usize) -> usize {
        (positions.saturating_mul(self.0.load(Relaxed)) / 1000).min(positions)
    }

    fn learn(&self, positions: usize, units: usize) {
        if let Some(share) = units.saturating_mul(1000).checked_div(positions) {
            // A little more, for the next accounts are not the same.
            self.0.store(share + share / 8 + 1, Relaxed);
        }
    }
}
