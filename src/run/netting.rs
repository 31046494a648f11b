//! The accounts of each group margined as one, beside the sum of their margins: `run --net-by`.
//!
//! As for a client with several sub-accounts under one agreement: positions and pending orders stand side by side,
//! balances are added up, and what remains is one account under the same rules. The book is held in memory for it.

use super::RunRequest;
use crate::book::{Book, BookBuilder, Grouping, Groups};
use crate::engine::{self, CHUNK_ACCOUNTS};
use crate::figures::AccountFigure;
use crate::margin::AccountMargin;
use crate::margin::account::Order;
use crate::market::Market;
use crate::publish::OutputFile;
use crate::tables::columns::{Table, TableSpec, count, label, text, usd};
use crate::tables::encode::write_table;
use crate::tables::filled::{self, Filled, account, columns_of};
use crate::tables::groups::{BY, GROUP};
use crate::totals::groups::GroupTotals;
use crate::totals::sum::Sum;
use crate::{Error, Invalid, Result};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

/// Groups whose accounts are margined as one.
pub static NETTING: Table = Table::new(|| {
    let row = "group of which every attribute is known, in byte order of its name";
    TableSpec::new("netting", row, columns_of(columns()))
});

/// A group: its accounts one by one, and as one.
struct Row<'a> {
    by: &'a str,
    group: &'a str,
    accounts: u64,
    /// Sums over the accounts: MMR, IMR, adjusted equity.
    sums: [f64; 3],
    netted: AccountMargin,
}

fn columns<'a>() -> Vec<Filled<'a, Row<'a>>> {
    vec![
        label("by", BY).text(|row: &Row| row.by),
        text("group", GROUP).repeated().text(|row: &Row| row.group),
        count("accounts", "Accounts of the group.").count(|row: &Row| row.accounts),
        usd("mmr_sum", "Sum over accounts: Maintenance margin requirement.").number(|row: &Row| row.sums[0]),
        usd("mmr_netted", "MMR of the accounts as one.").number(|row: &Row| row.netted.mmr),
        usd("mmr_benefit", "What netting saves, `mmr_sum - mmr_netted`; negative where it costs.")
            .number(|row: &Row| row.sums[0] - row.netted.mmr),
        usd("imr_sum", "Sum over accounts: Initial margin requirement.").number(|row: &Row| row.sums[1]),
        usd("imr_netted", "IMR of the accounts as one.").number(|row: &Row| row.netted.imr),
        usd("imr_benefit", "What netting saves, `imr_sum - imr_netted`; negative where it costs.")
            .number(|row: &Row| row.sums[1] - row.netted.imr),
        usd("adj_eq_sum", "Sum over accounts: Equity after collateral discounts.").number(|row: &Row| row.sums[2]),
        usd("adj_eq_netted", "Adjusted equity of the accounts as one: discounts have tiers by amount.")
            .number(|row: &Row| row.netted.adj_eq),
        account(AccountFigure::margin_ratio, |row: &Row| &row.netted),
        account(AccountFigure::status, |row: &Row| &row.netted),
        account(AccountFigure::im_deficit, |row: &Row| &row.netted),
    ]
}

/// Margins each group of the whole book as one account, and writes the table.
///
/// # Errors
/// [`crate::Error::Invalid`] for accounts of one group that cannot be one account; those of margining and writing.
pub(super) fn write(
    folder: &Path,
    request: &RunRequest,
    by: &Grouping,
    (market, book): (&Market, &Book),
    totals: &GroupTotals,
) -> Result<OutputFile> {
    let place = request.groups.iter().position(|known| known == by).unwrap_or_default();
    let (netted, accounts) = net(by, book, place)?;
    let priced = engine::price(market, &request.rules.rules);
    let starts: Vec<usize> = (0..netted.len()).step_by(CHUNK_ACCOUNTS / 16).collect();
    let chunks = starts.into_par_iter().map(|start| {
        let range = start..netted.len().min(start + CHUNK_ACCOUNTS / 16);
        Ok::<_, Error>(engine::chunk(&priced, &netted, range)?.accounts)
    });
    let margins: Vec<AccountMargin> = chunks.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    let mut sums = BTreeMap::new();
    for row in totals.base_rows(place) {
        let row = row?;
        sums.insert(row.group, [row.totals.mmr, row.totals.imr, row.totals.adj_eq]);
    }
    let by = by.to_string();
    let groups = netted.accounts().iter().zip(accounts).zip(margins);
    let row = |((group, accounts), netted)| Row {
        by: &by,
        group,
        accounts,
        sums: sums.get(group).copied().unwrap_or([f64::NAN; 3]),
        netted,
    };
    let rows: Vec<Row> = groups.map(row).collect();
    write_table(folder, &NETTING, request.output.format, rows.len(), |range| {
        filled::batch(&NETTING, &columns(), rows.get(range).unwrap_or_default())
    })
}

