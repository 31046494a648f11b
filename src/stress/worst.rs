//! The table `worst` while it is written, account by account.

use super::columns::{self, WORST, WorstRow};
use super::rows::Worst;
use crate::Result;
use crate::book::IdTable;
use crate::margin::AccountMargin;
use crate::publish::OutputFile;
use crate::source::Format;
use crate::tables::encode::{Encoder, GROUP_ROWS, TableFile, create};
use crate::tables::filled;
use crate::totals::at_risk::Names;
use std::path::Path;

/// The table, of which no more than a row group is kept.
pub struct WorstTable<'a> {
    names: Names<'a>,
    encoder: Encoder,
    file: TableFile,
    ids: IdTable,
    base: Vec<AccountMargin>,
    worst: Vec<Worst>,
    liquidation_probability: Vec<Option<f64>>,
}

impl<'a> WorstTable<'a> {
    /// Starts the table.
    ///
    /// # Errors
    /// Those of [`create`].
    pub(crate) fn create(folder: &Path, format: Format, names: Names<'a>) -> Result<Self> {
        let (encoder, file) = create(folder, &WORST, format)?;
        let (base, worst, liquidation_probability) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { names, encoder, file, ids: IdTable::default(), base, worst, liquidation_probability })
    }

    /// Adds an account, in order.
    ///
    /// # Errors
    /// Those of writing.
    pub fn add(&mut self, id: &str, base: AccountMargin, worst: Worst, probability: Option<f64>) -> Result<()> {
        self.ids.push(id);
        self.base.push(base);
        self.worst.push(worst);
        self.liquidation_probability.push(probability);
        if self.worst.len() == GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let Self { ids, base, worst, liquidation_probability, names, .. } = &*self;
        let row = |(place, ((base, worst), &liquidation_probability))| WorstRow {
            account_id: ids.get(place),
            base,
            worst,
            liquidation_probability,
            names: *names,
        };
        let rows = base.iter().zip(worst).zip(liquidation_probability).enumerate().map(row);
        let batch = filled::batch(&WORST, &columns::worst(), &rows.collect::<Vec<_>>())?;
        self.file.append(self.encoder.encode(&batch)?)?;
        self.ids = IdTable::default();
        self.base.clear();
        self.worst.clear();
        self.liquidation_probability.clear();
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
