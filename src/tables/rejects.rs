//! Every input row that was set aside, with its reason.

use super::columns::{REJECTS, counts, optional_texts, texts};
use super::encode::{GROUP_ROWS, write_table};
use crate::Result;
use crate::publish::OutputFile;
use crate::snapshot::Reject;
use crate::source::Format;
use arrow::array::RecordBatch;
use std::path::Path;

/// Writes `rejects`, in order of table and row; without rejects an empty table.
pub(crate) fn write(folder: &Path, rejects: &[Reject], format: Format) -> Result<OutputFile> {
    let rows = in_order(rejects);
    write_table(folder, &REJECTS, format, rows.len(), |range| batch(&rows[range]))
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
    REJECTS.batch(vec![
        texts(rows.iter().map(|row| row.table.name()))?,
        counts(rows.iter().map(|row| i64::try_from(row.row).unwrap_or(i64::MAX))),
        optional_texts(rows.iter().map(|row| row.account_id.as_deref()))?,
        texts(rows.iter().map(|row| row.reason.code()))?,
        texts(rows.iter().map(|row| row.column))?,
        texts(rows.iter().map(|row| row.value.as_str()))?,
    ])
}
