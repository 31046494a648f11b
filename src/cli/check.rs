//! `remargin check`: loads and validates a snapshot, and lists the rejected rows with their reasons.

use super::common::{MemoryArgs, RulesArgs, StrictArgs, TextFormat};
use super::exit;
use super::terminal::{self, Terminal, grouped};
use clap::Args;
use remargin::engine::{CHUNK_ACCOUNTS, Memory, OpenBook};
use remargin::memory::Need;
use remargin::snapshot::stream::{Currencies, Cut};
use remargin::snapshot::{self, LoadOptions, Reason, Reject, Snapshot, TableCount, Unused, Warning};
use remargin::totals::footprint::bear;
use remargin::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const AFTER_HELP: &str = "\
Examples:
  remargin check data/sample
  remargin check data/sample --format json | jq .rejected

Exit code 0: a run would use every row (or --max-rejects allows the rest); 3: a table is broken;
4: more broken rows than allowed.";

/// Number of rows shown for each reason.
const SHOWN: usize = 5;

/// Validates a snapshot: which rows would be rejected, and why
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct CheckArgs {
    /// Folder with `snapshot.toml` and one file per table
    snapshot: PathBuf,
    /// Format of the result on stdout
    #[arg(long, default_value = "text")]
    format: TextFormat,
    #[command(flatten)]
    pub memory: MemoryArgs,
    #[command(flatten)]
    rules: RulesArgs,
    #[command(flatten)]
    strict: StrictArgs,
}

impl CheckArgs {
    /// True if the result is JSON on stdout.
    pub fn answers_json(&self) -> bool {
        self.format == TextFormat::Json
    }

    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        let loaded = self.rules.load_for(&self.snapshot, terminal)?;
        let mut expectations = self.strict.date.known.expectations();
        expectations.read_before.extend(loaded.file.clone());
        let options = LoadOptions {
            default_spot_offset: loaded.rules.default_spot_offset,
            expectations: &expectations,
            progress: terminal,
        };
        let memory = Memory::new(self.memory.limit(), Need::BOOK, None);
        let mut book = OpenBook::open(&self.snapshot, Currencies::Named, memory, &options)?;
        bear(&mut book, Need::BOOK, 0, "")?;
        let start = || Ok(((), 0));
        let (accounts, snapshot) = book.pass(
            Cut::Known(CHUNK_ACCOUNTS),
            start,
            |(), piece| Ok(piece.book.len()),
            |accounts, more| {
                *accounts += more;
                Ok(())
            },
        )?;
        terminal.finish();
        if !self.strict.date.allow_rules_date {
            loaded.check_date(snapshot.as_of_ns)?;
        }
        let findings = Findings::of(&self.snapshot, &snapshot, accounts)?;
        terminal::print(&match self.format {
            TextFormat::Text => findings.to_text(),
            TextFormat::Json => findings.to_json()?,
        })?;
        if snapshot.has_too_many_rejects(self.strict.max_rejects) {
            return Ok(exit::TOO_MANY_REJECTS);
        }
        Ok(exit::DONE)
    }
}

/// The findings of a check, independent of the output format.
struct Findings<'a> {
    dir: &'a Path,
    as_of: String,
    hash: String,
    snapshot: &'a Snapshot,
    /// Accounts that would be margined.
    accounts: usize,
    /// Rejected rows by reason, most frequent first: their number and the first few.
    by_reason: Vec<(Reason, usize, Vec<&'a Reject>)>,
}

