//! Tables that a caller holds as record batches: the same columns, checks and rejects as those of files.
//!
//! Such a table has no file: where an error of a file names one, an error here names the table.

use super::declared::SHOCKS;
use super::market_rows::{MarketRows, name_table};
use super::stream::Stream;
use super::{LoadOptions, Snapshot, Table, shocks, whole};
use crate::Result;
use crate::book::Grouping;
use crate::formats::memory::{Rows, Slices};
use crate::formats::scan::Opened;
use crate::market::Market;
use crate::market::scenario::Scenario;
use crate::progress::Progress;

/// Tables of accounts that a caller holds.
#[derive(Clone, Copy)]
pub struct Tables<'a> {
    /// `account_id`, `inst_id`, `qty`, `avg_px`.
    pub positions: &'a Rows,
    /// `account_id`, `ccy`, `cash`, `interest` (optional), `spot_in_use_cap` (optional).
    pub balances: &'a Rows,
    /// `account_id`, `spot_offset`.
    pub accounts: Option<&'a Rows>,
    /// `account_id`, `inst_id`, `side`, `qty`, `px`.
    pub orders: Option<&'a Rows>,
}

/// Joins tables of accounts in memory to a market; the accounts come in pieces, put together by `groups`.
///
/// # Errors
/// Those of [`super::load`] that concern the columns of the tables and the market; [`crate::Error::Invalid`] for an
/// attribute that the table `accounts` does not have.
pub fn open_rows(market: &MarketRows, tables: Tables, groups: &[Grouping], options: &LoadOptions) -> Result<Stream> {
    let mut named = vec![(Table::Positions, tables.positions), (Table::Balances, tables.balances)];
    named.extend(tables.accounts.map(|accounts| (Table::Accounts, accounts)));
    named.extend(tables.orders.map(|orders| (Table::Orders, orders)));
    let named = named.into_iter().map(|(table, rows)| (table, rows.clone())).collect();
    Stream::of_rows(market, named, groups, options).map_err(name_table)
}

/// As [`super::load`], of tables in memory.
///
/// # Errors
/// Those of [`super::load`].
pub fn load_rows(market: &MarketRows, tables: Tables, options: &LoadOptions) -> Result<Snapshot> {
    whole(open_rows(market, tables, &[], options)?, options)
}

/// The scenarios of a table `shocks` in memory, as [`super::read_shocks`] reads them of a file.
///
/// # Errors
/// Those of [`super::read_shocks`].
pub fn shocks_of(rows: &Rows, market: &Market, progress: &dyn Progress) -> Result<Vec<Scenario>> {
    let read = Slices::new("shocks", rows, SHOCKS)
        .and_then(|slices| shocks::read_opened(Opened::Memory(slices), market, progress));
    read.map_err(name_table)
}
