//! How many broken rows are tolerated.

use crate::{Error, Result};
use rust_decimal::Decimal;
use std::str::FromStr;

/// How many broken rows a run may have before it counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxRejects {
    /// So many rows.
    Rows(u64),
    /// So many per cent of all rows read, as it is written: 0.57 % of 10,000 rows are 57 rows.
    Percent(Decimal),
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
            Self::Percent(most) => exceeds_share(broken, rows_in, most / Decimal::ONE_HUNDRED),
        }
    }
}

/// True if `part` is more than `share` of `whole`, without rounding. A share has at most [`MOST_DECIMALS`] decimals.
pub(crate) fn exceeds_share(part: u64, whole: u64, share: Decimal) -> bool {
    // At most 64 bits each: 1e18 parts, and a power of ten up to 1e18.
    let (digits, scale) = (share.mantissa().unsigned_abs(), 10u128.pow(share.scale()));
    match (u128::from(part).checked_mul(scale), u128::from(whole).checked_mul(digits)) {
        (Some(part), Some(share)) => part > share,
        (None, Some(_)) => true,
        _ => false,
    }
}

/// A number as people write it in flags, `10_000_000`, without the underscores between its digits.
#[must_use]
pub fn without_underscores(text: &str) -> String {
    let bytes = text.as_bytes();
    let is_digit =
        |place: Option<usize>| place.and_then(|place| bytes.get(place)).is_some_and(|byte: &u8| byte.is_ascii_digit());
    let keep = |(place, c): (usize, char)| {
        (c != '_' || !is_digit(place.checked_sub(1)) || !is_digit(Some(place + 1))).then_some(c)
    };
    text.char_indices().filter_map(keep).collect()
}

/// Decimals of a share in per cent.
const MOST_DECIMALS: u32 = 12;

/// A share in per cent from 0 to 100, such as `0.57`. `None` if it is none, or has more than twelve decimals.
pub(crate) fn parse_percent(text: &str) -> Option<Decimal> {
    let share = Decimal::from_str_exact(text.trim()).ok()?.normalize();
    let is_share = share >= Decimal::ZERO && share <= Decimal::ONE_HUNDRED && share.scale() <= MOST_DECIMALS;
    is_share.then_some(share)
}

impl FromStr for MaxRejects {
    type Err = Error;

    /// `5`, `10_000`, `0.1%`.
    fn from_str(text: &str) -> Result<Self> {
        let parsed = match text.strip_suffix('%') {
            Some(share) => parse_percent(share).map(Self::Percent),
            None => without_underscores(text).parse().ok().map(Self::Rows),
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
    fn underscores_stand_between_digits() {
        for (text, plain) in [
            ("1_000", "1000"),
            ("1__0", "1__0"),
            ("_1", "_1"),
            ("1_", "1_"),
            ("1_0.5", "10.5"),
            ("a_b", "a_b"),
            ("", ""),
        ] {
            assert_eq!(without_underscores(text), plain);
        }
    }

    #[test]
    fn limits_parse() {
        let percent = |text: &str| MaxRejects::Percent(text.parse().unwrap());
        for (text, limit) in [
            ("10_000", Some(MaxRejects::Rows(10_000))),
            ("0", Some(MaxRejects::Rows(0))),
            ("5", Some(MaxRejects::Rows(5))),
            ("0.1%", Some(percent("0.1"))),
            ("0%", Some(percent("0"))),
            ("100%", Some(percent("100"))),
            ("100.1%", None),
            ("0.0000000000001%", None),
            ("1e1%", None),
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
        let percent = |text: &str| MaxRejects::Percent(text.parse().unwrap());
        for (limit, broken, rows_in, exceeded) in [
            (percent("0.57"), 57, 10_000, false),
            (percent("0.57"), 58, 10_000, true),
            (percent("29"), 29, 100, false),
            (percent("100"), u64::MAX, u64::MAX, false),
            (percent("99.999999999999"), u64::MAX, u64::MAX, true),
            (MaxRejects::Rows(0), 0, 10, false),
            (MaxRejects::Rows(0), 1, 10, true),
            (MaxRejects::Rows(5), 5, 10, false),
            (percent("10"), 1, 10, false),
            (percent("10"), 2, 10, true),
            (percent("0"), 0, 0, false),
        ] {
            assert_eq!(limit.exceeded(broken, rows_in), exceeded, "{limit:?} {broken}/{rows_in}");
        }
    }
}
