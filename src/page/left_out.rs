//! The accounts that were left out, as the page lists them, each with the row to blame.

use super::words::{LISTED, LONGEST_ID, cut};
use crate::Result;
use crate::progress::Progress;
use crate::results::{ResultRow, read_table};
use crate::snapshot::Unmargined;
use crate::totals::Summary;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// An account that was left out.
#[derive(Debug, Serialize)]
pub(crate) struct LeftOut {
    /// Its whole id.
    #[serde(skip)]
    pub id: String,
    pub account_id: String,
    pub reason: String,
    pub broken_rows: u64,
    pub blame: Option<Blame>,
}

/// The first row of an account that is broken for the reason that it is left out for. It stands here and in `rejects`,
/// and not in `summary.json`, which does not depend on the order of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Blame {
    pub table: String,
    pub row: u64,
    pub column: String,
    pub value: String,
}

impl Blame {
    fn new(table: &str, row: u64, column: &str, value: &str) -> Self {
        Self { table: table.to_owned(), row, column: column.to_owned(), value: value.to_owned() }
    }

    /// As the page shows it.
    pub(super) fn shown(&self) -> Self {
        Self { value: cut(&self.value, LONGEST_ID), ..self.clone() }
    }

    /// Of a run that is being written.
    pub(crate) fn of_run(unmargined: &[Unmargined]) -> BTreeMap<String, Self> {
        let blame = |of: &Unmargined| Self::new(of.table.name(), of.row, of.column, &of.value);
        unmargined.iter().take(LISTED).map(|of| (of.account_id.clone(), blame(of))).collect()
    }

    /// Of a finished run, whose `rejects` are in order of table and row.
    pub(crate) fn read(folder: &Path, summary: &Summary, progress: &dyn Progress) -> Result<BTreeMap<String, Self>> {
        let listed = summary.unmargined.iter().take(LISTED);
        let reasons: BTreeMap<&str, &str> =
            listed.map(|account| (account.account_id.as_str(), account.reason.as_str())).collect();
        if reasons.is_empty() {
            return Ok(BTreeMap::new());
        }
        let is_to_blame = |names: &[&str]| match names {
            [account, reason, ..] => reasons.get(account) == Some(reason),
            _ => false,
        };
        let names = ["account_id", "reason", "table", "column", "value"];
        let rows = read_table(folder, "rejects", &names, &["row"], is_to_blame, progress)?.unwrap_or_default();
        let mut found = BTreeMap::new();
        for ResultRow { names, figures } in rows {
            let ([account, _, table, column, value], [row]) = (names.as_slice(), figures.as_slice()) else { continue };
            let row = row.unwrap_or(0.0) as u64;
            found.entry(account.clone()).or_insert_with(|| Self::new(table, row, column, value));
        }
        Ok(found)
    }
}
