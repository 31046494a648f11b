//! The margins of a book in every scenario, as rows of the two large tables: what a run writes and what
//! [`crate::batches`] hands back.

use super::CHUNK_ACCOUNTS;
use crate::book::Book;
use crate::margin::priced::PricedMarket;
use crate::margin::requirement::Workspace;
use crate::margin::rules::Rules;
use crate::market::Market;
use crate::market::scenario::{self, Scenario};
use crate::progress::Progress;
use crate::recompute::{self, Chunk};
use crate::report::at_risk::{self, AtRisk};
use crate::report::columns::by_account;
use crate::report::rows::{AccountRows, UnitRows};
use crate::report::summary::Tally;
use crate::snapshot::Unmargined;
use crate::{Error, Result};
use arrow::array::RecordBatch;
use rayon::prelude::*;
use std::ops::Range;

/// Accounts whose margins are in memory at once: with a few units each they fit the first-level cache, out of which
/// they are counted and taken apart column by column.
const BLOCK_ACCOUNTS: usize = 32;

/// The margins of some accounts of a book, one chunk a scenario, the base case first. The buffers, empty at first, are
/// handed in again for the next accounts.
pub(crate) type Compute<'a> = Box<dyn Fn(&Book, Range<usize>, &mut Vec<Workspace>) -> Result<Vec<Chunk>> + Sync + 'a>;

/// A market, priced in all scenarios.
pub(crate) struct Margins<'a> {
    pub(super) compute: Compute<'a>,
    pub(super) unit_names: Vec<String>,
    pub(super) scenarios: Vec<String>,
    pub(super) progress: &'a dyn Progress,
}

/// Consecutive accounts, margined.
pub(crate) struct Rows {
    pub accounts: RecordBatch,
    pub risk_units: RecordBatch,
    pub at_risk: Vec<AtRisk>,
    /// Of the base case.
    pub tally: Tally,
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
            Ok(recompute::price(&market, rules))
        });
        let priced: Vec<PricedMarket> = markets.collect::<Result<_>>()?;
        let unit_names = priced.first().map_or_else(Vec::new, PricedMarket::unit_names);
        tracing::info!(scenarios = priced.len(), risk_units = unit_names.len(), "the market is read and priced");
        let scenarios = scenarios.into_iter().map(|scenario| scenario.name).collect();
        let compute: Compute = Box::new(move |book, range, work| {
            if work.is_empty() {
                work.extend(priced.iter().map(Workspace::new));
            }
            let scenarios = priced.iter().zip(work);
            scenarios
                .map(|(priced, work)| recompute::chunk_in(work, priced, book, range.clone(), |_, _, _| ()))
                .collect()
        });
        Ok(Self { compute, unit_names, scenarios, progress })
    }

    pub fn unit_names(&self) -> &[String] {
        &self.unit_names
    }

    pub fn scenarios(&self) -> &[String] {
        &self.scenarios
    }

    /// A piece makes as many rows, whatever the number of scenarios.
    pub fn piece_accounts(&self) -> usize {
        (CHUNK_ACCOUNTS / self.scenarios.len().max(1)).max(1)
    }

    /// Margins a range of a book. `observe` sees each block of the base case, and which of its accounts are at risk.
    pub fn rows(&self, book: &Book, range: Range<usize>, mut observe: impl FnMut(&Chunk, &[AtRisk])) -> Result<Rows> {
        self.progress.check()?;
        let mut tally = Tally::new(self.unit_names.len());
        let mut at_risk = Vec::new();
        // An account has no more units than positions.
        let positions = book.position_start[range.end] - book.position_start[range.start];
        let scenarios = self.scenarios.len();
        let mut accounts = AccountRows::with_capacity(range.len() * scenarios, &self.scenarios);
        let mut risk_units = UnitRows::with_capacity(positions * scenarios, &self.unit_names, &self.scenarios);
        let mut work = Vec::new();
        for start in range.clone().step_by(BLOCK_ACCOUNTS) {
            let block = start..range.end.min(start + BLOCK_ACCOUNTS);
            let chunks = self.chunks(book, block, &mut work)?;
            for (scenario, chunk) in chunks.iter().enumerate() {
                let rows = at_risk::select(chunk, scenario);
                if scenario == 0 {
                    tally.count(chunk);
                    observe(chunk, &rows);
                }
                at_risk.extend(rows);
            }
            let rows = by_account(chunks);
            accounts.extend(&rows, book, scenarios)?;
            risk_units.extend(&rows, book, scenarios)?;
        }
        Ok(Rows { accounts: accounts.finish()?, risk_units: risk_units.finish()?, at_risk, tally })
    }

    /// The margins of a block of accounts, one chunk a scenario.
    fn chunks(&self, book: &Book, block: Range<usize>, work: &mut Vec<Workspace>) -> Result<Vec<Chunk>> {
        let chunks = (self.compute)(book, block.clone(), work)?;
        let is_whole = |chunk: &Chunk| {
            (chunk.first_account, chunk.accounts.len(), chunk.unit_end.len()) == (block.start, block.len(), block.len())
        };
        if chunks.len() == self.scenarios.len() && chunks.iter().all(is_whole) {
            return Ok(chunks);
        }
        Err(Error::Runtime(format!("the margins of accounts {block:?} are not complete")))
    }
}

/// Ranges of the book that hold `size` consecutive accounts of the snapshot, those that were left out counted, so that
/// files are cut in the same places however a snapshot is read.
pub(crate) fn pieces(book: &Book, unmargined: &[Unmargined], size: usize) -> Vec<Range<usize>> {
    let before = |id: &str| {
        let (mut low, mut high) = (0, book.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if book.accounts.get(middle) < id { low = middle + 1 } else { high = middle }
        }
        low
    };
    // Rank of each account that was left out, among all of the snapshot.
    let ranks: Vec<usize> =
        unmargined.iter().enumerate().map(|(earlier, account)| before(&account.account_id) + earlier).collect();
    let all = book.len() + ranks.len();
    let cut = |rank: usize| rank - ranks.partition_point(|&left_out| left_out < rank);
    (0..all).step_by(size).map(|start| cut(start)..cut(all.min(start + size))).collect()
}