impl<'a> Findings<'a> {
    fn of(dir: &'a Path, snapshot: &'a Snapshot, accounts: usize) -> Result<Self> {
        let as_of = jiff::Timestamp::from_nanosecond(i128::from(snapshot.as_of_ns))
            .map_err(|error| Error::Runtime(format!("cannot show `as_of`: {error}")))?
            .to_string();
        let mut groups: BTreeMap<&str, (Reason, usize, Vec<&Reject>)> = BTreeMap::new();
        for reject in &snapshot.rejects {
            let group = groups.entry(reject.reason.code()).or_insert((reject.reason, 0, Vec::new()));
            group.1 += 1;
            if group.2.len() < SHOWN {
                group.2.push(reject);
            }
        }
        let mut by_reason: Vec<_> = groups.into_values().collect();
        // Stable sort: equal counts stay in order of their code. Rows rejected only because of their account come last.
        by_reason.sort_by_key(|group| (group.0.code() == Reason::AccountUnmargined.code(), std::cmp::Reverse(group.1)));
        Ok(Self { dir, as_of, hash: snapshot::snapshot_hash(&snapshot.inputs), snapshot, accounts, by_reason })
    }

    fn to_text(&self) -> String {
        let mut text = format!("{}, as of {}\nhash {}\n\n", self.dir.display(), self.as_of, self.hash);
        text += &self.table_counts();
        let _ = writeln!(
            text,
            "\n{} accounts would be margined, {} excluded; {} unused instruments or indices have no price",
            grouped(self.accounts as u64),
            grouped(self.snapshot.unmargined.len() as u64),
            grouped(self.snapshot.unused_price_gaps),
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
        for (reason, count, first) in &self.by_reason {
            let (code, rows) = (reason.code(), grouped(*count as u64));
            let _ = writeln!(text, "\n{code}: {rows} row(s), expected: {}", reason.expected());
            for reject in first {
                let account = reject.account_id.as_ref().map(|id| format!(", account `{id}`")).unwrap_or_default();
                let place = self.snapshot.place(reject.table, reject.row);
                let of_column = Some(reject.expected()).filter(|expected| *expected != reason.expected());
                let expected = of_column.map(|expected| format!(", expected: {expected}")).unwrap_or_default();
                let _ = writeln!(text, "  {place}{account}: {} `{}`{expected}", reject.column, reject.value);
            }
            if *count > first.len() {
                let _ = writeln!(text, "  and {} more", grouped((count - first.len()) as u64));
            }
        }
        text
    }

    fn table_counts(&self) -> String {
        let mut text =
            format!("{:<12} {:>14} {:>14} {:>14} {:>14}\n", "table", "rows in", "used", "broken", "excluded");
        for count in &self.snapshot.tables {
            let _ = writeln!(
                text,
                "{:<12} {:>14} {:>14} {:>14} {:>14}",
                count.table.name(),
                grouped(count.rows_in),
                grouped(count.rows_used),
                grouped(count.rows_broken),
                grouped(count.rows_left_out),
            );
        }
        text
    }

    fn to_json(&self) -> Result<String> {
        let row = |reject: &'a Reject| BrokenRow {
            table: reject.table.name(),
            row: reject.row,
            account_id: reject.account_id.as_deref(),
            place: self.snapshot.place(reject.table, reject.row),
            column: reject.column,
            value: &reject.value,
            expected: reject.expected(),
        };
        let rejected = self.by_reason.iter().map(|(reason, rows, first)| RejectedFor {
            reason: reason.code(),
            rows: *rows,
            expected: reason.expected(),
            first: first.iter().map(|reject| row(reject)).collect(),
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
        let text = serde_json::to_string_pretty(&answer);
        text.map(|text| text + "\n").map_err(|error| Error::Runtime(format!("cannot form the answer: {error}")))
    }
}

/// What a snapshot is worth: the answer of `check --format json`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Answer<'a> {
    /// The folder, as it was given.
    snapshot: String,
    /// Valuation time, RFC 3339 in UTC.
    as_of: &'a str,
    /// Hash of the whole snapshot, for `--expect-hash`.
    hash: &'a str,
    /// Accounts that would be margined.
    accounts: usize,
    /// Rows of each input table.
    tables: Vec<TableRows>,
    /// Rows set aside, by reason, most frequent first.
    rejected: Vec<RejectedFor<'a>>,
    /// Accounts that would be left out, in byte order of their ids.
    unmargined: Vec<LeftOut<'a>>,
    /// Missing prices that no account needs.
    unused_price_gaps: u64,
    /// What is odd and not wrong.
    #[cfg_attr(test, schemars(with = "Vec<tests::WarningShape>"))]
    warnings: &'a [Warning],
    /// Files in the folder that nothing reads.
    unused_files: Vec<String>,
    /// Columns that nothing reads.
    unused_columns: Vec<UnusedColumn<'a>>,
}

/// Rows of an input table: `rows_in = rows_used + rows_rejected`, `rows_rejected = rows_broken + rows_left_out`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TableRows {
    /// Its name.
    table: &'static str,
    /// Rows read.
    rows_in: u64,
    /// Rows that count.
    rows_used: u64,
    /// Rows set aside.
    rows_rejected: u64,
    /// Of these, rows with a fault of their own.
    rows_broken: u64,
    /// Of these, sound rows of an account that is left out.
    rows_left_out: u64,
}

