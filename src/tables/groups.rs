//! The tables of groups of accounts: what each comes to, by scenario and risk unit, and who belongs to it.

use super::columns::{Column, RISK_UNIT, SCENARIO, Table, TableSpec, account_keys, count, label, ratio, text, usd};
use super::encode::{Encoded, Encoder, TableFile, create};
use super::filled::{self, Filled, columns_of};
use super::parquet::labels::Labels;
use crate::Result;
use crate::book::{Book, Grouping};
use crate::figures::{ACCOUNT, Totals};
use crate::publish::OutputFile;
use crate::source::Format;
use crate::totals::charges::Charges;
use crate::totals::groups::{GroupRow, GroupTotals, UnitRow};
use arrow_array::RecordBatch;
use rayon::prelude::*;
use std::ops::Range;
use std::path::Path;

/// Groups of accounts in each scenario.
pub static GROUPS: Table = Table::new(|| {
    let row = "grouping x group x scenario, in this order; groups in byte order of their names";
    TableSpec::new("groups", row, columns_of(groups()))
});

/// Their risk units.
pub static GROUP_UNITS: Table = Table::new(|| {
    let row = "grouping x group x scenario x risk unit that some account of the group has";
    TableSpec::new("group_units", row, columns_of(group_units()))
});

/// The groups of each account.
pub static ACCOUNT_GROUPS: Table = Table::new(|| {
    let [account_id, _] = account_keys();
    let columns = vec![account_id.repeated(), label("by", BY), text("group", GROUP).repeated()];
    TableSpec::new("account_groups", "account x grouping, in the order in which they were asked for", columns).sorted()
});

pub(crate) const BY: &str =
    "The grouping: the attributes by which accounts are put together, with commas between them.";
pub(crate) const GROUP: &str = "The group: the values of the attributes with `/` between them, a `/` or `\\` in a \
                                value behind a `\\`; empty where a value is missing.";

type Terms = [(&'static str, &'static str, fn(&Charges) -> f64); 8];

/// What each term adds to MMR.
const TERMS: Terms = [
    (
        "charge_mr1",
        "What MR1 adds to the MMR of derivatives: nothing where another term binds. The eight `charge_` columns add up \
         to that MMR; where MR7 binds, all of a unit's MMR is `charge_mr7`.",
        |of| of.mr1,
    ),
    ("charge_mr2", "What MR2 adds to it.", |of| of.mr2),
    ("charge_mr3", "What MR3 adds to it.", |of| of.mr3),
    ("charge_mr4", "What MR4 adds to it.", |of| of.mr4),
    ("charge_mr5", "What MR5 adds to it.", |of| of.mr5),
    ("charge_mr6", "What MR6 adds to it.", |of| of.mr6),
    ("charge_mr7", "What MR7 adds to it.", |of| of.mr7),
    ("charge_mr9", "What MR9 adds to it.", |of| of.mr9),
];

fn groups<'a>() -> Vec<Filled<'a, GroupRow<'a>>> {
    type Row<'a> = GroupRow<'a>;
    let mut columns = vec![
        label("by", BY).labels(|row: &Row| row.by),
        text("group", GROUP).repeated().with_statistics().labels(|row: &Row| row.group),
        label("scenario", SCENARIO).labels(|row: &Row| row.scenario),
        count("accounts", "Accounts with a margin.").count(|row: &Row| row.counts.margined),
        count("liquidation", "Accounts in `liquidation`.").count(|row: &Row| row.counts.by_status.liquidation),
        count("near_liquidation", "Accounts in `near_liquidation`.")
            .count(|row: &Row| row.counts.by_status.near_liquidation),
        count("warning", "Accounts in `warning`.").count(|row: &Row| row.counts.by_status.warning),
        count("healthy", "Accounts that are `healthy`.").count(|row: &Row| row.counts.by_status.healthy),
        count("no_risk", "Accounts with nothing to maintain.").count(|row: &Row| row.counts.by_status.no_risk),
        count("at_risk", "Accounts in `liquidation` or `near_liquidation`, or with an IM deficit.")
            .count(|row: &Row| row.counts.at_risk),
        count("im_deficit", "Accounts whose `adj_eq` is below `imr`.").count(|row: &Row| row.counts.im_deficit),
        count("ineligible", "Accounts below the least total equity of the rules.")
            .count(|row: &Row| row.counts.ineligible),
    ];
    let sums = ACCOUNT.iter().filter(|figure| figure.sums).enumerate();
    columns.extend(sums.map(|(place, figure)| {
        let value = move |totals: &Totals| totals.values().get(place).copied().unwrap_or(f64::NAN);
        let column = Column::of(figure).named(figure.name, "Sum over accounts");
        column.number(move |row: &Row| value(&row.totals))
    }));
    columns.extend([
        usd("hedge_saving_mmr", "What spot hedging saves, `mmr_no_hedge - mmr`.")
            .number(|row: &Row| row.totals.mmr_no_hedge - row.totals.mmr),
        usd("hedge_saving_imr", "What spot hedging saves, `imr_no_hedge - imr`.")
            .number(|row: &Row| row.totals.imr_no_hedge - row.totals.imr),
        usd(
            "shortfall_mmr",
            "Equity that accounts are short of MMR and liquidation fee, the sum of `max(0, mmr + liquidation_fee - \
             adj_eq)`.",
        )
        .number(|row: &Row| row.shortfalls.mmr),
        usd("shortfall_imr", "Equity that accounts are short of IMR, the sum of `max(0, imr - adj_eq)`.")
            .number(|row: &Row| row.shortfalls.imr),
        usd("shortfall", "What accounts owe beyond all they have: the sum of `max(0, -total_eq)`.")
            .number(|row: &Row| row.shortfalls.equity),
        ratio(MMR_SHARE, "Share of the MMR of all accounts in the scenario; null where that is zero.")
            .optional(|row: &Row| row.mmr_share),
    ]);
    columns.extend(TERMS.map(|(name, meaning, of)| usd(name, meaning).number(move |row: &Row| of(&row.charges))));
    columns.extend([
        text("worst_account", "The account with the lowest margin ratio, the first by id of equals; null without one.")
            .optional_text(|row: &Row| row.worst.map(|worst| &*worst.account_id)),
        ratio("worst_margin_ratio", "Its margin ratio.")
            .optional(|row: &Row| row.worst.map(|worst| worst.margin_ratio)),
    ]);
    columns
}

