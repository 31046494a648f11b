//! Findings as text and JSON.

use super::answer::{Answer, BrokenRow, LeftOut, RejectedFor, TableRows, UnusedColumn};
use super::{Findings, Group};
use crate::snapshot::{Reason, Reject, Unused};
use crate::wording::count;
use crate::{Error, Result};
use serde_json::Value;
use std::fmt::Write;

impl Findings {
    /// For people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{}, as of {}\nhash {}\n\n", self.dir.display(), self.as_of, self.hash);
        text += &self.table_counts();
        let _ = writeln!(
            text,
            "\n{} accounts would be margined, {} excluded; {} unused instruments or indices have no price",
            count(self.accounts as u64),
            count(self.snapshot.unmargined.len() as u64),
            count(self.snapshot.unused_price_gaps),
        );
        for warning in &self.snapshot.warnings {
            let _ = writeln!(text, "\n{}: {}", warning.code, warning.text);
        }
        let Unused { files, columns } = &self.snapshot.unused;
        for file in files {
            let _ = writeln!(text, "  not read: {}", file.display());
        }
        for (table, column) in columns {
            let _ = writeln!(text, "  not read: column `{column}` of {}", table.name());
        }
        for group in self.by_reason() {
            self.write_group(&mut text, &group);
        }
        text
    }

    fn write_group(&self, text: &mut String, group: &Group) {
        let (reason, rows) = (group.reason, count(group.rows as u64));
        let _ = writeln!(text, "\n{}: {rows} row(s), expected: {}", reason.code(), reason.expected());
        for reject in &group.first {
            let account = reject.account_id.as_ref().map(|id| format!(", account `{id}`")).unwrap_or_default();
            let place = self.snapshot.place(reject.table, reject.row);
            let of_column = Some(reject.expected()).filter(|expected| *expected != reason.expected());
            let expected = of_column.map(|expected| format!(", expected: {expected}")).unwrap_or_default();
            let what = match reason {
                // The row itself is sound.
                Reason::AccountUnmargined => format!("left out because of {}", reject.value),
                _ => format!("{} `{}`{expected}", reject.column, reject.value),
            };
            let _ = writeln!(text, "  {place}{account}: {what}");
        }
        if group.rows > group.first.len() {
            let _ = writeln!(text, "  and {} more", count((group.rows - group.first.len()) as u64));
        }
    }

    fn table_counts(&self) -> String {
        let mut text =
            format!("{:<12} {:>14} {:>14} {:>14} {:>14}\n", "table", "rows in", "used", "broken", "excluded");
        for table in &self.snapshot.tables {
            let _ = writeln!(
                text,
                "{:<12} {:>14} {:>14} {:>14} {:>14}",
                table.table.name(),
                count(table.rows_in),
                count(table.rows_used),
                count(table.rows_broken),
                count(table.rows_left_out),
            );
        }
        text
    }

    fn broken_row<'a>(&self, reject: &'a Reject) -> BrokenRow<'a> {
        BrokenRow {
            table: reject.table.name(),
            row: reject.row,
            account_id: reject.account_id.as_deref(),
            place: self.snapshot.place(reject.table, reject.row),
            column: reject.column,
            value: &reject.value,
            expected: reject.expected(),
        }
    }

    /// For programs, as its published schema says.
    ///
    /// # Errors
    /// None that is known: the answer is plain.
    pub fn to_json(&self) -> Result<Value> {
        let rejected = self.by_reason().into_iter().map(|Group { reason, rows, first }| RejectedFor {
            reason: reason.code(),
            rows,
            expected: reason.expected(),
            first: first.into_iter().map(|reject| self.broken_row(reject)).collect(),
        });
        let unmargined = self.snapshot.unmargined.iter().map(|account| LeftOut {
            account_id: &account.account_id,
            reason: account.reason.code(),
            broken_rows: account.broken_rows,
            table: account.table.name(),
            row: account.row,
            column: account.column,
            value: &account.value,
        });
        let Unused { files, columns } = &self.snapshot.unused;
        let answer = Answer {
            snapshot: self.dir.display().to_string(),
            as_of: &self.as_of,
            hash: &self.hash,
            accounts: self.accounts,
            tables: self.snapshot.tables.iter().map(TableRows::of).collect(),
            rejected: rejected.collect(),
            unmargined: unmargined.collect(),
            unused_price_gaps: self.snapshot.unused_price_gaps,
            warnings: &self.snapshot.warnings,
            unused_files: files.iter().map(|file| file.display().to_string()).collect(),
            unused_columns: columns
                .iter()
                .map(|(table, column)| UnusedColumn { table: table.name(), column })
                .collect(),
        };
        serde_json::to_value(&answer).map_err(|err| Error::Runtime(format!("cannot form the answer: {err}")))
    }
}
