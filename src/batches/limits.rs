//! Limits over tables in memory: of a part of a book those on single accounts, then those on what is summed up.

use super::{Rows, plain, table};
use crate::limits::{Command, Limits, Sums};
use crate::progress::Progress;
use crate::tables::breaches::BREACHES;
use crate::tables::columns::{ACCOUNTS, RISK_UNITS};
use crate::tables::stress::columns::WORST;
use crate::totals::limit_summary::LimitSummary;
use crate::{Error, Result};

/// Limits for a run, or for a stress that writes every account in every scenario.
#[derive(Debug, Clone)]
pub struct LimitsOf {
    limits: Limits,
    command: Command,
}

/// Figures beside their limits.
#[derive(Debug, Clone)]
pub struct Limited {
    /// Rows of the table `breaches`, limits in their order.
    pub breaches: Rows,
    /// What was found of each limit. One on a table that is not there has been compared with nothing.
    pub each: Vec<LimitSummary>,
}

impl LimitsOf {
    /// # Errors
    /// [`Error::Usage`] for a figure that the command does not have.
    pub fn new(limits: Limits, command: Command) -> Result<Self> {
        limits.check_for(command, |_| true)?;
        Ok(Self { limits, command })
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// True if some limit is about a figure that no account has by itself: then all accounts are to be summed up, see
    /// [`super::InOrder`].
    #[must_use]
    pub fn need_all_accounts(&self) -> bool {
        self.limits.need_all_accounts(self.command)
    }

    /// Compares figures of single accounts: of the tables `accounts`, `risk_units` and `worst`.
    ///
    /// # Errors
    /// [`Error::Usage`] for another table; those of reading them.
    pub fn of_accounts(&self, tables: &[(&str, Rows)], progress: &dyn Progress) -> Result<Limited> {
        let of_accounts = [ACCOUNTS.name, RISK_UNITS.name, WORST.name];
        let named = tables.iter().map(|(name, rows)| {
            let known = of_accounts.into_iter().find(|known| known == name);
            known.map(|known| (known, rows)).ok_or_else(|| Error::Usage(format!("`{name}` is no table of accounts")))
        });
        self.compare(&named.collect::<Result<Vec<_>>>()?, &Sums::default(), progress)
    }

    /// What is to be added up over all accounts.
    pub(super) fn sums(&self) -> Result<Sums> {
        self.limits.sums(self.command)
    }

    pub(super) fn compare(
        &self,
        tables: &[(&'static str, &Rows)],
        sums: &Sums,
        progress: &dyn Progress,
    ) -> Result<Limited> {
        let found = self.limits.in_tables(self.command, tables, sums, progress)?;
        let breaches = found.breaches.iter().map(plain).collect::<Result<Vec<_>>>()?;
        Ok(Limited { breaches: table(&BREACHES, breaches)?, each: found.each })
    }
}
