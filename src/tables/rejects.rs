//! Every input row that was set aside, with its reason.

use super::columns::{Table, TableSpec, count, label, text};
use super::encode::{GROUP_ROWS, write_table};
use super::filled::{self, Filled, columns_of};
use crate::Result;
use crate::publish::OutputFile;
use crate::snapshot::Reject;
use crate::source::Format;
use arrow_array::RecordBatch;
use std::path::Path;

/// Input rows that were set aside.
pub static REJECTS: Table =
    Table::new(|| TableSpec::new("rejects", "input row that was set aside", columns_of(columns())));

fn columns<'a>() -> Vec<Filled<'a, &'a Reject>> {
    vec![
        label("table", "The input table.").text(|row: &&Reject| row.table.name()),
        count("row", "The number of the row in that table, from 1, without the header, over all its parts.")
            .count(|row: &&Reject| row.row),
        text("account_id", "The account of the row; null if it has none.")
            .optional_text(|row: &&Reject| row.account_id.as_deref()),
        label("reason", "The [reason](reject-reasons.md).").with_statistics().text(|row: &&Reject| row.reason.code()),
        label("column", "The column at fault.").text(|row: &&Reject| row.column),
        text(
            "value",
            "What stood in it; the fault of an instrument after its name; of `account_unmargined` the row to blame.",
        )
        .text(|row: &&Reject| row.value.as_str()),
        label("expected", "What was expected there.").text(|row: &&Reject| row.expected()),
    ]
}

/// Writes `rejects`, in order of table and row, in the format of the tables and as CSV for people; without rejects an
/// empty table.
pub(crate) fn write(folder: &Path, rejects: &[Reject], format: Format) -> Result<Vec<OutputFile>> {
    let rows = in_order(rejects);
    let for_people = (format != Format::Csv).then_some(Format::Csv);
    std::iter::once(format)
        .chain(for_people)
        .map(|format| write_table(folder, &REJECTS, format, rows.len(), |range| batch(&rows[range])))
        .collect()
}

/// The rows of `rejects`, as [`write`] puts them down.
pub(crate) fn batches(rejects: &[Reject]) -> Result<Vec<RecordBatch>> {
    in_order(rejects).chunks(GROUP_ROWS).map(batch).collect()
}

fn in_order(rejects: &[Reject]) -> Vec<&Reject> {
    let mut rows: Vec<&Reject> = rejects.iter().collect();
    let rest = |row: &Reject| (row.reason.code(), row.column);
    rows.sort_by(|a, b| (a.table as usize, a.row).cmp(&(b.table as usize, b.row)).then_with(|| rest(a).cmp(&rest(b))));
    rows
}

fn batch(rows: &[&Reject]) -> Result<RecordBatch> {
    filled::batch(&REJECTS, &columns(), rows)
}
