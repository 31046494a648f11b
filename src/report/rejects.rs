//! Every input row that was set aside, with its reason.

use super::columns::{REJECTS, counts, optional_texts, texts};
use super::encode::{GROUP_ROWS, write_table};
use super::{Format, OutputFile};
use crate::snapshot::Reject;
use crate::{Error, Result};
use arrow::array::RecordBatch;
use std::path::Path;
use std::str::FromStr;

/// How many broken rows a run may have before it counts as failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxRejects {
    /// So many rows.
    Rows(u64),
    /// So many per cent of all rows read.
    Percent(f64),
}

impl Default for MaxRejects {
    fn default() -> Self {
        Self::Rows(0)
    }
}

impl MaxRejects {
    /// True if `broken` of `rows_in` rows are more than allowed.
    #[must_use]
    pub fn exceeded(self, broken: u64, rows_in: u64) -> bool {
        match self {
            Self::Rows(most) => broken > most,
            Self::Percent(most) => broken as f64 * 100.0 > most * rows_in as f64,
        }
    }
}

impl FromStr for MaxRejects {
    type Err = Error;

    /// `5`, `0.1%`.
    fn from_str(text: &str) -> Result<Self> {
        let parsed = match text.strip_suffix('%') {
            Some(share) => share.parse().ok().filter(|share| (0.0..=100.0).contains(share)).map(Self::Percent),
            None => text.parse().ok().map(Self::Rows),
        };
        parsed.ok_or_else(|| {
            Error::Usage(format!("`{text}` is no number of rows: expected `5`, or `0.1%` of the rows read"))
        })
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_parse() {
        for (text, limit) in [
            ("0", Some(MaxRejects::Rows(0))),
            ("5", Some(MaxRejects::Rows(5))),
            ("0.1%", Some(MaxRejects::Percent(0.1))),
            ("0%", Some(MaxRejects::Percent(0.0))),
            ("100%", Some(MaxRejects::Percent(100.0))),
            ("100.1%", None),
            ("-1", None),
            ("-1%", None),
            ("1.5", None),
            ("nan%", None),
            ("inf%", None),
            ("%", None),
            ("", None),
            ("many", None),
        ] {
            assert_eq!(text.parse::<MaxRejects>().ok(), limit, "{text}");
        }
        assert_eq!("x".parse::<MaxRejects>().unwrap_err().exit_code(), 2);
    }

    #[test]
    fn limits_hold() {
        for (limit, broken, rows_in, exceeded) in [
            (MaxRejects::Rows(0), 0, 10, false),
            (MaxRejects::Rows(0), 1, 10, true),
            (MaxRejects::Rows(5), 5, 10, false),
            (MaxRejects::Percent(10.0), 1, 10, false),
            (MaxRejects::Percent(10.0), 2, 10, true),
            (MaxRejects::Percent(0.0), 0, 0, false),
        ] {
            assert_eq!(limit.exceeded(broken, rows_in), exceeded, "{limit:?} {broken}/{rows_in}");
        }
    }
}
