//! Where the figures are: tables in a folder, or tables in memory.

use crate::Result;
use crate::formats::memory::{Rows, Slices};
use crate::formats::scan::{Opened, scan};
use crate::formats::{Column, Kind};
use crate::progress::Progress;
use crate::results::{ResultColumns, scan_columns};
use std::path::Path;

/// Tables by their names.
#[derive(Clone, Copy)]
pub(super) enum Tables<'a> {
    /// As they are written.
    Folder(&'a Path),
    /// As they are handed over.
    Memory(&'a [(&'static str, &'a Rows)]),
}

impl Tables<'_> {
    /// Reads columns of a table on many threads, without flags; false if there is no such table. `fold` gets the names
    /// and figures of each row, `merge` what it made of consecutive rows, in order.
    ///
    /// # Errors
    /// Those of reading, and of `merge`.
    pub fn scan<T: Default + Send + 'static>(
        self,
        table: &str,
        names: &[&'static str],
        figures: &[&'static str],
        fold: impl Fn(&mut T, &[&str], &[Option<f64>]) + Sync,
        merge: impl FnMut(T) -> Result<()>,
        progress: &dyn Progress,
    ) -> Result<bool> {
        match self {
            Self::Folder(folder) => {
                scan_columns(folder, table, ResultColumns { names, flags: &[], figures }, fold, merge, progress)
            }
            Self::Memory(tables) => {
                let Some((_, rows)) = tables.iter().find(|(name, _)| *name == table) else { return Ok(false) };
                let column = |kind| move |name: &&'static str| Column::new(name, kind);
                let columns = names.iter().map(column(Kind::Id)).chain(figures.iter().map(column(Kind::Number)));
                let slices = Slices::new(table, rows, &columns.collect::<Vec<_>>())?;
                let read = |local: &mut T, batch: &crate::formats::batch::Batch| {
                    let texts = names.iter().map(|name| batch.text(name)).collect::<Result<Vec<_>>>()?;
                    let numbers = figures.iter().map(|name| batch.numbers(name)).collect::<Result<Vec<_>>>()?;
                    for row in 0..batch.rows {
                        let names: Vec<&str> = texts.iter().map(|column| column.get(row).unwrap_or_default()).collect();
                        let figures: Vec<Option<f64>> = numbers.iter().map(|column| column.figure(row)).collect();
                        fold(local, &names, &figures);
                    }
                    Ok(())
                };
                scan(Opened::Memory(slices), progress, read, merge)?;
                Ok(true)
            }
        }
    }
}
