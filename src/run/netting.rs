//! The accounts of each group margined as one, beside the sum of their margins: `run --net-by`.
//!
//! As for a client with several sub-accounts under one agreement: positions are added up by instrument, balances by
//! currency, pending orders stand side by side, and what remains is one account under the same rules. Contracts that
//! are long in one account and short in another close each other: what they have gained or lost becomes cash, so that
//! equity stays. The book is held in memory for it.

use super::RunRequest;
use crate::book::{Book, BookBuilder, Grouping, Groups};
use crate::engine::{self, CHUNK_ACCOUNTS};
use crate::figures::AccountFigure;
use crate::margin::AccountMargin;
use crate::margin::account::Order;
use crate::margin::extremes::higher;
use crate::market::{InstrumentKind, Market};
use crate::publish::OutputFile;
use crate::tables::columns::{Table, TableSpec, count, label, text, usd};
use crate::tables::encode::write_table;
use crate::tables::filled::{self, Filled, account, columns_of};
use crate::tables::groups::{BY, GROUP};
use crate::totals::groups::GroupTotals;
use crate::totals::netting_summary::{NettedGroup, NettingSummary};
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
) -> Result<(OutputFile, NettingSummary)> {
    let place = request.groups.iter().position(|known| known == by).unwrap_or_default();
    let (netted, accounts) = net(by, market, book, place)?;
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
    let file = write_table(folder, &NETTING, request.output.format, rows.len(), |range| {
        filled::batch(&NETTING, &columns(), rows.get(range).unwrap_or_default())
    })?;
    Ok((file, summary(&by, &rows)?))
}

/// Groups that a summary lists.
const LISTED: usize = 10;

fn summary(by: &str, rows: &[Row]) -> Result<NettingSummary> {
    let sum = |of: fn(&Row) -> f64| {
        let mut sum: Sum = Sum::default();
        for row in rows {
            sum.add(of(row));
        }
        sum.value()
    };
    let benefit = |row: &Row| row.sums[0] - row.netted.mmr;
    let mut order: Vec<&Row> = rows.iter().collect();
    order.sort_by(|a, b| benefit(b).total_cmp(&benefit(a)));
    let group = |row: &&Row| NettedGroup {
        group: row.group.to_owned(),
        accounts: row.accounts,
        mmr_sum: row.sums[0],
        mmr_netted: row.netted.mmr,
        mmr_benefit: benefit(row),
        imr_sum: row.sums[1],
        imr_netted: row.netted.imr,
        imr_benefit: row.sums[1] - row.netted.imr,
        adj_eq_netted: row.netted.adj_eq,
        margin_ratio: row.netted.margin_ratio,
        status: row.netted.status.name().to_owned(),
    };
    let [mmr_sum, imr_sum] = [sum(|row| row.sums[0]), sum(|row| row.sums[1])];
    let [mmr_netted, imr_netted] = [sum(|row| row.netted.mmr), sum(|row| row.netted.imr)];
    if ![mmr_sum, imr_sum, mmr_netted, imr_netted].iter().all(|total| total.is_finite()) {
        return Err(Error::Runtime("a total over all netted groups is not finite".to_owned()));
    }
    Ok(NettingSummary {
        by: by.to_owned(),
        groups: rows.len() as u64,
        accounts: rows.iter().map(|row| row.accounts).sum(),
        groups_with_benefit: rows.iter().filter(|row| benefit(row) > noise_usd(row)).count() as u64,
        groups_with_cost: rows.iter().filter(|row| -benefit(row) > noise_usd(row)).count() as u64,
        mmr_sum,
        mmr_netted,
        mmr_benefit: mmr_sum - mmr_netted,
        imr_sum,
        imr_netted,
        imr_benefit: imr_sum - imr_netted,
        largest: order.iter().take(LISTED).map(group).collect(),
    })
}

/// What two sums of the same margins may differ by, USD: the order of their parts is not the same.
fn noise_usd(row: &Row) -> f64 {
    const SHARE: f64 = 1e-9;
    SHARE * higher(row.sums[0], row.netted.mmr)
}

/// The book in which each group is one account, named as the group, and how many accounts each was. An account of which
/// an attribute is missing is of no group that could be netted.
fn net(by: &Grouping, market: &Market, book: &Book, grouping: usize) -> Result<(Book, Vec<u64>)> {
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
        check(by, group, book, accounts)?;
        let mut one = One::default();
        for &account in accounts {
            one.add(market, book, account);
        }
        one.finish(&mut builder, market);
        let first = accounts.first().copied().unwrap_or_default();
        builder.fee_rate(book.fee_rate(first));
        builder.finish_account(group, book.spot_offset()[first]);
        counts.push(accounts.len() as u64);
    }
    Ok((builder.build()?, counts))
}

/// Accounts of a group that are margined in different ways cannot be one account.
fn check(by: &Grouping, group: &str, book: &Book, accounts: &[usize]) -> Result<()> {
    let Some(&first) = accounts.first() else { return Ok(()) };
    for &account in accounts {
        if book.spot_offset()[account] != book.spot_offset()[first] {
            let modes = [first, account].map(|account| book.spot_offset()[account].name().to_owned());
            return Err(differ(by, group, "spot_offset", book, [first, account], modes).into());
        }
        if book.fee_rate(account) != book.fee_rate(first) {
            let fee = |account: usize| book.fee_rate(account).map_or_else(|| "none".to_owned(), |fee| fee.to_string());
            return Err(differ(by, group, "fee_rate", book, [first, account], [first, account].map(fee)).into());
        }
    }
    Ok(())
}

