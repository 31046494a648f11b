//! How MMR, equity loss and shortfall of each account are distributed over the scenarios.
//!
//! ```text
//! a piece of accounts in the scenarios of a pass      MMR and total equity, account by account
//!   more passes to come   -> a file without a name    16 bytes for each account and scenario
//!   the last pass         -> read back, beside its own, and summed up: the table `accounts_distribution`
//! ```
//!
//! All values of an account are at hand at once, so that its quantiles are exact. Pieces have as many accounts as their
//! values may take, which depends on the number of scenarios alone: the bytes do not depend on the passes.

use super::columns::{self, ACCOUNTS_DISTRIBUTION, AccountRow};
use super::words::{Writing, Written};
use crate::book::IdTable;
use crate::margin::AccountMargin;
use crate::margin::extremes::positive_part;
use crate::publish::OutputFile;
use crate::source::Format;
use crate::tables::encode::{Encoder, TableFile, create};
use crate::tables::filled;
use crate::totals::weighted::{Sampler, Statistics, Weights};
use crate::{Error, Result};
use rayon::prelude::*;
use std::path::Path;

/// Figures of an account in a scenario: MMR and total equity.
const FIGURES: usize = 2;
const FIGURE_BYTES: usize = size_of::<f64>();
/// Bytes of the figures of a piece in all scenarios, at most, unless it has a single account.
const PIECE_BYTES: usize = 16 << 20;
/// Rows of a row group: each is 41 columns wide.
const GROUP_ROWS: usize = 8_192;
/// Bytes of a row of the table while it is encoded.
const ROW_BYTES: usize = 1_200;

/// Accounts of a piece.
pub(super) fn piece_accounts(scenarios: usize) -> usize {
    (PIECE_BYTES / (FIGURES * FIGURE_BYTES) / scenarios.max(1)).max(1)
}

/// Bytes that a piece of at most so many accounts takes more: its figures as they come, by account, and those of other
/// passes.
pub(super) fn piece_bytes(scenarios: usize, most: u64) -> u64 {
    let accounts = most.min(piece_accounts(scenarios) as u64);
    accounts.saturating_mul((3 * FIGURES * FIGURE_BYTES * scenarios) as u64)
}

/// Bytes of the rows that wait for their row group.
pub(super) const TABLE_BYTES: u64 = (GROUP_ROWS * ROW_BYTES) as u64;

/// Figures of the accounts of a piece in a few scenarios side by side.
pub(super) struct Beside {
    scenarios: usize,
    values: Vec<f64>,
}

impl Beside {
    pub fn new(scenarios: usize, accounts: usize) -> Self {
        Self { scenarios, values: Vec::with_capacity(FIGURES * scenarios * accounts) }
    }

    /// Adds the next scenario of the account at work, or the first of the account that follows.
    pub fn push(&mut self, mmr: f64, total_eq: f64) {
        self.values.extend([mmr, total_eq]);
    }
}

/// Figures of consecutive accounts in the scenarios of a pass: account by account, scenario by scenario.
#[derive(Default)]
pub(super) struct ByAccount {
    scenarios: usize,
    values: Vec<f64>,
}

impl ByAccount {
    /// Of the same accounts in all scenarios of a pass.
    pub fn of(few: &[Beside], accounts: usize) -> Self {
        let scenarios = few.iter().map(|beside| beside.scenarios).sum();
        let mut values = Vec::with_capacity(FIGURES * scenarios * accounts);
        for account in 0..accounts {
            for Beside { scenarios, values: of } in few {
                let width = FIGURES * scenarios;
                values.extend_from_slice(of.get(account * width..(account + 1) * width).unwrap_or_default());
            }
        }
        Self { scenarios, values }
    }

    /// All of them, as they are kept on disk.
    pub fn words(&self) -> impl Iterator<Item = u64> {
        self.values.iter().map(|value| value.to_bits())
    }

    fn of_account(&self, account: usize) -> &[f64] {
        let width = FIGURES * self.scenarios;
        self.values.get(account * width..(account + 1) * width).unwrap_or_default()
    }
}

