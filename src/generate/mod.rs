//! Generates a synthetic book of any size on real contracts: `remargin generate`.
//!
//! Contract specifications are the exchange's own (`data/instruments/`). Everything else is **assumed**: index levels
//! are round figures of a plausible market, volatilities follow an invented smile, accounts are drawn from eight kinds.
//! All listed contracts, equities and commodities included, are priced and may be held, except the exchange's `TEST01`
//! contract. Everything an account holds has a price.
//!
//! | kind | share | position rows, relative | what it holds |
//! |---|---|---|---|
//! | carry | 20 % | 8 | long spot, short perpetual or future; some cap spot in use, some owe USDT |
//! | short spot | 5 % | 6 | borrowed coins sold, long perpetuals and futures |
//! | option maker | 4 % | 100 | options over all expiries, delta hedged |
//! | directional | 32 % | 7 | levered, mostly long, some options, some in long/short mode |
//! | coin-margined | 12 % | 6 | inverse contracts on coin collateral |
//! | borrower | 8 % | 6 | coins as collateral, stablecoins owed |
//! | dust | 12 % | 3 | a few lots |
//! | balances only | 7 % | 0 | no positions |
//!
//! Sizes are lognormal. Popularity of coins falls with their rank (Zipf's law). About 1.6 % of the accounts (4 % of the
//! directional accounts and the borrowers) get collateral for a margin ratio between 0.75 and 1.45, estimated roughly
//! under the built-in rules.
//!
//! The same request gives the same bytes on every machine and with any number of threads: account `i` is drawn from
//! stream `i` of a `ChaCha8` generator, and chunks of accounts are written in order. Prices, quantities and cash are
//! rounded to the decimals of the exchange before anything is derived from them. So CSV, Arrow and Parquet hold the
//! same doubles.

mod account;
mod assess;
mod builder;
mod catalog;
mod columns;
mod levels;
mod prices;
pub(crate) mod rng;
mod smile;
mod strategies;
pub mod template;
#[cfg(test)]
mod tests;
mod world;

use crate::parallel::in_order;
use crate::progress::Progress;
use crate::publish::OutputFolder;
use crate::publish::owned::GENERATED;
use crate::snapshot::{CHECKSUMS, form_checksums};
use crate::source::Format;
use crate::write::tables::TableFile;
use crate::{Error, Result};
use arrow_array::RecordBatch;
use builder::Builder;
use columns::{BookColumns, book_schemas, market_tables};
use rng::Rng;
use std::path::{Path, PathBuf};
use strategies::Plan;
use world::World;

/// Accounts per task. It determines the batches of an Arrow file, so it is part of the output.
const CHUNK: u64 = 4096;
/// The largest mean number of position rows per account. Above it large books run out of listed contracts, and the
/// actual mean is lower.
const MOST_POSITIONS: f64 = 40.0;

/// What to generate.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateRequest {
    /// Number of accounts.
    pub accounts: u64,
    /// Mean number of position rows per account, 0 to 40; 10 is usual.
    pub positions_per_account: f64,
    /// Identifies the book: the same seed gives the same bytes.
    pub seed: u64,
    /// The snapshot folder, built under a temporary name and renamed.
    pub out: PathBuf,
    /// Format of the tables.
    pub format: Format,
    /// Replace an existing snapshot.
    pub force: bool,
}

/// How many rows were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Generated {
    /// Rows of `accounts`.
    pub accounts: u64,
    /// Rows of `positions`.
    pub positions: u64,
    /// Rows of `balances`.
    pub balances: u64,
    /// Rows of `instruments`.
    pub instruments: u64,
}