/// What all accounts of a group hold in a currency.
#[derive(Default)]
struct Balance {
    /// Some account has a balance or a limit, and not only gains or losses of closed contracts.
    is_held: bool,
    cash: Sum,
    interest: Sum,
    spot_in_use_cap: Sum,
    restricted: bool,
}

impl Balance {
    /// The limit of spot in use, coins. An infinite limit is none: what a sum of such loses of itself is no number.
    fn cap(&self) -> f64 {
        let cap = self.spot_in_use_cap.value();
        if self.is_held && !cap.is_nan() { cap } else { f64::INFINITY }
    }
}

/// Contracts of one sign of an instrument, and what they were entered at.
#[derive(Default)]
struct Side {
    contracts: Sum,
    /// Sum of `n px`, of inverse contracts of `n / px`.
    entry: Sum,
    /// The price of all rows so far, if it is one.
    px: Option<f64>,
    has_prices: bool,
}

impl Side {
    fn add(&mut self, contracts: f64, px: f64, is_inverse: bool) {
        let is_new = !std::mem::replace(&mut self.has_prices, true);
        self.px = Some(px).filter(|px| is_new || self.px == Some(*px));
        self.contracts.add(contracts);
        self.entry.add(if is_inverse { contracts / px } else { contracts * px });
    }

    /// The price at which all contracts together have the P&L that they have one by one: linear the mean by contracts,
    /// inverse the harmonic one.
    fn average_px(&self, is_inverse: bool) -> f64 {
        let (contracts, entry) = (self.contracts.value(), self.entry.value());
        self.px.unwrap_or(if is_inverse { contracts / entry } else { entry / contracts })
    }
}

/// What is left of contracts that close each other, as a share of all, is rounding below this.
const ROUNDING: f64 = 1e-12;

/// The accounts of a group as one.
#[derive(Default)]
struct One {
    /// By instrument: long and short.
    held: BTreeMap<u32, [Side; 2]>,
    /// By currency.
    balances: BTreeMap<u32, Balance>,
    orders: Vec<Order>,
}

impl One {
    /// Adds an account. A limit of spot in use is the sum of theirs; a currency that may not back new orders in one of
    /// them may not in all.
    fn add(&mut self, market: &Market, book: &Book, account: usize) {
        for row in book.position_start()[account]..book.position_start()[account + 1] {
            let (instrument, qty, px) = (book.instrument()[row], book.qty()[row], book.avg_px()[row]);
            let [long, short] = self.held.entry(instrument).or_default();
            let side = if qty < 0.0 { short } else { long };
            side.add(qty.abs(), px, is_inverse(market, instrument));
        }
        for row in book.balance_start()[account]..book.balance_start()[account + 1] {
            let balance = self.balances.entry(book.ccy()[row]).or_default();
            let (cash, interest, cap) = (book.cash()[row], book.interest()[row], book.spot_in_use_cap()[row]);
            balance.cash.add(cash);
            balance.interest.add(interest);
            // A row without a balance and without a limit says as much as no row.
            if cash != 0.0 || interest != 0.0 || cap != f64::INFINITY {
                balance.is_held = true;
                balance.spot_in_use_cap.add(cap);
            }
            balance.restricted |= book.restricted().get(row).copied().unwrap_or(false);
        }
        self.orders.extend_from_slice(book.orders_of(account));
    }

    /// Puts positions, balances and orders into a book, but for the end of the account.
    fn finish(mut self, builder: &mut BookBuilder, market: &Market) {
        for (&instrument, [long, short]) in &self.held {
            let [bought, sold] = [long, short].map(|side| side.contracts.value());
            let is_inverse = is_inverse(market, instrument);
            let [bought_px, sold_px] = [long, short].map(|side| side.average_px(is_inverse));
            let closed = bought.min(sold);
            if closed > 0.0 {
                let Some(contract) = market.instruments.get(instrument as usize) else { continue };
                let gain = match contract.kind {
                    InstrumentKind::Linear => closed * contract.multiplier * (sold_px - bought_px),
                    InstrumentKind::Inverse => closed * contract.multiplier * (1.0 / bought_px - 1.0 / sold_px),
                    // An option counts at its mark: what was paid for it has left cash already.
                    InstrumentKind::Option { .. } => 0.0,
                };
                if gain != 0.0 {
                    self.balances.entry(contract.settle).or_default().cash.add(gain);
                }
            }
            let left = bought - sold;
            if left.abs() > ROUNDING * (bought + sold) {
                builder.positions(&[instrument], &[left], &[if left > 0.0 { bought_px } else { sold_px }]);
            }
        }
        let column = |of: fn(&Balance) -> f64| self.balances.values().map(of).collect::<Vec<f64>>();
        builder.balances(
            self.balances.keys().copied().map(Some),
            &column(|balance| balance.cash.value()),
            &column(|balance| balance.interest.value()),
            &column(Balance::cap),
            &self.balances.values().map(|balance| balance.restricted).collect::<Vec<bool>>(),
        );
        builder.orders(&self.orders);
    }
}

fn is_inverse(market: &Market, instrument: u32) -> bool {
    market.instruments.get(instrument as usize).is_some_and(|contract| contract.kind == InstrumentKind::Inverse)
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
