//! What requests have in common: which snapshot, where results go, whose distances are searched.
//!
//! Requests are made by their constructors and changed by `with_...` or by their fields, so that a request that
//! compiles today compiles when there is more to ask for.

use crate::memory::MemoryLimit;
use crate::rules::LoadedRules;
use crate::snapshot::{Expectations, MaxRejects};
use crate::source::Format;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Characters of a label.
const LONGEST_LABEL: usize = 200;

/// True for a character that turns the direction of the text after it, so that a text reads as another.
#[must_use]
pub fn turns_text(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What a user calls a run: one line of text, without blanks around it.
///
/// # Errors
/// [`Error::Usage`] if it is empty or too long, or has a character that is not shown.
pub fn label(text: &str) -> Result<String> {
    let label = text.trim();
    let is_hidden = |character: char| character.is_control() || turns_text(character);
    if label.is_empty() || label.chars().count() > LONGEST_LABEL || label.contains(is_hidden) {
        return Err(Error::Usage(format!("expected a label of one line of 1 to {LONGEST_LABEL} characters")));
    }
    Ok(label.to_owned())
}

/// Whose distances a report holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DistanceScope {
    /// Every account's.
    All,
    /// Those of the accounts that are at risk in the market as it is.
    AtRisk,
    /// Nobody's: they are not searched.
    #[default]
    None,
}

/// Which snapshot, and what it is held to.
///
/// ```
/// use remargin::request::SnapshotRequest;
/// let snapshot = SnapshotRequest::new("data/sample").with_max_rejects("0.1%".parse()?);
/// assert!(!snapshot.allow_rules_date);
/// # Ok::<(), remargin::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SnapshotRequest {
    /// Its folder.
    pub dir: PathBuf,
    /// What is known of it beforehand; at first nothing.
    pub expectations: Expectations,
    /// Accept one that is older than the rules; at first not.
    pub allow_rules_date: bool,
    /// How many broken rows are tolerated; at first none.
    pub max_rejects: MaxRejects,
    /// How much memory may be resident while it streams; at first what the machine has to give. Results do not depend
    /// on it.
    pub memory_limit: MemoryLimit,
}

impl SnapshotRequest {
    /// The snapshot in a folder, held to its form alone.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            expectations: Expectations::NONE,
            allow_rules_date: false,
            max_rejects: MaxRejects::default(),
            memory_limit: MemoryLimit::of_machine(),
        }
    }

    /// Says what is known of the snapshot beforehand.
    #[must_use]
    pub fn with_expectations(mut self, expectations: Expectations) -> Self {
        self.expectations = expectations;
        self
    }

    /// Accepts a snapshot that is older than the rules, or does not.
    #[must_use]
    pub fn with_rules_date_allowed(mut self, allowed: bool) -> Self {
        self.allow_rules_date = allowed;
        self
    }

    /// Says how many broken rows are tolerated.
    #[must_use]
    pub fn with_max_rejects(mut self, most: MaxRejects) -> Self {
        self.max_rejects = most;
        self
    }

    /// Says how much memory may be resident.
    #[must_use]
    pub fn with_memory_limit(mut self, limit: MemoryLimit) -> Self {
        self.memory_limit = limit;
        self
    }
}

/// Where results go, and in which form.
///
/// ```
/// use remargin::request::OutputRequest;
/// use remargin::source::Format;
/// let out = OutputRequest::new("out").with_format(Format::Csv).with_force(true);
/// assert!(out.report && out.force);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OutputRequest {
    /// Folder to write; it appears whole or not at all.
    pub dir: PathBuf,
    /// How tables are written; at first Parquet. `at_risk` is always CSV and Parquet (or Arrow) both.
    pub format: Format,
    /// Replace an earlier result at `dir`; at first not.
    pub force: bool,
    /// Write `report.html` as well, where there is one; at first so.
    pub report: bool,
    /// What the user calls the run: shown in `summary.json`, in the manifest and on the page; at first nothing.
    pub label: Option<String>,
    /// For the manifest; at first empty.
    pub command_line: Vec<String>,
}

impl OutputRequest {
    /// A new folder of Parquet tables, with a page.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            format: Format::Parquet,
            force: false,
            report: true,
            label: None,
            command_line: Vec::new(),
        }
    }

    /// Says what the run is called.
    #[must_use]
    pub fn with_label(mut self, label: Option<String>) -> Self {
        self.label = label;
        self
    }

    /// Says how tables are written.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Replaces an earlier result, or does not.
    #[must_use]
    pub fn with_force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Writes `report.html` as well, or does not.
    #[must_use]
    pub fn with_report(mut self, report: bool) -> Self {
        self.report = report;
        self
    }

    /// What the manifest says of how the program was called.
    #[must_use]
    pub fn with_command_line(mut self, words: Vec<String>) -> Self {
        self.command_line = words;
        self
    }
}

impl SnapshotRequest {
    /// Margined under rules that were read before: if they are the snapshot's own, they must not change.
    #[must_use]
    pub(crate) fn under(mut self, rules: &LoadedRules) -> Self {
        self.expectations.read_before.extend(rules.file.clone());
        self
    }
}

impl From<&str> for SnapshotRequest {
    fn from(dir: &str) -> Self {
        Self::new(dir)
    }
}

impl From<&Path> for SnapshotRequest {
    fn from(dir: &Path) -> Self {
        Self::new(dir)
    }
}

impl From<&PathBuf> for SnapshotRequest {
    fn from(dir: &PathBuf) -> Self {
        Self::new(dir)
    }
}

impl From<PathBuf> for SnapshotRequest {
    fn from(dir: PathBuf) -> Self {
        Self::new(dir)
    }
}

impl From<&str> for OutputRequest {
    fn from(dir: &str) -> Self {
        Self::new(dir)
    }
}

impl From<&Path> for OutputRequest {
    fn from(dir: &Path) -> Self {
        Self::new(dir)
    }
}

impl From<&PathBuf> for OutputRequest {
    fn from(dir: &PathBuf) -> Self {
        Self::new(dir)
    }
}

impl From<PathBuf> for OutputRequest {
    fn from(dir: PathBuf) -> Self {
        Self::new(dir)
    }
}
