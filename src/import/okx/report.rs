//! The result of an import, as `import.json` and as text.

use super::endpoint::Endpoint;
use super::missing::Missing;
use super::reason::SetAsideReason;
use super::tally::FileCount;
use super::vol::VolCounts;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

/// Counts and gaps of an import.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Valuation time, RFC 3339.
    pub as_of: String,
    /// Tables with their rows.
    pub tables: Vec<(&'static str, u64)>,
    /// Row counts of each file, one entry for each answer in it.
    pub files: Vec<FileCount>,
    /// Files and folders that were not read, and why.
    pub ignored: Vec<(PathBuf, &'static str)>,
    /// Accounts that cannot be margined, and why.
    pub unmarginable: BTreeMap<String, String>,
    /// Sources of the volatilities.
    pub volatility: VolCounts,
    /// Marks and indices by their source.
    pub price_sources: BTreeMap<&'static str, u64>,
    /// Data that the accounts need and the responses lack.
    pub missing: Vec<Missing>,
    /// Listed contracts without a mark and options without a volatility, whether held or not.
    pub unpriced: (u64, u64),
    /// Notes for the user.
    pub notes: Vec<String>,
    /// What is likely wrong with the folder: parts that are missing, holdings and prices of different times.
    pub warnings: Vec<String>,
    /// Whether `rules.toml` was written.
    pub rules: bool,
}

impl Imported {
    /// Rows of all files: total, used, set aside.
    #[must_use]
    pub fn totals(&self) -> (u64, u64, u64) {
        let aside = |file: &FileCount| file.aside.values().sum::<u64>();
        let sum = |of: &dyn Fn(&FileCount) -> u64| self.files.iter().map(of).sum();
        (sum(&|file| file.rows), sum(&|file| file.used), sum(&aside))
    }

    /// Rows set aside, by reason.
    #[must_use]
    pub fn aside(&self) -> BTreeMap<SetAsideReason, u64> {
        let mut sums = BTreeMap::new();
        for (why, rows) in self.files.iter().flat_map(|file| &file.aside) {
            *sums.entry(*why).or_default() += rows;
        }
        sums
    }

    /// True if there is a warning, a file was not read or is of no known endpoint, or a row was set aside for a reason
    /// that a sound folder does not have.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        let is_unknown = |file: &FileCount| matches!(file.endpoint, Endpoint::Unknown | Endpoint::Empty);
        !self.ignored.is_empty()
            || !self.warnings.is_empty()
            || self.files.iter().any(is_unknown)
            || self.aside().keys().any(|why| !why.is_expected())
    }

    /// The content of `import.json`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let files: Vec<Value> = self.files.iter().map(file_json).collect();
        let (rows, used, aside) = self.totals();
        let meanings: BTreeMap<_, _> = self.aside().keys().map(|why| (why.code(), why.meaning())).collect();
        let missing: Vec<Value> = self
            .missing
            .iter()
            .map(|gap| {
                json!({
                    "what": gap.what, "id": gap.id, "accounts": gap.accounts.len(), "needed": gap.needed,
                    "endpoint": gap.advice,
                })
            })
            .collect();
        let ignored: Vec<Value> =
            self.ignored.iter().map(|(path, why)| json!({"path": path.display().to_string(), "why": why})).collect();
        let vol = &self.volatility;
        let tables: Map<_, _> = self.tables.iter().map(|(name, rows)| ((*name).to_owned(), json!(rows))).collect();
        json!({
            "format": "okx", "as_of": self.as_of,
            "rows": { "in": rows, "used": used, "set_aside": aside },
            "tables": tables,
            "rules": if self.rules { json!("rules.toml") } else { Value::Null },
            "volatility": {
                "opt_summary": vol.opt_summary, "implied": vol.implied, "interpolated": vol.interpolated,
                "missing": vol.missing,
            },
            "price_sources": self.price_sources,
            "unmarginable": self.unmarginable,
            "missing": missing,
            "listed_without": { "mark": self.unpriced.0, "volatility": self.unpriced.1 },
            "notes": self.notes,
            "warnings": self.warnings,
            "set_aside_reasons": meanings,
            "files": files,
            "ignored_files": ignored,
        })
    }

    /// A few lines for the terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = self.write(&mut text);
        text.trim_end().to_owned()
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let (rows, used, aside) = self.totals();
        let tables: Vec<String> = self.tables.iter().map(|(name, rows)| format!("{rows} {name}")).collect();
        writeln!(out, "as of {}: {}", self.as_of, tables.join(", "))?;
        let paths: BTreeSet<_> = self.files.iter().map(|file| &file.path).collect();
        writeln!(out, "{rows} rows in {} files: {used} used, {aside} set aside", paths.len())?;
        for (path, why) in &self.ignored {
            writeln!(out, "  not read: {}: {why}", path.display())?;
        }
        for (why, rows) in self.aside() {
            writeln!(out, "  {rows:>8} {}: {}", why.code(), why.meaning())?;
        }
        for file in &self.files {
            if let Some(why) = file.endpoint.refusal() {
                writeln!(out, "  {} ({}): {why}", file.path.display(), file.endpoint.name())?;
            }
            for (row, problem) in &file.malformed {
                writeln!(out, "  {} row {row}: {problem}", file.path.display())?;
            }
        }
        let vol = &self.volatility;
        let without: u64 = vol.missing.values().sum();
        if vol.implied + vol.interpolated + without > 0 {
            writeln!(
                out,
                "volatilities: {} of the exchange, {} implied from marks, {} interpolated, {without} missing",
                vol.opt_summary, vol.implied, vol.interpolated
            )?;
        }
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        for warning in &self.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        for (account, why) in &self.unmarginable {
            writeln!(out, "account `{account}` cannot be margined: {why}")?;
        }
        if !self.missing.is_empty() {
            writeln!(out, "missing data for the margin:")?;
        }
        for gap in &self.missing {
            let weight = if gap.needed { "" } else { " (optional)" };
            let (what, id, accounts) = (gap.what, &gap.id, gap.accounts.len());
            writeln!(out, "  {what} {id}{weight}, {accounts} account(s): {}", gap.advice)?;
        }
        Ok(())
    }
}

fn file_json(file: &FileCount) -> Value {
    let aside: BTreeMap<_, _> = file.aside.iter().map(|(why, rows)| (why.code(), rows)).collect();
    let mut value = json!({
        "path": file.path.display().to_string(), "endpoint": file.endpoint.name(), "rows": file.rows,
        "used": file.used, "set_aside": aside,
    });
    if let Some(object) = value.as_object_mut() {
        if let Some(answer) = file.answer {
            object.insert("answer".to_owned(), json!(answer));
        }
        if let Some(why) = file.endpoint.refusal() {
            object.insert("refused".to_owned(), json!(why));
        }
        if !file.malformed.is_empty() {
            let told = file.malformed.iter().map(|(row, problem)| json!({ "row": row, "problem": problem }));
            object.insert("malformed".to_owned(), told.collect());
        }
    }
    value
}
