//! The reports of a stress: what became of the book in each scenario.
//!
//! `scenarios` has one row a scenario, `migration` one for each status before and after, `largest` the accounts that
//! weigh most, `hedges` what became of spot in use, `worst` one row an account. All money is USD.

use super::columns::{self, DISTRIBUTION, HEDGES, LARGEST, MIGRATION, SCENARIOS, TAIL, seen};
use super::distribution::{self, BookDistribution};
use super::rows::{HedgeRow, LargestRow, MigrationRow, ScenarioRow};
use super::stats::{Largest, ScenarioStats, place};
use crate::Result;
use crate::book::Book;
use crate::margin::Status;
use crate::market::scenario::Scenario;
use crate::publish::OutputFile;
use crate::source::Format;
use crate::tables::columns::TableSpec;
use crate::tables::encode::{Encoder, GROUP_ROWS, TableFile, create, write_table};
use crate::tables::filled;
use crate::totals::at_risk::Names;
use crate::totals::summary::AccountCounts;
use arrow_array::RecordBatch;
use std::path::Path;

type ToBatch<'a, R> = Box<dyn Fn(&[R]) -> Result<RecordBatch> + 'a>;

/// A table that is written while its rows come in, without keeping more than a row group of them.
struct Stream<'a, R> {
    encoder: Encoder,
    file: TableFile,
    rows: Vec<R>,
    batch: ToBatch<'a, R>,
}

impl<'a, R> Stream<'a, R> {
    fn create(
        folder: &Path,
        spec: &TableSpec,
        format: Format,
        batch: impl Fn(&[R]) -> Result<RecordBatch> + 'a,
    ) -> Result<Self> {
        let (encoder, file) = create(folder, spec, format)?;
        Ok(Self { encoder, file, rows: Vec::new(), batch: Box::new(batch) })
    }

    fn extend(&mut self, rows: impl IntoIterator<Item = R>) -> Result<()> {
        for row in rows {
            self.rows.push(row);
            if self.rows.len() == GROUP_ROWS {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.file.append(self.encoder.encode(&(self.batch)(&self.rows)?)?)?;
        self.rows.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<OutputFile> {
        self.flush()?;
        self.file.finish()
    }
}

/// The tables of a stress while they are written, scenario by scenario.
pub struct StressTables<'a> {
    scenarios: Stream<'a, ScenarioRow>,
    migration: Stream<'a, MigrationRow>,
    largest: Stream<'a, LargestRow>,
    hedges: Stream<'a, HedgeRow>,
    /// Total equity in the base case.
    base_total_eq: f64,
}

impl<'a> StressTables<'a> {
    /// Starts the tables in a folder.
    ///
    /// # Errors
    /// Those of [`create`].
    pub(crate) fn create(folder: &Path, format: Format, book: &'a Book, names: Names<'a>) -> Result<Self> {
        Ok(Self {
            scenarios: Stream::create(folder, &SCENARIOS, format, move |rows| {
                filled::batch(&SCENARIOS, &columns::scenarios(), &seen(rows, book, names))
            })?,
            migration: Stream::create(folder, &MIGRATION, format, move |rows| {
                filled::batch(&MIGRATION, &columns::migration(), &seen(rows, book, names))
            })?,
            largest: Stream::create(folder, &LARGEST, format, move |rows| {
                filled::batch(&LARGEST, &columns::largest(), &seen(rows, book, names))
            })?,
            hedges: Stream::create(folder, &HEDGES, format, move |rows| {
                filled::batch(&HEDGES, &columns::hedges(), &seen(rows, book, names))
            })?,
            base_total_eq: 0.0,
        })
    }

    /// Adds a scenario, in order of their numbers; `count` accounts are at risk in it.
    ///
    /// # Errors
    /// Those of writing.
    pub fn add(
        &mut self,
        number: usize,
        scenario: &Scenario,
        stats: &ScenarioStats,
        count: u64,
    ) -> Result<ScenarioRow> {
        if number == 0 {
            self.base_total_eq = stats.tally.totals().total_eq;
        }
        let row = scenario_row(number, scenario, stats, count, self.base_total_eq);
        self.scenarios.extend([row.clone()])?;
        for (from, to) in Status::ALL.into_iter().flat_map(|from| Status::ALL.map(|to| (from, to))) {
            let accounts = stats.migration[place(from)][place(to)];
            if accounts > 0 {
                self.migration.extend([MigrationRow { scenario: number, from, to, accounts }])?;
            }
        }
        let lists =
            [("shortfall", &stats.largest_shortfall, row.shortfall), ("mmr", &stats.largest_mmr, row.totals.mmr)];
        for (by, Largest(accounts), total) in lists {
            let ranked = accounts.iter().enumerate();
            self.largest.extend(ranked.map(|(rank, &(amount, account))| LargestRow {
                scenario: number,
                by,
                rank: rank + 1,
                account,
                amount,
                total,
            }))?;
        }
        let hedged = stats.hedges.iter().enumerate().filter(|(_, stats)| stats.hedged != [0, 0]);
        self.hedges.extend(hedged.map(|(unit, &stats)| HedgeRow { scenario: number, unit, stats }))?;
        Ok(row)
    }

    /// Finishes all tables; `worst` is finished already.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(self, worst: Option<OutputFile>) -> Result<Vec<OutputFile>> {
        let mut files =
            vec![self.scenarios.finish()?, self.migration.finish()?, self.largest.finish()?, self.hedges.finish()?];
        files.extend(worst);
        Ok(files)
    }
}

/// The row of a scenario in which `count` accounts are at risk.
pub(super) fn scenario_row(
    number: usize,
    scenario: &Scenario,
    stats: &ScenarioStats,
    count: u64,
    base_total_eq: f64,
) -> ScenarioRow {
    let totals = stats.tally.totals();
    ScenarioRow {
        scenario: number,
        days: scenario.days,
        accounts: AccountCounts { at_risk: count, ..stats.tally.counts() },
        newly_liquidation: stats.newly_in_liquidation(),
        newly_im_deficit: stats.newly_im_deficit,
        totals,
        shortfall: stats.shortfall.value(),
        shortfall_accounts: stats.shortfall_accounts,
        largest_ten_shortfall: stats.largest_shortfall.sum(),
        largest_ten_mmr: stats.largest_mmr.sum(),
        weight: distribution::weight(number, scenario),
        equity_loss: base_total_eq - totals.total_eq,
    }
}

/// Writes `distribution` and `tail`.
///
/// # Errors
/// Those of writing.
pub(super) fn write_distribution(
    folder: &Path,
    format: Format,
    found: &BookDistribution,
    book: &Book,
    names: Names,
) -> Result<[OutputFile; 2]> {
    let BookDistribution { figures, tail, .. } = found;
    let figures = write_table(folder, &DISTRIBUTION, format, figures.len(), |rows| {
        filled::batch(&DISTRIBUTION, &columns::distribution(), figures.get(rows).unwrap_or_default())
    })?;
    let tail = write_table(folder, &TAIL, format, tail.len(), |rows| {
        filled::batch(&TAIL, &columns::tail(), &seen(tail.get(rows).unwrap_or_default(), book, names))
    })?;
    Ok([figures, tail])
}
