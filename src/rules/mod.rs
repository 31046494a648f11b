//! The parameters of the model as a file: TOML in, checked [`Rules`] out, with the source of every value.
//!
//! A set is built in layers. Each key is taken from the last layer that gives it:
//!
//! ```text
//! built-in okx-pm2-2025-01          without a file, or below an overlay: the set that it names
//!   <- FILE                         a full set, or an overlay: `extends = "okx-pm2-2025-01"`
//!        <- --set key=value ...     in the order given
//! ```
//!
//! Tables are merged key by key; arrays and tier tables are replaced. The result is checked as a whole, so two values
//! that contradict each other are found even in different layers. Loaded rules are finite, in range and monotone, and
//! no formula needs to check again. Comments in a file mark what a figure rests on (see `marks`). An error is an
//! [`Invalid`] with the file (or the `--set`), the dotted key, the
//! value and what was expected.

// Bad input must cause an error, not a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use serde::{Deserialize, Serialize};
use std::path::Path;

use jiff::Timestamp;

use crate::error::{Invalid, Remedy, Result};
use crate::margin::rules::Rules;
pub use crate::rules::marks::Mark;
pub use crate::rules::sets::{BUILT_IN, BUILT_IN_NAME, BUILT_INS, BuiltIn, built_in};
pub use crate::rules::show::{Shown, show, to_json};
use crate::source::ReadFile;
use layers::{Resolved, UserRules};

mod bounds;
mod check;
mod key;
mod layers;
mod marks;
pub mod rests;
mod schema;
#[cfg(test)]
mod set_tests;
mod sets;
mod show;
#[cfg(test)]
mod tests;

/// Checked rules, and the source of each value.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedRules {
    /// The values used by the formulas.
    pub rules: Rules,
    /// Every key of the set, in the order of the built-in file; currencies of `mr8.tiers` and `discount` in byte
    /// order, `"*"` last.
    pub values: Vec<RuleValue>,
    /// BLAKE3, in hex, of [`LoadedRules::canonical`]. Equal parameters have equal hashes, however they were given.
    pub hash: String,
    /// The file that they were read from.
    pub file: Option<ReadFile>,
}

/// Name and hash of a rule set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RulesId {
    /// Its name.
    pub name: String,
    /// BLAKE3 of its resolved values.
    pub hash: String,
}

/// One value of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleValue {
    /// Dotted key: `mr4.floor.major`, `discount."*"`.
    pub key: String,
    /// The value as TOML in canonical form: `10_000`, `1e4` and `10000.0` all become `10000`.
    pub value: String,
    /// `built-in okx-pm2-2025-01`, `file PATH` or `--set`.
    pub source: String,
    /// How far the figure is to be trusted; `None` for one of the user's own without a mark, and for the name.
    pub mark: Option<Mark>,
}

/// A key whose value two sets do not share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference<'a> {
    /// The value in the first, if it has the key.
    pub a: Option<&'a RuleValue>,
    /// The value in the second.
    pub b: Option<&'a RuleValue>,
}

impl Difference<'_> {
    /// The dotted key.
    #[must_use]
    pub fn key(&self) -> &str {
        self.a.or(self.b).map_or("", |value| value.key.as_str())
    }
}

/// Every key in which two sets differ, in the order of the first, then of the second.
#[must_use]
pub fn diff<'a>(a: &'a LoadedRules, b: &'a LoadedRules) -> Vec<Difference<'a>> {
    let find = |loaded: &'a LoadedRules, key: &str| loaded.values.iter().find(|value| value.key == key);
    let of_a = a.values.iter().map(|value| Difference { a: Some(value), b: find(b, &value.key) });
    let more = b.values.iter().filter(|value| find(a, &value.key).is_none());
    let all = of_a.chain(more.map(|value| Difference { a: None, b: Some(value) }));
    all.filter(|pair| pair.a.map(|value| &value.value) != pair.b.map(|value| &value.value)).collect()
}

/// How many figures of a set have which mark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FigureCounts {
    /// Published by the exchange.
    pub published: u64,
    /// Measured, in parts at least, and not assumed.
    pub measured: u64,
    /// Assumed, in parts at least.
    pub assumed: u64,
    /// The user's own, without a mark.
    pub own: u64,
}

impl FigureCounts {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.published + self.measured + self.assumed + self.own
    }
}

impl LoadedRules {
    /// The file that they were read from, for who must not delete it.
    pub(crate) fn read_from(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }

    /// The set as `key = value` lines: valid TOML that loads as a full set with the same hash.
    #[must_use]
    pub fn canonical(&self) -> String {
        canonical(&self.values)
    }

