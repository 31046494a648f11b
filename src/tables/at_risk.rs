//! The table `at_risk`: the accounts that need somebody's attention, worst first.

use super::columns::{AT_RISK, flags, numbers, optional_numbers, optional_texts, texts};
use super::encode::{GROUP_ROWS, write_table};
use crate::Result;
use crate::book::Book;
use crate::publish::OutputFile;
use crate::source::Format;
use crate::totals::at_risk::{AtRisk, Binding, Names, sort};
use arrow::array::RecordBatch;
use rayon::prelude::*;
use std::path::Path;

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
    let number = |field: fn(&AtRisk) -> f64| numbers(rows.iter().map(field));
    let unit_name = |row: &AtRisk| row.worst_unit.map(|unit| names.units[unit.unit as usize].as_str());
    let binding = |row: &AtRisk| row.worst_unit.and_then(|unit| unit.binding).map(Binding::name);
    let distance_move = |way: usize| {
        let found =
            |row: &AtRisk| row.all_coins.as_ref().and_then(|reach| reach[way].found().map(|found| found.price_move));
        optional_numbers(rows.iter().map(found))
    };
    AT_RISK.batch(vec![
        texts(rows.iter().map(|row| book.accounts().get(row.account)))?,
        texts(rows.iter().map(|row| names.scenarios[row.scenario].as_str()))?,
        texts(rows.iter().map(|row| row.margin.status.name()))?,
        optional_numbers(rows.iter().map(|row| row.margin.margin_ratio)),
        number(|row| row.margin.adj_eq),
        number(|row| row.margin.mmr),
        number(|row| row.margin.imr),
        number(|row| row.margin.liquidation_fee),
        number(AtRisk::shortfall_mmr_usd),
        number(AtRisk::shortfall_imr_usd),
        flags(rows.iter().map(|row| row.margin.im_deficit)),
        optional_texts(rows.iter().map(unit_name))?,
        optional_numbers(rows.iter().map(|row| row.worst_unit.map(|unit| unit.mmr))),
        optional_texts(rows.iter().map(binding))?,
        distance_move(0),
        optional_texts(rows.iter().map(|row| row.all_coins.as_ref().map(|reach| reach[0].name())))?,
        distance_move(1),
        optional_texts(rows.iter().map(|row| row.all_coins.as_ref().map(|reach| reach[1].name())))?,
    ])
}