impl TableRows {
    fn of(count: &TableCount) -> Self {
        Self {
            table: count.table.name(),
            rows_in: count.rows_in,
            rows_used: count.rows_used,
            rows_rejected: count.rows_rejected,
            rows_broken: count.rows_broken,
            rows_left_out: count.rows_left_out,
        }
    }
}

/// Rows with one reason.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RejectedFor<'a> {
    /// Its code.
    reason: &'static str,
    /// How many.
    rows: usize,
    /// What was expected.
    expected: &'static str,
    /// The first of them.
    first: Vec<BrokenRow<'a>>,
}

/// A row that was set aside.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct BrokenRow<'a> {
    /// The table.
    table: &'static str,
    /// Number of the row, from 1, over all parts of the table.
    row: u64,
    /// The account, where the row names one.
    account_id: Option<&'a str>,
    /// File and line or row, for people.
    place: String,
    /// The column at fault.
    column: &'static str,
    /// What stands there.
    value: &'a str,
    /// What was expected there.
    expected: &'static str,
}

/// An account that would be left out.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LeftOut<'a> {
    /// Its id.
    account_id: &'a str,
    /// Reason code of its first broken row.
    reason: &'static str,
    /// Number of its broken rows.
    broken_rows: u64,
    /// Table of the first row that is broken for this reason.
    table: &'static str,
    /// Number of that row.
    row: u64,
    /// The column at fault.
    column: &'static str,
    /// What stands there.
    value: &'a str,
}

/// A column that nothing reads.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct UnusedColumn<'a> {
    /// The table.
    table: &'static str,
    /// Its name.
    column: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use remargin::schema::DOCUMENTS;
    use schemars::generate::SchemaSettings;

    /// Something odd about a snapshot: `remargin::snapshot::Warning`, as it is serialised.
    #[derive(schemars::JsonSchema)]
    #[schemars(rename = "Warning")]
    #[allow(dead_code)]
    pub struct WarningShape {
        /// What kind: a stable code.
        code: String,
        /// How many there are of that kind.
        count: u64,
        /// What it is, with the first few of them.
        text: String,
    }

    /// `REMARGIN_BLESS=1` writes the published schema anew.
    #[test]
    fn the_published_schema_is_that_of_the_answer() {
        let document = DOCUMENTS.into_iter().find(|document| document.name == "check").unwrap();
        let settings = SchemaSettings::draft2020_12().for_serialize();
        let mut schema = settings.into_generator().into_root_schema_for::<Answer>();
        schema.insert("$id".to_owned(), format!("urn:remargin:check:{}", document.version).into());
        let expected = format!("{:#}\n", schema.to_value());
        let file = format!("{}/data/schemas/check.v{}.json", env!("CARGO_MANIFEST_DIR"), document.version);
        if std::env::var_os("REMARGIN_BLESS").is_some() {
            return std::fs::write(file, expected).unwrap();
        }
        let found = std::fs::read_to_string(file).unwrap();
        assert!(found == expected, "the schema of `check` is stale: REMARGIN_BLESS=1 writes it anew");
    }
}
