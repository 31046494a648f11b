//! Timestamps: Arrow timestamps of any unit, strings as common writers have them, whole numbers since 1970, the `as_of`
//! of `snapshot.toml`; nanoseconds since 1970.

use super::arrays::{integers, stamps};
use super::text::Text;
use crate::{Error, Invalid, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::Date32Type;
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::{DataType, TimeUnit};
use std::path::Path;

/// A timestamp that cannot be read or is outside 1677 to 2262, the range of 64-bit nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeError;

/// A string such as `2026-03-27T08:00:00Z`; an offset is required.
pub(crate) fn parse(text: &str) -> Result<i64, TimeError> {
    let instant: jiff::Timestamp = text.parse().map_err(|_| TimeError)?;
    i64::try_from(instant.as_nanosecond()).map_err(|_| TimeError)
}

/// A string in a cell: as [`parse`], as databases and data frames write it, or a whole number since 1970. Without a
/// zone it is UTC; the flag tells so.
pub(crate) fn parse_cell(text: &str) -> Result<(i64, bool), TimeError> {
    let text = text.trim_ascii();
    if let Ok(ns) = parse(text) {
        return Ok((ns, false));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map_err(|_| TimeError).and_then(since_1970).map(|ns| (ns, false));
    }
    if let Some(local) = text.strip_suffix("UTC").or_else(|| text.strip_suffix('Z')) {
        return parse(&format!("{}Z", local.trim_ascii_end())).map(|ns| (ns, false));
    }
    if let Some((local, offset)) = text.rsplit_once(' ').filter(|(_, offset)| offset.starts_with(['+', '-'])) {
        return parse(&format!("{}{offset}", local.trim_ascii_end())).map(|ns| (ns, false));
    }
    // A date alone has no time of day, and an offset that cannot be read must not be passed over.
    let is_plain = |rest: &str| {
        rest.starts_with(['T', ' ']) && rest.bytes().skip(1).all(|byte| byte.is_ascii_digit() || b":.".contains(&byte))
    };
    if text.get(10..).is_some_and(is_plain) { parse(&format!("{text}Z")).map(|ns| (ns, true)) } else { Err(TimeError) }
}

/// As [`parse_cell`], or a date alone such as `2026-03-27`: its beginning, in UTC.
pub(crate) fn parse_date(text: &str) -> Result<i64, TimeError> {
    let is_date =
        text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') && text.contains('-');
    if is_date { parse(&format!("{text}T00:00:00Z")) } else { parse_cell(text).map(|(ns, _)| ns) }
}

/// A whole number of seconds, milliseconds, microseconds or nanoseconds since 1970, between 2001 and 2286: the unit
/// follows from the number of digits. Others, dates such as 20260327 among them, are refused.
fn since_1970(number: i64) -> Result<i64, TimeError> {
    let unit_ns = match number {
        1_000_000_000..=9_999_999_999 => 1_000_000_000,
        1_000_000_000_000..=9_999_999_999_999 => 1_000_000,
        1_000_000_000_000_000..=9_999_999_999_999_999 => 1_000,
        1_000_000_000_000_000_000..=i64::MAX => 1,
        _ => return Err(TimeError),
    };
    number.checked_mul(unit_ns).ok_or(TimeError)
}

/// A column of timestamps.
pub(crate) enum Times {
    Absent,
    Stamps {
        values: Int64Array,
        unit_ns: i64,
        /// Without a time zone.
        is_naive: bool,
    },
    /// Whole numbers since 1970.
    Numbers(Int64Array),
    Text(Text),
}

/// Nanoseconds in a day.
const DAY_NS: i64 = 86_400_000_000_000;

impl Times {
    /// The timestamps of an array. Without a time zone they are UTC.
    ///
    /// # Errors
    /// The type contains no timestamps.
    pub fn new(array: Option<&ArrayRef>) -> Result<Self, String> {
        let Some(array) = array else { return Ok(Self::Absent) };
        Ok(match array.data_type() {
            DataType::Null => Self::Absent,
            DataType::Timestamp(unit, zone) => {
                let unit_ns = match unit {
                    TimeUnit::Second => 1_000_000_000,
                    TimeUnit::Millisecond => 1_000_000,
                    TimeUnit::Microsecond => 1_000,
                    TimeUnit::Nanosecond => 1,
                };
                Self::Stamps { values: stamps(array)?, unit_ns, is_naive: zone.is_none() }
            }
            kind if kind.is_integer() && *kind != DataType::UInt64 => Self::Numbers(integers(array)?),
            // As text, 64 bits without a sign are read whole.
            _ => Self::Text(Text::new(Some(array))?),
        })
    }

    /// As [`Times::new`], where a day may stand without a time of day: it is its beginning, in UTC.
    ///
    /// # Errors
    /// Those of [`Times::new`].
    pub fn with_dates(array: Option<&ArrayRef>) -> Result<Self, String> {
        let Some(days) = array.and_then(|array| array.as_primitive_opt::<Date32Type>()) else {
            return Self::new(array);
        };
        Ok(Self::Stamps {
            values: days.iter().map(|day| day.map(i64::from)).collect(),
            unit_ns: DAY_NS,
            is_naive: false,
        })
    }

    /// As [`Times::get`], of a column [`Times::with_dates`].
    ///
    /// # Errors
    /// Those of [`Times::get`].
    pub fn get_date(&self, row: usize) -> Result<Option<i64>, TimeError> {
        let Self::Text(text) = self else { return self.get(row) };
        let Some(text) = text.get(row).map(str::trim_ascii) else { return Ok(None) };
        parse_date(text).map(Some)
    }

    /// True if the timestamp of a row has no zone, and is taken as UTC.
    pub fn is_naive(&self, row: usize) -> bool {
        match self {
            Self::Stamps { values, is_naive, .. } => *is_naive && values.is_valid(row),
            Self::Text(text) => text.get(row).is_some_and(|text| matches!(parse_cell(text), Ok((_, true)))),
            Self::Absent | Self::Numbers(_) => false,
        }
    }

    /// The timestamp of a row; `None` if it is missing.
    pub fn get(&self, row: usize) -> Result<Option<i64>, TimeError> {
        match self {
            Self::Stamps { values, unit_ns, .. } if values.is_valid(row) => {
                values.value(row).checked_mul(*unit_ns).map(Some).ok_or(TimeError)
            }
            Self::Numbers(values) if values.is_valid(row) => since_1970(values.value(row)).map(Some),
            Self::Text(text) => text.get(row).map(|text| parse_cell(text).map(|(ns, _)| ns)).transpose(),
            _ => Ok(None),
        }
    }

    /// The value of a row as text, for messages.
    pub fn raw(&self, row: usize) -> String {
        match self {
            Self::Stamps { values, unit_ns, .. } if values.is_valid(row) => {
                let value = values.value(row);
                let stamp = i128::from(value) * i128::from(*unit_ns);
                jiff::Timestamp::from_nanosecond(stamp).map_or_else(|_| value.to_string(), |time| time.to_string())
            }
            Self::Numbers(values) if values.is_valid(row) => values.value(row).to_string(),
            Self::Text(text) => text.raw(row),
            _ => String::new(),
        }
    }
}

/// Reads the text of `snapshot.toml` and returns its `as_of`.
///
/// # Errors
/// [`Invalid`] if it is not TOML, not version 1, or its `as_of` is not a date and time with an offset.
pub(crate) fn read_as_of(file: &Path, text: &str) -> Result<i64> {
    let invalid = |problem: String| Invalid::new(problem).file(file);
    let keys: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        invalid(format!("not valid TOML: {}", error.to_string().trim_end())).expected("`version = 1` and `as_of`")
    })?;
    match keys.get("version") {
        Some(toml::Value::Integer(1)) => {}
        found => {
            let problem = if found.is_some() { "unknown version of the snapshot" } else { "missing key" };
            let found = found.map_or_else(String::new, ToString::to_string);
            return Err(invalid(problem.into()).column("version").value(found).expected("version = 1").into());
        }
    }
    let expected = "a date and time with an offset: as_of = 2026-01-15T08:00:00Z";
    let found = keys.get("as_of");
    let as_of = match found {
        Some(toml::Value::Datetime(value)) if value.offset.is_some() => parse(&value.to_string()).ok(),
        _ => None,
    };
    as_of.ok_or_else(|| {
        let problem = if found.is_some() { "the valuation time cannot be read" } else { "missing key" };
        let found = found.map_or_else(String::new, ToString::to_string);
        invalid(problem.into()).column("as_of").value(found).expected(expected).into()
    })
}

