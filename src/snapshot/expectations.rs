//! What a snapshot is held to besides its form.

use super::MarkCheck;
use crate::source::ReadFile;
use crate::{Invalid, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the caller knows of a snapshot beforehand. What is not said is not checked.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    /// The hash of the whole snapshot, see [`super::snapshot_hash`].
    pub hash: Option<String>,
    /// How far the time `ts` of a mark or of an index may lie from the valuation time, on either side.
    pub max_mark_age: Option<Duration>,
    /// The most USD that a position or a balance may be worth without its sign.
    pub max_notional_usd: Option<f64>,
    /// How far prices may contradict each other before they are taken for a mistake.
    #[serde(default, skip_serializing_if = "MarkCheck::is_default")]
    pub mark_check: MarkCheck,
    /// No position, or no row of any account, is meant.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_empty: bool,
    /// Files and columns whose names are nearly those of others are meant, and not read.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_unknown: bool,
    /// Account ids that differ only in their spelling are those of different accounts.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_similar_ids: bool,
    /// Files that were read before: where the snapshot has one of them, it must be what was read.
    #[serde(skip)]
    pub read_before: Vec<ReadFile>,
}

// Signature that serde asks for.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Expectations {
    /// Nothing is known; prices are checked as they are by default.
    pub const NONE: Self = Self {
        hash: None,
        max_mark_age: None,
        max_notional_usd: None,
        mark_check: MarkCheck::DEFAULT,
        allow_empty: false,
        allow_unknown: false,
        allow_similar_ids: false,
        read_before: Vec::new(),
    };

    /// Nothing is known, and there may be no row.
    pub(crate) const MAYBE_EMPTY: Self = Self {
        hash: None,
        max_mark_age: None,
        max_notional_usd: None,
        mark_check: MarkCheck::DEFAULT,
        allow_empty: true,
        allow_unknown: false,
        allow_similar_ids: false,
        read_before: Vec::new(),
    };

    /// True if a price of this time is too far from the valuation time, or its time is not known.
    pub(super) fn is_stale(&self, as_of_ns: i64, ts_ns: Option<i64>) -> bool {
        let Some(most) = self.max_mark_age else { return false };
        ts_ns.is_none_or(|ts_ns| u128::from(as_of_ns.abs_diff(ts_ns)) > most.as_nanos())
    }

    /// The most that may be held of something that is worth so many USD.
    pub(super) fn most_held(&self, usd: f64) -> f64 {
        self.max_notional_usd.map_or(f64::INFINITY, |most| most / usd)
    }

    /// # Errors
    /// [`crate::Error::Invalid`] for a bound that is no positive number or a hash that is none.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(most) = self.max_notional_usd.filter(|most| !(most.is_finite() && *most > 0.0)) {
            return Err(Invalid::new("the bound of a notional cannot be used")
                .value(most.to_string())
                .expected("a positive number of USD")
                .into());
        }
        let is_hash = |hash: &String| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let Some(hash) = self.hash.as_ref().filter(|hash| !is_hash(hash)) {
            return Err(Invalid::new("the hash that is expected is none")
                .value(crate::cells::text::cut(hash))
                .expected("64 hexadecimal digits, as `remargin check` shows them")
                .into());
        }
        Ok(())
    }
}