/// The columns of [`GROUPS`] that the book as a whole has too: not its share of itself, and not what terms add, which
/// takes the risk units.
pub(crate) fn book_columns() -> impl Iterator<Item = &'static Column> {
    let is_of_groups = |name: &str| name == MMR_SHARE || TERMS.iter().any(|(term, ..)| *term == name);
    GROUPS.columns.iter().filter(move |column| !is_of_groups(&column.name))
}

/// The columns of [`GROUPS`] of one row, as a batch.
pub(crate) fn batch_of(row: &GroupRow) -> Result<RecordBatch> {
    filled::batch(&GROUPS, &groups(), std::slice::from_ref(row))
}

const MMR_SHARE: &str = "mmr_share";

fn group_units<'a>() -> Vec<Filled<'a, UnitRow<'a>>> {
    type Row<'a> = UnitRow<'a>;
    let mut columns = vec![
        label("by", BY).labels(|row: &Row| row.by),
        text("group", GROUP).repeated().with_statistics().labels(|row: &Row| row.group),
        label("scenario", SCENARIO).labels(|row: &Row| row.scenario),
        label("risk_unit", RISK_UNIT).with_statistics().labels(|row: &Row| row.risk_unit),
        count("accounts", "Accounts of the group that have the risk unit.").count(|row: &Row| row.accounts),
        usd("mmr", "Sum over accounts: Maintenance margin.").number(|row: &Row| row.mmr),
        usd("imr", "Sum over accounts: Initial margin, with what pending orders add.").number(|row: &Row| row.imr),
        usd("mmr_no_hedge", "Sum over accounts: `mmr` as it would be with spot hedging off.")
            .number(|row: &Row| row.mmr_no_hedge),
        usd(
            "cash_delta",
            "Sum over accounts: exposure of the positions to the underlying, signed, without spot in use.",
        )
        .number(|row: &Row| row.cash_delta),
        usd("gamma", "Sum over accounts: Change of the options' coin delta for +1 % of the index, valued in USD.")
            .number(|row: &Row| row.gamma),
        usd("vega", "Sum over accounts: Change of value for +1 volatility point.").number(|row: &Row| row.vega),
        usd("theta", "Sum over accounts: Change of value in the days that `mr2` lets pass, signed.")
            .number(|row: &Row| row.theta),
    ];
    columns.extend(TERMS.map(|(name, meaning, of)| usd(name, meaning).number(move |row: &Row| of(&row.charges))));
    columns.extend([
        count("binding_mr1", "Accounts in which MR1 decides the margin of the unit.")
            .count(|row: &Row| row.binding.mr1),
        count("binding_mr2", "Accounts in which MR2 does.").count(|row: &Row| row.binding.mr2),
        count("binding_mr6", "Accounts in which MR6 does.").count(|row: &Row| row.binding.mr6),
        count("binding_mr7", "Accounts in which MR7 does.").count(|row: &Row| row.binding.mr7),
        count("binding_none", "Accounts whose unit has no margin.").count(|row: &Row| row.binding.none),
    ]);
    columns
}

