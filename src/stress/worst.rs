//! The table `worst` while it is written, account by account.

use super::columns::{self, WORST, WorstRow};
use super::tables::Worst;
use crate::Result;
use crate::book::IdTable;
use crate::margin::AccountMargin;
use crate::publish::OutputFile;
use crate::source::Format;
use crate::tables::encode::{Encoder, GROUP_ROWS, TableFile, create};
use crate::tables::filled;
use crate::totals::at_risk::Names;
use arrow::array::RecordBatch;
use std::path::Path;

/// The table, of which no more than a row group is kept.
pub struct WorstTable<'a> {
    names: Names<'a>,
    encoder: Encoder,
    file: TableFile,
    ids: IdTable,
    base: Vec<AccountMargin>,
    worst: Vec<Worst>,
}

impl<'a> WorstTable<'a> {
    /// Starts the table.
    ///
    /// # Errors
    /// Those of [`create`].
    pub(crate) fn create(folder: &Path, format: Format, names: Names<'a>) -> Result<Self> {
        let (encoder, file) = create(folder, &WORST, format)?;
        Ok(Self { names, encoder, file, ids: IdTable::default(), base: Vec::new(), worst: Vec::new() })
    }

    /// Adds an account, in order.
    ///
    /// # Errors
    /// Those of writing.
    pub fn add(&mut self, id: &str, base: AccountMargin, worst: Worst) -> Result<()> {
        self.ids.push(id);
        self.base.push(base);
        self.worst.push(worst);
        if self.worst.len() == GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let batch = worst_batch(&self.ids, &self.base, &self.worst, self.names)?;
        self.file.append(self.encoder.encode(&batch)?)?;
        self.ids = IdTable::default();
        self.base.clear();
        self.worst.clear();
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

fn worst_batch(ids: &IdTable, base: &[AccountMargin], rows: &[Worst], names: Names) -> Result<RecordBatch> {
    let row = |(place, (base, worst))| WorstRow { account_id: ids.get(place), base, worst, names };
    filled::batch(&WORST, &columns::worst(), &base.iter().zip(rows).enumerate().map(row).collect::<Vec<_>>())
}
