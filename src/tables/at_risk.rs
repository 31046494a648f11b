//! The table `at_risk`: the accounts that need somebody's attention, worst first.

use super::columns::{ACCOUNT_ID, SCENARIO, Table, TableSpec, label, ratio, text, usd};
use super::encode::{GROUP_ROWS, write_table};
use super::filled::{self, Filled, account, columns_of};
use crate::Result;
use crate::book::Book;
use crate::figures::AccountFigure;
use crate::margin::AccountMargin;
use crate::publish::OutputFile;
use crate::source::Format;
use crate::totals::at_risk::{AtRisk, Binding, Names, sort};
use crate::totals::reach::Reach;
use arrow_array::RecordBatch;
use rayon::prelude::*;
use std::path::Path;

/// Accounts that need somebody's attention, worst first.
pub static AT_RISK: Table = Table::new(|| {
    let row = "account in `liquidation` or `near_liquidation`, or with `im_deficit`, x scenario, worst first";
    TableSpec::new("at_risk", row, columns_of(columns()))
});

/// A row, and what its numbers stand for.
struct Row<'a> {
    found: &'a AtRisk,
    book: &'a Book,
    names: Names<'a>,
}

impl Row<'_> {
    fn margin(&self) -> &AccountMargin {
        &self.found.margin
    }

    /// The fall (0) or the rise (1) of all coins.
    fn reach(&self, way: usize) -> Option<&Reach> {
        self.found.all_coins.as_ref().and_then(|reach| reach.get(way))
    }

    fn found_move(&self, way: usize) -> Option<f64> {
        self.reach(way)?.found().map(|found| found.price_move)
    }
}

fn columns<'a>() -> Vec<Filled<'a, Row<'a>>> {
    vec![
        text("account_id", ACCOUNT_ID).text(|row: &Row| row.book.accounts().get(row.found.account)),
        label("scenario", SCENARIO).text(|row: &Row| row.names.scenarios[row.found.scenario].as_str()),
        account(AccountFigure::status, Row::margin),
        account(AccountFigure::margin_ratio, Row::margin),
        account(AccountFigure::adj_eq, Row::margin),
        account(AccountFigure::mmr, Row::margin),
        account(AccountFigure::imr, Row::margin),
        account(AccountFigure::liquidation_fee, Row::margin),
        usd("shortfall_mmr", "Equity short of MMR and liquidation fee, `max(0, mmr + liquidation_fee - adj_eq)`.")
            .number(|row: &Row| row.found.shortfall_mmr_usd()),
        usd("shortfall_imr", "Equity short of IMR, `max(0, imr - adj_eq)`.")
            .number(|row: &Row| row.found.shortfall_imr_usd()),
        account(AccountFigure::im_deficit, Row::margin),
        label("worst_unit", "The risk unit with the largest MMR; null without units.")
            .optional_text(|row: &Row| row.found.worst_unit.map(|unit| row.names.units[unit.unit as usize].as_str())),
        usd("worst_unit_mmr", "Its MMR.").optional(|row: &Row| row.found.worst_unit.map(|unit| unit.mmr)),
        label("binding", "The term that decides it: `mr1`, `mr2`, `mr6` or `mr7`; null where it has no margin.")
            .optional_text(|row: &Row| row.found.worst_unit.and_then(|unit| unit.binding).map(Binding::name)),
        ratio(
            "all_coins_down_move",
            "The nearest fall of all coins together that ends in liquidation; null if not searched or not found.",
        )
        .optional(|row: &Row| row.found_move(0)),
        label("all_coins_down_reach", "What that search found: `crossed`, `jump` or `none`; null if not searched.")
            .optional_text(|row: &Row| row.reach(0).map(Reach::name)),
        ratio(
            "all_coins_up_move",
            "The nearest rise of all coins together that ends in liquidation; null if not searched or not found.",
        )
        .optional(|row: &Row| row.found_move(1)),
        label("all_coins_up_reach", "What that search found: `crossed`, `jump` or `none`; null if not searched.")
            .optional_text(|row: &Row| row.reach(1).map(Reach::name)),
    ]
}

/// Writes `at_risk`, whose rows [`sort`] has put in order, as CSV for people and, for programs, as Arrow or Parquet.
pub(crate) fn write(
    folder: &Path,
    rows: &[AtRisk],
    book: &Book,
    names: Names,
    format: Format,
) -> Result<Vec<OutputFile>> {
    let binary = if format == Format::Arrow { Format::Arrow } else { Format::Parquet };
    [binary, Format::Csv]
        .into_par_iter()
        .map(|format| write_table(folder, &AT_RISK, format, rows.len(), |range| batch(&rows[range], book, names)))
        .collect()
}

/// The rows worst first in each scenario, as [`write`] puts them down.
pub(crate) fn batches(mut rows: Vec<AtRisk>, book: &Book, names: Names) -> Result<Vec<RecordBatch>> {
    sort(&mut rows);
    rows.chunks(GROUP_ROWS).map(|rows| batch(rows, book, names)).collect()
}

pub(crate) fn batch(rows: &[AtRisk], book: &Book, names: Names) -> Result<RecordBatch> {
    let rows: Vec<Row> = rows.iter().map(|found| Row { found, book, names }).collect();
    filled::batch(&AT_RISK, &columns(), &rows)
}
