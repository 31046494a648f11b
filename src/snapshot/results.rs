//! The tables of a finished run, read back: only some columns, only some rows.

use super::schema::{Column, Kind};
use super::{Opened, scan, source};
use crate::progress::Progress;
use crate::{Invalid, Result};
use std::path::Path;

/// One row: the columns that were asked for, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultRow {
    /// Names; empty where there is none.
    pub names: Vec<String>,
    /// Figures; `None` where there is none.
    pub figures: Vec<Option<f64>>,
}

/// Reads columns of a table of the run in `dir`, of the rows whose names `keep` wants.
///
/// # Errors
/// [`crate::Error::Invalid`] if `dir` is no finished run, or its table is broken; [`crate::Error::Interrupted`].
pub fn read_result(
    dir: &Path,
    table: &str,
    names: &[&'static str],
    figures: &[&'static str],
    keep: impl Fn(&[String]) -> bool + Sync,
    progress: &dyn Progress,
) -> Result<Vec<ResultRow>> {
    let no_run = || {
        Invalid::new("not the folder of a finished run")
            .file(dir)
            .expected(format!("`manifest.json` and the table `{table}`, as `remargin run` writes them"))
    };
    if !dir.join("manifest.json").is_file() {
        return Err(no_run().into());
    }
    let found = source::find(dir, table)?.ok_or_else(no_run)?;
    let column = |kind| move |name: &&'static str| Column { name, kind, required: true };
    let columns: Vec<Column> =
        names.iter().map(column(Kind::Id)).chain(figures.iter().map(column(Kind::Number))).collect();
    let mut rows = Vec::new();
    let read = |local: &mut Vec<ResultRow>, batch: &super::batch::Batch| {
        let name_columns = names.iter().map(|name| batch.text(name)).collect::<Result<Vec<_>>>()?;
        let figure_columns = figures.iter().map(|name| batch.numbers(name)).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.rows {
            let names: Vec<String> =
                name_columns.iter().map(|column| column.get(row).unwrap_or_default().to_owned()).collect();
            if !keep(&names) {
                continue;
            }
            // A result may be smaller than any input may be.
            let figure = |column: &super::number::Numbers| match column.get(row) {
                Ok(figure) => figure,
                Err(_) => column.raw(row).parse().ok(),
            };
            local.push(ResultRow { names, figures: figure_columns.iter().map(figure).collect() });
        }
        Ok(())
    };
    scan(Opened::new(&found, &columns)?, progress, read, |local| {
        rows.extend(local);
        Ok(())
    })?;
    Ok(rows)
}
