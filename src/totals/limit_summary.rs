//! Limits in `summary.json`: how many figures each was compared with, how many are beyond it, and the worst of them.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How serious it is if a figure is beyond a limit. In order: the least serious first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody may want to know.
    Info,
    /// Somebody must look at it.
    Soft,
    /// It must not be.
    Hard,
}

impl Severity {
    /// All, the least serious first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Soft, Self::Hard];

    /// Its word in `limits.toml`, in tables and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Soft => "soft",
            Self::Hard => "hard",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Severity {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let expected = "expected `info`, `soft` or `hard`";
        let found = Self::ALL.into_iter().find(|severity| severity.name() == word);
        found.ok_or_else(|| Error::Usage(format!("`{word}` is no severity: {expected}")))
    }
}

/// A count for each severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs)]
pub struct BySeverity {
    pub info: u64,
    pub soft: u64,
    pub hard: u64,
}

impl BySeverity {
    /// The count of one severity.
    #[must_use]
    pub fn get(&self, severity: Severity) -> u64 {
        match severity {
            Severity::Info => self.info,
            Severity::Soft => self.soft,
            Severity::Hard => self.hard,
        }
    }

    /// Counts some more.
    pub(crate) fn add(&mut self, severity: Severity, more: u64) {
        match severity {
            Severity::Info => self.info += more,
            Severity::Soft => self.soft += more,
            Severity::Hard => self.hard += more,
        }
    }

    /// Of this severity and those above it.
    #[must_use]
    pub fn at_least(&self, least: Severity) -> u64 {
        Severity::ALL.into_iter().filter(|severity| *severity >= least).map(|severity| self.get(severity)).sum()
    }
}

/// The limits of a run or a stress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LimitsSummary {
    /// BLAKE3 hash of the file of limits, hex.
    pub blake3: String,
    /// Rows of the table `breaches`, by severity.
    pub breaches: BySeverity,
    /// Limits that are breached at least once, by severity.
    pub breached: BySeverity,
    /// Each limit, in the order of the file.
    pub each: Vec<LimitSummary>,
}

impl LimitsSummary {
    /// Rows of the table `breaches`.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.breaches.at_least(Severity::Info)
    }

    /// Limits that were not compared with all that they name: with no figure, or with none of a name that nobody has,
    /// which was left out, or is misspelt.
    pub fn not_compared(&self) -> impl Iterator<Item = &LimitSummary> {
        self.each.iter().filter(|limit| limit.checked == 0 || !limit.not_found.is_empty())
    }
}

/// One limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LimitSummary {
    /// Its name.
    pub name: String,
    /// How serious a breach is.
    pub severity: Severity,
    /// The rule, in the form in which it was read.
    pub rule: String,
    /// What the figure is measured in, such as `USD` or `ratio`.
    pub unit: String,
    /// What to do about a breach; absent if the file does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Figures that were compared with it.
    pub checked: u64,
    /// Of these, figures beyond it: rows of the table `breaches`.
    pub breaches: u64,
    /// Rows without the figure, such as the margin ratio of an account without margin: neither met nor breached.
    pub without_figure: u64,
    /// The figure that is furthest beyond the limit or, if none is, nearest to it; null if none was compared.
    pub worst: Option<Compared>,
    /// What the limit names and nobody has, in words; absent if there is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_found: Vec<String>,
}

/// A figure beside its limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Compared {
    /// The figure, in its own unit.
    pub value: f64,
    /// How far it is beyond the limit, in the same unit; negative if there is room left.
    pub excess: f64,
    /// Whose it is.
    #[serde(flatten)]
    pub of: Subject,
}

/// What a figure belongs to: what does not apply is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs)]
pub struct Subject {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// The grouping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_unit: Option<String>,
}