/// RFC 3339 in UTC, with the decimals of the time.
pub(crate) fn timestamp(ns: i64) -> Result<String> {
    jiff::Timestamp::from_nanosecond(i128::from(ns))
        .map(|time| time.to_string())
        .map_err(|err| Error::Runtime(format!("`as_of` is not a time: {err}")))
}

/// A time such as `2026-01-15T08:00:00Z`, in nanoseconds since 1970 UTC.
///
/// # Errors
/// [`Error::Invalid`] if it is not such a time, has no offset, or is outside the years 1678 to 2261.
pub fn parse_time(text: &str) -> Result<i64> {
    parse(text).map_err(|_| {
        Invalid::new("the valuation time cannot be read")
            .column("as_of")
            .value(text)
            .expected("a date and time with an offset: 2026-01-15T08:00:00Z")
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Date32Array, TimestampMillisecondArray, TimestampSecondArray};
    use std::sync::Arc;

    #[test]
    fn strings_and_stamps() {
        let eight = 1_768_464_000_000_000_000;
        for (text, expected) in [
            ("2026-01-15T08:00:00Z", Ok(eight)),
            ("2026-01-15T09:00:00+01:00", Ok(eight)),
            ("2026-01-15 08:00:00+00:00", Ok(eight)),
            ("2026-01-15T08:00:00.000000001Z", Ok(eight + 1)),
            ("2026-01-15T08:00:00", Err(TimeError)),
            ("2026-01-15", Err(TimeError)),
            ("2026-02-30T08:00:00Z", Err(TimeError)),
            ("1768464000", Err(TimeError)),
            ("3000-01-01T00:00:00Z", Err(TimeError)),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        for (text, expected) in [
            ("2026-01-15T08:00:00Z", Ok((eight, false))),
            ("2026-01-15 08:00:00 UTC", Ok((eight, false))),
            ("2026-01-15 08:00:00.000 Z", Ok((eight, false))),
            ("2026-01-15 08:00:00.000 +0000", Ok((eight, false))),
            ("2026-01-15 09:00:00 +01:00", Ok((eight, false))),
            ("2026-01-15T08:00:00+0000", Ok((eight, false))),
            ("2026-01-15 08:00:00", Ok((eight, true))),
            ("2026-01-15T08:00:00.000", Ok((eight, true))),
            ("1768464000", Ok((eight, false))),
            ("1768464000000", Ok((eight, false))),
            ("1768464000000000", Ok((eight, false))),
            ("1768464000000000000", Ok((eight, false))),
            ("20260115", Err(TimeError)),
            ("20260115080000", Err(TimeError)),
            ("99999999999999999999", Err(TimeError)),
            ("2026-01-15", Err(TimeError)),
            ("2026-01-15 08:00:00+99:00", Err(TimeError)),
            ("2026-01-15 08:00:00 CET", Err(TimeError)),
            ("15.01.2026 08:00:00", Err(TimeError)),
            ("3000-01-01 00:00:00", Err(TimeError)),
        ] {
            assert_eq!(parse_cell(text), expected, "{text}");
        }
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1_768_464_000_000), Some(20_260_115), None]));
        let times = Times::new(Some(&numbers)).unwrap();
        assert_eq!([times.get(0), times.get(1), times.get(2)], [Ok(Some(eight)), Err(TimeError), Ok(None)]);
        let stamps: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![Some(eight / 1_000_000), None]));
        let times = Times::new(Some(&stamps)).unwrap();
        assert_eq!((times.get(0), times.get(1)), (Ok(Some(eight)), Ok(None)));
        let stamps: ArrayRef = Arc::new(TimestampSecondArray::from(vec![i64::MAX]).with_timezone("+02:00"));
        assert_eq!(Times::new(Some(&stamps)).unwrap().get(0), Err(TimeError));
        let dates: ArrayRef = Arc::new(Date32Array::from(vec![Some(1), None]));
        assert!(Times::new(Some(&dates)).is_err());
        let days = Times::with_dates(Some(&dates)).unwrap();
        assert_eq!((days.get_date(0), days.get_date(1)), (Ok(Some(DAY_NS)), Ok(None)));
        for (text, expected) in [
            ("2026-01-15", Ok(eight - 8 * 3_600_000_000_000)),
            ("2026-01-15T08:00:00Z", Ok(eight)),
            ("1768464000", Ok(eight)),
            ("2026-02-30", Err(TimeError)),
            ("15-01-2026", Err(TimeError)),
            ("20260115", Err(TimeError)),
        ] {
            assert_eq!(parse_date(text), expected, "{text}");
        }
    }
}
