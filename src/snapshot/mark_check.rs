//! How far a price may lie from what other prices of the snapshot say of it.

use super::without_underscores;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Prices in a wrong unit are noticed by what other prices say: on unless it is switched off.
///
/// ```
/// use remargin::snapshot::MarkCheck;
/// assert_eq!(MarkCheck::default().to_string(), "50%");
/// assert_eq!("off".parse::<MarkCheck>()?, MarkCheck::Off);
/// assert!("-1%".parse::<MarkCheck>().is_err());
/// # Ok::<(), remargin::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(into = "String", try_from = "String")]
pub enum MarkCheck {
    /// Prices are taken as they are.
    Off,
    /// A mark or a forward may lie this share of its index away from it; the other bounds widen with it.
    Within(f64),
}

impl MarkCheck {
    /// Within half of the index.
    pub const DEFAULT: Self = Self::Within(0.5);

    pub(super) fn is_default(&self) -> bool {
        *self == Self::DEFAULT
    }

    /// The share, unless the check is off.
    pub(super) fn share(self) -> Option<f64> {
        match self {
            Self::Off => None,
            Self::Within(share) => Some(share),
        }
    }
}

impl Default for MarkCheck {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for MarkCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Within(share) => write!(f, "{}%", share * 100.0),
        }
    }
}

impl From<MarkCheck> for String {
    fn from(check: MarkCheck) -> Self {
        check.to_string()
    }
}

impl TryFrom<String> for MarkCheck {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl FromStr for MarkCheck {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let percent = text.strip_suffix('%').and_then(|number| without_underscores(number).parse::<f64>().ok());
        match percent.filter(|percent| percent.is_finite() && *percent > 0.0) {
            Some(percent) => Ok(Self::Within(percent / 100.0)),
            None => Err(Error::Usage(format!("no bound of prices `{text}`: expected `off` or a share such as `50%`"))),
        }
    }
}