/// Rows of a row group.
const PIECE_ROWS: usize = 1 << 14;

/// Writes `groups` and `group_units`.
///
/// # Errors
/// Those of writing; [`crate::Error::Runtime`] for a total that is not finite.
pub(crate) fn write(folder: &Path, totals: &GroupTotals, format: Format) -> Result<[OutputFile; 2]> {
    let (of_groups, of_units) = (totals.pieces(PIECE_ROWS), totals.unit_pieces(PIECE_ROWS));
    Ok([
        write_pieces(folder, &GROUPS, format, &of_groups, |cells| group_rows(totals, cells))?,
        write_pieces(folder, &GROUP_UNITS, format, &of_units, |cells| unit_rows(totals, cells))?,
    ])
}

/// The rows of `groups` and of `group_units` in memory.
///
/// # Errors
/// [`crate::Error::Runtime`] for a total that is not finite.
pub(crate) fn batches(totals: &GroupTotals) -> Result<[Vec<RecordBatch>; 2]> {
    let of_groups = totals.pieces(PIECE_ROWS).into_iter().map(|cells| group_rows(totals, cells));
    let of_units = totals.unit_pieces(PIECE_ROWS).into_iter().map(|cells| unit_rows(totals, cells));
    Ok([of_groups.collect::<Result<_>>()?, of_units.collect::<Result<_>>()?])
}

fn group_rows(totals: &GroupTotals, cells: Range<usize>) -> Result<RecordBatch> {
    filled::batch(&GROUPS, &groups(), &totals.rows(cells).collect::<Result<Vec<_>>>()?)
}

fn unit_rows(totals: &GroupTotals, cells: Range<usize>) -> Result<RecordBatch> {
    filled::batch(&GROUP_UNITS, &group_units(), &totals.units(cells).collect::<Result<Vec<_>>>()?)
}

/// Writes a table whose pieces `batch` makes, a few at a time on all threads.
fn write_pieces(
    folder: &Path,
    spec: &TableSpec,
    format: Format,
    pieces: &[Range<usize>],
    batch: impl Fn(Range<usize>) -> Result<RecordBatch> + Sync,
) -> Result<OutputFile> {
    let (encoder, mut file) = create(folder, spec, format)?;
    for few in pieces.chunks(rayon::current_num_threads()) {
        let encoded = few.par_iter().map(|piece| encoder.encode(&batch(piece.clone())?));
        for encoded in encoded.collect::<Result<Vec<Encoded>>>()? {
            file.append(encoded)?;
        }
    }
    file.finish()
}

/// The table `account_groups` while the accounts go by.
pub(crate) struct AccountGroups {
    by: Vec<Grouping>,
    encoder: Encoder,
}

impl AccountGroups {
    /// Starts the table.
    ///
    /// # Errors
    /// Those of [`create`].
    pub fn create(folder: &Path, by: &[Grouping], format: Format) -> Result<(Self, TableFile)> {
        let (encoder, file) = create(folder, &ACCOUNT_GROUPS, format)?;
        Ok((Self { by: by.to_vec(), encoder }, file))
    }

    /// The rows of a piece, encoded.
    ///
    /// # Errors
    /// Those of encoding.
    pub fn encode(&self, book: &Book) -> Result<Encoded> {
        self.encoder.encode(&account_rows(&self.by, book)?)
    }
}

/// The rows of `account_groups` of a book.
///
/// # Errors
/// [`crate::Error::Runtime`] if the ids exceed 2 GiB of text.
pub(crate) fn account_rows(by: &[Grouping], book: &Book) -> Result<RecordBatch> {
    let by: Vec<String> = by.iter().map(ToString::to_string).collect();
    let groupings = book.groups().len();
    let mut ids = Labels::of(book.accounts().iter());
    let mut names = Labels::of(by.iter().map(String::as_str));
    let mut groups = Labels::default();
    // Each grouping has its own groups.
    let mut first = Vec::new();
    let mut before = 0;
    for of in book.groups() {
        first.push(before);
        before += of.names().len() as u32;
        of.names().iter().for_each(|name| {
            groups.value(name);
        });
    }
    for labels in [&mut ids, &mut names, &mut groups] {
        labels.reserve(book.len() * groupings);
    }
    for account in 0..book.len() {
        ids.push(account as u32, groupings);
        names.extend(0..groupings as u32);
        groups.extend(book.groups().iter().zip(&first).map(|(of, first)| first + of.code(account)));
    }
    ACCOUNT_GROUPS.batch(vec![ids.finish()?, names.finish()?, groups.finish()?])
}