    /// Its figures by their marks.
    #[must_use]
    pub fn figures(&self) -> FigureCounts {
        let mut counts = FigureCounts::default();
        for value in self.values.iter().filter(|value| marks::is_figure(&value.key)) {
            *match &value.mark {
                None => &mut counts.own,
                Some(mark) if mark.is_assumed() => &mut counts.assumed,
                Some(mark) if mark.is_published() => &mut counts.published,
                Some(_) => &mut counts.measured,
            } += 1;
        }
        counts
    }

    /// The newest built-in set that is in force at a time, if it is younger than this one.
    #[must_use]
    pub fn newer(&self, as_of_ns: i64) -> Option<&'static BuiltIn> {
        let is_newer = |set: &&BuiltIn| {
            let from_ns = set.effective_from_ns();
            from_ns <= as_of_ns && from_ns > self.rules.effective_from_ns
        };
        BUILT_INS.iter().filter(is_newer).max_by_key(|set| set.effective_from_ns())
    }

    /// Checks that the set is in force at the time of a snapshot.
    ///
    /// # Errors
    /// [`Invalid`] if `as_of_ns` (nanoseconds since 1970 UTC) is before `effective_from`.
    pub fn check_date(&self, as_of_ns: i64) -> Result<()> {
        if as_of_ns >= self.rules.effective_from_ns {
            return Ok(());
        }
        let time = |ns: i64| Timestamp::from_nanosecond(i128::from(ns)).map_or(ns.to_string(), |time| time.to_string());
        Err(Invalid::new(format!("rules `{}` are not yet in force at the time of the snapshot", self.rules.name))
            .column("as_of")
            .value(time(as_of_ns))
            .expected(format!("{} or later (`effective_from` of the rules)", time(self.rules.effective_from_ns)))
            .remedy(Remedy::RulesDate)
            .into())
    }
}

/// Loads the default set, `file` or the built-in set of that name, applies each `key=value` of `set` in order, and
/// checks the result.
///
/// ```
/// let rules = remargin::rules::load(None, &["mr4.floor.major=0.012".to_owned()])?;
/// let value = rules.values.iter().find(|value| value.key == "mr4.floor.major").unwrap();
/// assert_eq!(value.value, "0.012");
/// assert!(remargin::rules::load(None, &["mr4.floor.major=-1".to_owned()]).is_err());
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// [`Invalid`] with the file or the `--set`, the key, the value and what was expected; [`crate::Error::Io`] if the file
/// cannot be read.
pub fn load(file: Option<&Path>, set: &[String]) -> Result<LoadedRules> {
    let named = |file: &Path| file.to_str().and_then(built_in);
    let own = file.map(|file| named(file).map_or(UserRules::File(file), UserRules::BuiltIn));
    finish(&layers::resolve(own, set)?)
}

/// Like [`load`], from the text of a file: a full set such as [`LoadedRules::canonical`], or an overlay.
///
/// # Errors
/// Those of [`load`].
pub fn load_text(text: &str, set: &[String]) -> Result<LoadedRules> {
    finish(&layers::resolve(Some(UserRules::Text(text)), set)?)
}

/// Applies each `key=value` of `set` over the values of a loaded set, and checks the result. Values that `set` does not
/// touch keep their source and their mark; without a `set` the same set comes back.
///
/// ```
/// use remargin::rules::{adjust, load};
/// let loaded = load(None, &["risk_unit=merged".to_owned()])?;
/// let adjusted = adjust(&loaded.values, &["mr4.floor.major=0.012".to_owned()])?;
/// let source = |key: &str| adjusted.values.iter().find(|value| value.key == key).unwrap().source.as_str();
/// assert_eq!((source("risk_unit"), source("rate")), ("--set", "built-in okx-pm2-2025-01"));
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// Those of [`load`].
pub fn adjust(values: &[RuleValue], set: &[String]) -> Result<LoadedRules> {
    finish(&layers::above(values, set)?)
}

fn finish(resolved: &Resolved) -> Result<LoadedRules> {
    let rules = schema::read(resolved).and_then(check::check).map_err(|fault| resolved.blame(fault))?;
    let values = resolved.values();
    let hash = blake3::hash(canonical(&values).as_bytes()).to_hex().to_string();
    Ok(LoadedRules { rules, values, hash, file: resolved.file.clone() })
}

/// Like [`load_text`], from a text inside a file with other data. Errors name the file.
///
/// # Errors
/// As [`load`].
pub fn load_recorded(text: &str, file: &Path) -> Result<LoadedRules> {
    finish(&layers::resolve(Some(UserRules::TextIn(text, file)), &[])?)
}

fn canonical(values: &[RuleValue]) -> String {
    let is_said = |line: &&RuleValue| !key::OPTIONAL.contains(&(line.key.as_str(), line.value.as_str()));
    values.iter().filter(is_said).flat_map(|line| [line.key.as_str(), " = ", line.value.as_str(), "\n"]).collect()
}