/// The book in which each group is one account, named as the group, and how many accounts each was. An account of which
/// an attribute is missing is of no group that could be netted.
fn net(by: &Grouping, book: &Book, grouping: usize) -> Result<(Book, Vec<u64>)> {
    let no_groups = Groups::default();
    let groups = book.groups().get(grouping).unwrap_or(&no_groups);
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for account in 0..groups.codes().len() {
        let group = groups.name(account);
        if Grouping::is_known(group) {
            members.entry(group).or_default().push(account);
        }
    }
    let (mut builder, mut counts) = (BookBuilder::default(), Vec::with_capacity(members.len()));
    for (group, accounts) in &members {
        add(&mut builder, by, group, book, accounts)?;
        counts.push(accounts.len() as u64);
    }
    Ok((builder.build()?, counts))
}

/// What all accounts of a group hold in a currency.
#[derive(Default)]
struct Balance {
    cash: Sum,
    interest: Sum,
    spot_in_use_cap: Sum,
    restricted: bool,
}

/// Adds the accounts of a group as one: positions and orders side by side, balances added up by currency. A limit of
/// spot in use is the sum of theirs; a currency that may not back new orders in one of them may not in all.
fn add(builder: &mut BookBuilder, by: &Grouping, group: &str, book: &Book, accounts: &[usize]) -> Result<()> {
    let Some(&first) = accounts.first() else { return Ok(()) };
    let mut balances: BTreeMap<u32, Balance> = BTreeMap::new();
    let mut orders: Vec<Order> = Vec::new();
    for &account in accounts {
        if book.spot_offset()[account] != book.spot_offset()[first] {
            let modes = [first, account].map(|account| book.spot_offset()[account].name().to_owned());
            return Err(differ(by, group, "spot_offset", book, [first, account], modes).into());
        }
        if book.fee_rate(account) != book.fee_rate(first) {
            let fee = |account: usize| book.fee_rate(account).map_or_else(|| "none".to_owned(), |fee| fee.to_string());
            return Err(differ(by, group, "fee_rate", book, [first, account], [first, account].map(fee)).into());
        }
        let rows = book.position_start()[account]..book.position_start()[account + 1];
        builder.positions(&book.instrument()[rows.clone()], &book.qty()[rows.clone()], &book.avg_px()[rows]);
        for row in book.balance_start()[account]..book.balance_start()[account + 1] {
            let restricted = book.restricted().get(row).copied().unwrap_or(false);
            let balance = balances.entry(book.ccy()[row]).or_default();
            balance.cash.add(book.cash()[row]);
            balance.interest.add(book.interest()[row]);
            balance.spot_in_use_cap.add(book.spot_in_use_cap()[row]);
            balance.restricted |= restricted;
        }
        orders.extend_from_slice(book.orders_of(account));
    }
    let column = |of: fn(&Balance) -> f64| balances.values().map(of).collect::<Vec<f64>>();
    // An infinite limit is none: what a sum of such loses of itself is no number.
    let cap = |balance: &Balance| Some(balance.spot_in_use_cap.value()).filter(|cap| !cap.is_nan());
    builder.balances(
        balances.keys().copied().map(Some),
        &column(|balance| balance.cash.value()),
        &column(|balance| balance.interest.value()),
        &balances.values().map(|balance| cap(balance).unwrap_or(f64::INFINITY)).collect::<Vec<f64>>(),
        &balances.values().map(|balance| balance.restricted).collect::<Vec<bool>>(),
    );
    builder.orders(&orders);
    builder.fee_rate(book.fee_rate(first));
    builder.finish_account(group, book.spot_offset()[first]);
    Ok(())
}

/// The error of two accounts that no one account can stand for.
fn differ(by: &Grouping, group: &str, column: &str, book: &Book, accounts: [usize; 2], values: [String; 2]) -> Invalid {
    let [first, other] = accounts.map(|account| book.accounts().get(account));
    let [of_first, of_other] = values;
    Invalid::new("accounts of one group cannot be margined as one")
        .table("accounts")
        .column(column)
        .value(format!("group `{group}` by `{by}`: `{first}` has {of_first}, `{other}` has {of_other}"))
        .expected("the same for all accounts of a group")
        .hint("give them the same, or net by an attribute that tells them apart")
}
