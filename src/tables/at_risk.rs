//! The table `at_risk`: the accounts that need somebody's attention, worst first.

use super::columns::{ACCOUNT_ID, Column, SCENARIO, Table, TableSpec, label, ratio, text, usd};
use super::encode::{GROUP_ROWS, write_table};
use super::filled::{self, Filled, columns_of};
use crate::Result;
use crate::book::Book;
use crate::figures::AccountFigure;
use crate::publish::OutputFile;
use crate::source::Format;
use crate::totals::at_risk::{AtRisk, Binding, Names, RiskRow, sort};
use crate::totals::reach::Reach;
use arrow_array::RecordBatch;
use rayon::prelude::*;
use std::path::Path;

/// Accounts that need somebody's attention, worst first.
pub static AT_RISK: Table = Table::new(|| {
    let row = "account in `liquidation` or `near_liquidation`, or with `im_deficit`, x scenario, worst first";
    TableSpec::new("at_risk", row, columns_of(columns()))
});

/// What the numbers of accounts, risk units and scenarios stand for.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a> {
    pub book: &'a Book,
    pub names: Names<'a>,
}

/// A row, and what its numbers stand for.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub found: &'a RiskRow,
    pub scenario: usize,
    /// The fall and the rise of all coins, if they were searched.
    pub all_coins: Option<&'a [Reach; 2]>,
    pub named: &'a Named<'a>,
}

impl Row<'_> {
    /// The fall (0) or the rise (1) of all coins.
    fn reach(&self, way: usize) -> Option<&Reach> {
        self.all_coins.and_then(|reach| reach.get(way))
    }

    fn found_move(&self, way: usize) -> Option<f64> {
        self.reach(way)?.found().map(|found| found.price_move)
    }

    fn worst_unit(&self) -> Option<&str> {
        self.found.worst_unit().map(|unit| self.named.names.units[unit.unit as usize].as_str())
    }
}

/// A column with a figure of an account. What Parquet knows of it holds for the large table only.
fn figure(figure: AccountFigure) -> Column {
    Column { statistics: false, ..Column::of(figure.figure()) }
}

fn columns<'a>() -> Vec<Filled<'a, Row<'a>>> {
    vec![
        text("account_id", ACCOUNT_ID).text(|row: &Row| row.named.book.accounts().get(row.found.account)),
        label("scenario", SCENARIO).text(|row: &Row| row.named.names.scenarios[row.scenario].as_str()),
        figure(AccountFigure::status).text(|row: &Row| row.found.status.name()),
        figure(AccountFigure::margin_ratio).optional(|row: &Row| row.found.margin_ratio()),
        figure(AccountFigure::adj_eq).number(|row: &Row| row.found.adj_eq),
        figure(AccountFigure::mmr).number(|row: &Row| row.found.mmr),
        figure(AccountFigure::imr).number(|row: &Row| row.found.imr),
        figure(AccountFigure::liquidation_fee).number(|row: &Row| row.found.liquidation_fee),
        usd("shortfall_mmr", "Equity short of MMR and liquidation fee, `max(0, mmr + liquidation_fee - adj_eq)`.")
            .number(|row: &Row| row.found.shortfall_mmr_usd()),
        usd("shortfall_imr", "Equity short of IMR, `max(0, imr - adj_eq)`.")
            .number(|row: &Row| row.found.shortfall_imr_usd()),
        figure(AccountFigure::im_deficit).flag(|row: &Row| row.found.im_deficit),
        label("worst_unit", "The risk unit with the largest MMR; null without units.")
            .optional_text(|row: &Row| row.worst_unit()),
        usd("worst_unit_mmr", "Its MMR.").optional(|row: &Row| row.found.worst_unit().map(|unit| unit.mmr)),
        label(
            "binding",
            "The largest of MR1, MR2 and MR6, the first of equals, even where all three are zero; `mr7` where the \
             minimum charge is at least as large as all others together; null where the unit has no margin.",
        )
        .optional_text(|row: &Row| row.found.worst_unit().and_then(|unit| unit.binding).map(Binding::name)),
        ratio(
            "all_coins_down_move",
            "The nearest fall of all coins together at which the account enters liquidation, or leaves it if it is in \
             liquidation now: -0.2 is 20 % down; null if not searched or not found.",
        )
        .optional(|row: &Row| row.found_move(0)),
        label("all_coins_down_reach", "What that search found: `crossed`, `jump` or `none`; null if not searched.")
            .optional_text(|row: &Row| row.reach(0).map(Reach::name)),
        ratio(
            "all_coins_up_move",
            "The nearest rise of all coins together at which the account enters liquidation, or leaves it if it is in \
             liquidation now: 0.2 is 20 % up; null if not searched or not found.",
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
    let named = Named { book, names };
    let found: Vec<RiskRow> = rows.iter().map(RiskRow::of).collect();
    let with_figures = rows.iter().zip(&found).map(|(row, found)| Row {
        found,
        scenario: row.scenario,
        all_coins: row.all_coins.as_deref(),
        named: &named,
    });
    batch_of(&with_figures.collect::<Vec<_>>())
}

/// A batch of these rows.
pub(crate) fn batch_of(rows: &[Row]) -> Result<RecordBatch> {
    filled::batch(&AT_RISK, &columns(), rows)
}
