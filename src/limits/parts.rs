//! Limits over a book that is margined in parts: the tables are in memory, and what is about all accounts comes last.

use super::check::summed;
use super::figures::{Command, Source};
use super::file::Limits;
use super::filter::OneLimit;
use super::rounds::Rounds;
use super::scan::Tables;
use super::sums::Sums;
use crate::Result;
use crate::formats::memory::Rows;
use crate::progress::Progress;
use crate::tables::breaches;
use crate::totals::limit_summary::LimitSummary;
use arrow_array::RecordBatch;

/// What was found in some tables.
pub(crate) struct InTables {
    /// Rows of the table `breaches`, limits in order.
    pub breaches: Vec<RecordBatch>,
    /// Of each limit; one on a table that is not among them has seen nothing.
    pub each: Vec<LimitSummary>,
}

impl Limits {
    /// What these limits need to be added up over all accounts.
    ///
    /// # Errors
    /// [`crate::Error::Runtime`] for a figure that the command does not have.
    pub(crate) fn sums(&self, command: Command) -> Result<Sums> {
        Sums::of(&self.of_command(command)?)
    }

    /// True if some limit is about a figure that no account has by itself.
    #[must_use]
    pub fn need_all_accounts(&self, command: Command) -> bool {
        let of_one = ["account", "account_unit", "worst"];
        self.all().iter().any(|limit| {
            let source = limit.rule.figure.source(command);
            !of_one.contains(&limit.rule.scope.name()) || matches!(source, Some(Source::Distribution(..)))
        })
    }

    /// Compares figures of tables, and of `sums`.
    ///
    /// # Errors
    /// Those of reading the tables; [`crate::Error::Runtime`] for a sum that is not finite.
    pub(crate) fn in_tables(
        &self,
        command: Command,
        tables: &[(&'static str, &Rows)],
        sums: &Sums,
        progress: &dyn Progress,
    ) -> Result<InTables> {
        let each = self.of_command(command)?;
        let mut batches = Vec::new();
        let mut rows = Vec::new();
        let rounds = Rounds::new(&each, Tables::Memory(tables), sums, progress);
        let seen = rounds.run(&mut |limit, found| {
            rows.push((std::sync::Arc::clone(&limit.limited), found));
            if rows.len() == ROWS {
                batches.push(breaches::batch_of(&std::mem::take(&mut rows))?);
            }
            Ok(())
        })?;
        batches.push(breaches::batch_of(&rows)?);
        let each = self.all().iter().zip(seen).map(|(limit, seen)| summed(limit, seen, Vec::new())).collect();
        Ok(InTables { breaches: batches, each })
    }

    fn of_command(&self, command: Command) -> Result<Vec<OneLimit<'_>>> {
        self.all().iter().map(|limit| OneLimit::new(limit, command)).collect()
    }
}

/// Rows of a batch.
const ROWS: usize = 1 << 14;
