//! The table `breaches`: every figure that is beyond a limit.

use super::columns::{Table, TableSpec, label, number, text};
use super::encode::{Encoder, GROUP_ROWS, TableFile, create};
use super::filled::{self, Filled, columns_of};
use crate::Result;
use crate::figures::Unit;
use crate::publish::OutputFile;
use crate::source::Format;
use crate::totals::limit_summary::Compared;
use arrow_array::RecordBatch;
use std::path::Path;
use std::sync::Arc;

/// Figures beyond a limit.
pub static BREACHES: Table = Table::new(|| {
    let row = "figure beyond a limit: limits in the order of their file, then as the table that has the figure";
    TableSpec::new("breaches", row, columns_of(columns()))
});

/// What all breaches of one limit have in common.
#[derive(Debug, Clone)]
pub(crate) struct Limited {
    pub limit: String,
    pub severity: &'static str,
    pub scope: &'static str,
    pub figure: String,
    pub unit: &'static str,
    pub operator: &'static str,
    pub least: Option<f64>,
    pub most: Option<f64>,
    pub text: Option<String>,
}

/// A row.
struct Row<'a> {
    limited: &'a Limited,
    found: &'a Compared,
}

fn columns<'a>() -> Vec<Filled<'a, Row<'a>>> {
    vec![
        label("limit", "The name of the limit.").text(|row: &Row| row.limited.limit.as_str()),
        label("severity", "How serious it is: `info`, `soft` or `hard`.").text(|row: &Row| row.limited.severity),
        label(
            "scope",
            "Whose figure it is: `account`, `account_unit`, `worst`, `group`, `group_unit`, `unit` or `book`.",
        )
        .text(|row: &Row| row.limited.scope),
        label("scenario", "The price scenario; null for a figure over all scenarios.")
            .optional_text(|row: &Row| row.found.of.scenario.as_deref()),
        label("by", "The grouping; null without one.").optional_text(|row: &Row| row.found.of.by.as_deref()),
        text("group", "The group, as in `groups`; null without one.")
            .repeated()
            .optional_text(|row: &Row| row.found.of.group.as_deref()),
        text("account_id", "The account; null without one.")
            .optional_text(|row: &Row| row.found.of.account_id.as_deref()),
        label("risk_unit", "The risk unit; null without one.")
            .optional_text(|row: &Row| row.found.of.risk_unit.as_deref()),
        label("figure", "The column that has the figure.").text(|row: &Row| row.limited.figure.as_str()),
        label("unit", "What the figure and its limit are measured in, such as `USD` or `ratio`.")
            .text(|row: &Row| row.limited.unit),
        number("value", "The figure.", Unit::Amount).number(|row: &Row| row.found.value),
        label("operator", "What the figure should be: `<`, `<=`, `>`, `>=` or `between`.")
            .text(|row: &Row| row.limited.operator),
        number("least", "The least that is allowed; null without such a bound.", Unit::Amount)
            .optional(|row: &Row| row.limited.least),
        number("most", "The most that is allowed; null without such a bound.", Unit::Amount)
            .optional(|row: &Row| row.limited.most),
        number(
            "excess",
            "How far the figure is beyond the bound; 0 at a bound that is not allowed itself.",
            Unit::Amount,
        )
        .number(|row: &Row| row.found.excess),
        text("text", "What to do about it, as the file of limits says; null if it does not.")
            .repeated()
            .optional_text(|row: &Row| row.limited.text.as_deref()),
    ]
}

/// The rows as a batch.
///
/// # Errors
/// [`crate::Error::Runtime`] if the texts exceed 2 GiB.
pub(crate) fn batch_of(rows: &[(Arc<Limited>, Compared)]) -> Result<RecordBatch> {
    let rows: Vec<Row> = rows.iter().map(|(limited, found)| Row { limited, found }).collect();
    filled::batch(&BREACHES, &columns(), &rows)
}

/// The table while it is written: no more than a row group is kept. Where row groups end depends on the rows alone.
pub(crate) struct BreachTable {
    encoder: Encoder,
    file: TableFile,
    rows: Vec<(Arc<Limited>, Compared)>,
    /// Bytes of the texts of these rows, as they will be written.
    text_bytes: usize,
}

/// Bytes of texts after which a row group ends early: names and texts may be long.
const GROUP_TEXT_BYTES: usize = 4 << 20;

impl BreachTable {
    /// Starts the table.
    ///
    /// # Errors
    /// Those of [`create`].
    pub fn create(folder: &Path, format: Format) -> Result<Self> {
        let (encoder, file) = create(folder, &BREACHES, format)?;
        Ok(Self { encoder, file, rows: Vec::new(), text_bytes: 0 })
    }

    /// Adds a breach.
    ///
    /// # Errors
    /// Those of writing.
    pub fn add(&mut self, limited: &Arc<Limited>, found: Compared) -> Result<()> {
        let of = &found.of;
        let texts = [&of.scenario, &of.by, &of.group, &of.account_id, &of.risk_unit, &limited.text];
        self.text_bytes += limited.limit.len() + texts.into_iter().flatten().map(String::len).sum::<usize>();
        self.rows.push((Arc::clone(limited), found));
        if self.rows.len() == GROUP_ROWS || self.text_bytes >= GROUP_TEXT_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.file.append(self.encoder.encode(&batch_of(&self.rows)?)?)?;
        self.rows.clear();
        self.text_bytes = 0;
        Ok(())
    }

    /// Ends the table.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(mut self) -> Result<OutputFile> {
        self.flush()?;
        self.file.finish()
    }
}