/// Generates a snapshot and writes it.
///
/// # Errors
/// [`Error::Usage`] if the request is out of range or the folder exists; [`Error::Io`] and [`Error::Runtime`] if
/// writing fails; [`Error::Interrupted`]. In all cases nothing is left behind.
pub fn generate(request: &GenerateRequest, progress: &dyn Progress) -> Result<Generated> {
    check(request)?;
    let folder = OutputFolder::of_snapshot(&request.out, request.force, &[])?;
    let dir = folder.path();
    let world = World::new(prices::prices(request.seed)?)?;
    let mut counts = Generated { instruments: world.terms.len() as u64, ..Generated::default() };

    for (name, batch) in market_tables(&world.prices)? {
        write_table(dir, name, request.format, &batch)?;
    }
    let mut files = Vec::new();
    for (name, schema, plain) in book_schemas() {
        files.push(TableFile::create(dir, name, request.format, &schema, plain)?);
    }

    progress.stage("generate", "accounts", request.accounts);
    let plan = Plan::new(request.positions_per_account);
    let digits = id_digits(request.accounts);
    let chunks = usize::try_from(request.accounts.div_ceil(CHUNK)).map_err(|err| Error::Usage(err.to_string()))?;
    in_order(
        chunks,
        2 * rayon::current_num_threads(),
        |chunk| {
            progress.check()?;
            let first = chunk as u64 * CHUNK;
            let last = (first + CHUNK).min(request.accounts);
            let mut builder = Builder::new(&world);
            let mut columns = BookColumns::default();
            for number in first..last {
                plan.build(&mut builder, Rng::new(request.seed, number));
                columns.push(&world, &format!("A{:0digits$}", number + 1), &builder.account);
            }
            progress.advance(last - first);
            columns.finish()
        },
        |batches| {
            counts.accounts += batches[0].num_rows() as u64;
            counts.balances += batches[1].num_rows() as u64;
            counts.positions += batches[2].num_rows() as u64;
            files.iter_mut().zip(&batches).try_for_each(|(file, batch)| file.write(batch))
        },
    )?;
    for file in files {
        file.finish()?;
    }
    let manifest = dir.join("snapshot.toml");
    std::fs::write(&manifest, snapshot_toml(request)).map_err(|err| Error::io("write", &manifest, err))?;
    write_checksums(dir, progress)?;
    progress.check()?;
    folder.publish()?;
    Ok(counts)
}

/// Writes one table of a snapshot. Columns are strings, `Float64` or timestamps in milliseconds. Parquet pages get
/// checksums.
///
/// # Errors
/// [`Error::Io`] and [`Error::Runtime`] if writing fails.
pub fn write_table(dir: &Path, name: &str, format: Format, batch: &RecordBatch) -> Result<()> {
    let mut file = TableFile::create(dir, name, format, &batch.schema(), &[])?;
    file.write(batch)?;
    file.finish().map(drop)
}

/// Adds the hashes of the files to a snapshot. With them every command detects a changed file.
fn write_checksums(dir: &Path, progress: &dyn Progress) -> Result<()> {
    let file = dir.join(CHECKSUMS);
    let lines = form_checksums(dir, progress)?;
    std::fs::write(&file, lines).map_err(|err| Error::io("write", &file, err))
}

fn check(request: &GenerateRequest) -> Result<()> {
    let positions = request.positions_per_account;
    if !(0.0..=MOST_POSITIONS).contains(&positions) {
        return Err(Error::Usage(format!(
            "`positions_per_account` is {positions}, expected a number from 0 to {MOST_POSITIONS}"
        )));
    }
    if request.accounts == 0 || request.accounts >= u64::from(u32::MAX) {
        return Err(Error::Usage(format!("`accounts` is {}, expected 1 to {}", request.accounts, u32::MAX - 1)));
    }
    Ok(())
}

/// Digits of account ids: eight, or more for a larger book, so that byte order equals numeric order.
fn id_digits(accounts: u64) -> usize {
    accounts.to_string().len().max(8)
}

fn snapshot_toml(request: &GenerateRequest) -> String {
    format!(
        "{GENERATED} --accounts {} --positions-per-account {} --seed {}\n\
         # Contract specifications are OKX's of 2026-04-27; prices, volatilities and accounts are invented.\n\
         as_of = {}\n\
         version = 1\n",
        request.accounts,
        request.positions_per_account,
        request.seed,
        catalog::AS_OF,
    )
}
