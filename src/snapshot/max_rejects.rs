//! How many broken rows are tolerated.

use crate::{Error, Result};
use std::str::FromStr;

/// How many broken rows a run may have before it counts as failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxRejects {
    /// So many rows.
    Rows(u64),
    /// So many per cent of all rows read.
    Percent(f64),
}

impl Default for MaxRejects {
    fn default() -> Self {
        Self::Rows(0)
    }
}

impl MaxRejects {
    /// True if `broken` of `rows_in` rows are more than allowed.
    #[must_use]
    pub fn exceeded(self, broken: u64, rows_in: u64) -> bool {
        match self {
            Self::Rows(most) => broken > most,
            Self::Percent(most) => broken as f64 * 100.0 > most * rows_in as f64,
        }
    }
}

impl FromStr for MaxRejects {
    type Err = Error;

    /// `5`, `0.1%`.
    fn from_str(text: &str) -> Result<Self> {
        let parsed = match text.strip_suffix('%') {
            Some(share) => share.parse().ok().filter(|share| (0.0..=100.0).contains(share)).map(Self::Percent),
            None => text.parse().ok().map(Self::Rows),
        };
        parsed.ok_or_else(|| {
            Error::Usage(format!("`{text}` is no number of rows: expected `5`, or `0.1%` of the rows read"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_parse() {
        for (text, limit) in [
            ("0", Some(MaxRejects::Rows(0))),
            ("5", Some(MaxRejects::Rows(5))),
            ("0.1%", Some(MaxRejects::Percent(0.1))),
            ("0%", Some(MaxRejects::Percent(0.0))),
            ("100%", Some(MaxRejects::Percent(100.0))),
            ("100.1%", None),
            ("-1", None),
            ("-1%", None),
            ("1.5", None),
            ("nan%", None),
            ("inf%", None),
            ("%", None),
            ("", None),
            ("many", None),
        ] {
            assert_eq!(text.parse::<MaxRejects>().ok(), limit, "{text}");
        }
        assert_eq!("x".parse::<MaxRejects>().unwrap_err().exit_code(), 2);
    }

    #[test]
    fn limits_hold() {
        for (limit, broken, rows_in, exceeded) in [
            (MaxRejects::Rows(0), 0, 10, false),
            (MaxRejects::Rows(0), 1, 10, true),
            (MaxRejects::Rows(5), 5, 10, false),
            (MaxRejects::Percent(10.0), 1, 10, false),
            (MaxRejects::Percent(10.0), 2, 10, true),
            (MaxRejects::Percent(0.0), 0, 0, false),
        ] {
            assert_eq!(limit.exceeded(broken, rows_in), exceeded, "{limit:?} {broken}/{rows_in}");
        }
    }
}
