//! The table `worst` while it is written, account by account.

use super::stats::shortfall_usd;
use super::tables::{WORST, Worst, whole};
use crate::Result;
use crate::book::IdTable;
use crate::margin::AccountMargin;
use crate::publish::OutputFile;
use crate::source::Format;
use crate::tables::columns::{counts, flags, numbers, optional_numbers, texts};
use crate::tables::encode::{Encoder, GROUP_ROWS, TableFile, create};
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
    let number = |field: fn(&AccountMargin) -> f64| numbers(rows.iter().map(|row| field(&row.margin)));
    WORST.batch(vec![
        texts((0..ids.len()).map(|row| ids.get(row)))?,
        texts(base.iter().map(|margin| margin.status.name()))?,
        optional_numbers(base.iter().map(|margin| margin.margin_ratio)),
        numbers(base.iter().map(|margin| margin.total_eq)),
        texts(rows.iter().map(|row| names.scenarios[row.scenario].as_str()))?,
        texts(rows.iter().map(|row| row.margin.status.name()))?,
        optional_numbers(rows.iter().map(|row| row.margin.margin_ratio)),
        number(|margin| margin.adj_eq),
        number(|margin| margin.total_eq),
        number(|margin| margin.mmr),
        number(|margin| margin.imr),
        number(|margin| margin.liquidation_fee),
        flags(rows.iter().map(|row| row.margin.im_deficit)),
        number(shortfall_usd),
        number(|margin| margin.mmr_no_hedge - margin.mmr),
        counts(rows.iter().map(|row| whole(row.liquidations))),
    ])
}
