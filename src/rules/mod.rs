//! Rules from TOML. (Declarations only in this branch: the owner's file replaces it.)

use crate::Result;
use crate::margin::rules::Rules;

/// A rule set with the origin of every value.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedRules {
    /// The parameters.
    pub rules: Rules,
    /// Every value, by dotted key.
    pub values: Vec<RuleValue>,
    /// BLAKE3 of the canonical `key=value` lines, hexadecimal.
    pub hash: String,
}

/// One resolved value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleValue {
    /// Dotted key.
    pub key: String,
    /// The value as TOML writes it.
    pub value: String,
    /// Where it comes from.
    pub source: String,
}

impl LoadedRules {
    /// # Errors
    /// [`crate::Invalid`] when `as_of_ns` is before the rules hold.
    pub fn check_date(&self, as_of_ns: i64) -> Result<()> {
        let _ = as_of_ns;
        todo!()
    }
}