/// Takes the figures of a pass.
pub(super) fn keeping(place: &Path, scenarios: usize) -> Result<Writing> {
    Writing::create(place, FIGURES * scenarios)
}

/// What a pass before left of some accounts, from number `first` on.
fn read(kept: &Written, first: usize, accounts: usize) -> Result<ByAccount> {
    let values = kept.read(first, accounts)?.into_iter().map(f64::from_bits).collect();
    Ok(ByAccount { scenarios: kept.words() / FIGURES, values })
}

/// One account over the scenarios.
#[derive(Debug)]
pub(super) struct AccountStatistics {
    pub mmr: Statistics,
    pub equity_loss: Statistics,
    pub shortfall: Statistics,
}

/// Sums up the accounts of a piece, whose first is number `first`; none if no scenario weighs anything.
pub(super) fn statistics(
    weights: &Weights,
    earlier: &[Written],
    own: ByAccount,
    base: &[AccountMargin],
    first: usize,
) -> Result<Vec<AccountStatistics>> {
    let mut all: Vec<ByAccount> = earlier.iter().map(|kept| read(kept, first, base.len())).collect::<Result<_>>()?;
    all.push(own);
    let missing = || Error::Runtime("an account without its figures in some scenario".to_owned());
    let of = |(sampler, values): &mut (Sampler, Vec<f64>), (account, base): (usize, &AccountMargin)| {
        values.clear();
        for few in &all {
            values.extend_from_slice(few.of_account(account));
        }
        let (figures, _) = values.as_chunks::<FIGURES>();
        if figures.len() != weights.len() {
            return Err(missing());
        }
        sampler.sort(weights, |scenario| figures[scenario][0]);
        let mmr = sampler.statistics(weights, |mmr| mmr);
        // What is lost and what is owed grow with it.
        sampler.sort(weights, |scenario| -figures[scenario][1]);
        let equity_loss = sampler.statistics(weights, |owed| base.total_eq + owed);
        let shortfall = sampler.statistics(weights, positive_part);
        let (Some(mmr), Some(equity_loss), Some(shortfall)) = (mmr, equity_loss, shortfall) else { return Ok(None) };
        Ok(Some(AccountStatistics { mmr, equity_loss, shortfall }))
    };
    let accounts = base.par_iter().enumerate().map_init(<(Sampler, Vec<f64>)>::default, of);
    let rows: Vec<Option<AccountStatistics>> = accounts.collect::<Result<_>>()?;
    Ok(rows.into_iter().flatten().collect())
}

/// The table, of which no more than a row group is kept.
pub(super) struct AccountsTable {
    encoder: Encoder,
    file: TableFile,
    ids: IdTable,
    rows: Vec<(Option<f64>, AccountStatistics)>,
}

impl AccountsTable {
    /// Starts the table.
    ///
    /// # Errors
    /// Those of [`create`].
    pub fn create(folder: &Path, format: Format) -> Result<Self> {
        let (encoder, file) = create(folder, &ACCOUNTS_DISTRIBUTION, format)?;
        Ok(Self { encoder, file, ids: IdTable::default(), rows: Vec::new() })
    }

    /// Adds an account, in order.
    ///
    /// # Errors
    /// Those of writing.
    pub fn add(&mut self, id: &str, liquidation_probability: Option<f64>, statistics: AccountStatistics) -> Result<()> {
        self.ids.push(id);
        self.rows.push((liquidation_probability, statistics));
        if self.rows.len() == GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let row = |(place, (probability, of)): (_, &(Option<f64>, AccountStatistics))| AccountRow {
            account_id: self.ids.get(place),
            liquidation_probability: *probability,
            statistics: [of.mmr, of.equity_loss, of.shortfall],
        };
        let rows: Vec<AccountRow> = self.rows.iter().enumerate().map(row).collect();
        let batch = filled::batch(&ACCOUNTS_DISTRIBUTION, &columns::accounts_distribution(), &rows)?;
        self.file.append(self.encoder.encode(&batch)?)?;
        self.ids = IdTable::default();
        self.rows.clear();
        Ok(())
    }

    /// Ends the table.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(mut self) -> Result<OutputFile> {
        self.flush()?;
        self.file.finish()
    }
}
