//! Converts every number once, whatever its type, to the nearest `f64`.

use super::arrays::{decimals, integers, plain};
use super::text::{Text, is_text};
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Decimal128Array, Float64Array, Int64Array, UInt64Array};
use arrow_schema::DataType;
use std::io::Write;

/// Why a value is not a usable number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberError {
    /// Not a decimal number, or NaN or infinity.
    Invalid,
    /// `0 < |x| < 1e-18` or `|x| > 1e18`.
    OutOfRange,
}

/// Largest absolute value of a number. [`crate::snapshot::Reason`] explains the limit.
const LARGEST: f64 = 1e18;
/// Smallest absolute value of a non-zero number.
const SMALLEST: f64 = 1e-18;

/// Powers of ten that are exact in `f64`.
const EXACT_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// A finite number in range; -0 becomes 0.
pub(crate) fn in_range(x: f64) -> Result<f64, NumberError> {
    if !x.is_finite() {
        return Err(NumberError::Invalid);
    }
    if x != 0.0 && !(SMALLEST..=LARGEST).contains(&x.abs()) {
        return Err(NumberError::OutOfRange);
    }
    Ok(x + 0.0)
}

/// A number as short text: the fewest digits that read back the same, with an exponent if there are many.
pub(crate) fn written(x: f64) -> String {
    let text = format!("{x:?}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A decimal string: optional sign, digits as in JSON, optional fraction and exponent, and no other character. There
/// may be no digit before the point: `.5`.
pub(crate) fn parse(text: &str) -> Result<f64, NumberError> {
    let (nonzero, valid) = grammar(text.as_bytes());
    if !valid {
        return Err(NumberError::Invalid);
    }
    let x: f64 = text.parse().map_err(|_| NumberError::Invalid)?;
    // Digits that overflow or underflow are valid numbers: out of range, not infinity and not zero.
    if x.is_infinite() || (x == 0.0 && nonzero) {
        return Err(NumberError::OutOfRange);
    }
    in_range(x)
}

/// Whether any digit before the exponent is non-zero, and whether the text is a number.
fn grammar(text: &[u8]) -> (bool, bool) {
    let digits = |from: usize| text.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let mantissa = at;
    let whole = digits(at);
    let is_bare = whole == 0 && text.get(at) == Some(&b'.');
    if (whole == 0 && !is_bare) || (whole > 1 && text.get(at) == Some(&b'0')) {
        return (false, false);
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return (false, false);
        }
        at += 1 + fraction;
    }
    let nonzero = text.iter().take(at).skip(mantissa).any(|byte| (b'1'..=b'9').contains(byte));
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1;
        at += usize::from(matches!(text.get(at), Some(b'-' | b'+')));
        let exponent = digits(at);
        if exponent == 0 {
            return (false, false);
        }
        at += exponent;
    }
    (nonzero, at == text.len())
}

/// `value x 10^-scale`, correctly rounded.
fn decimal(value: i128, scale: i8) -> Result<f64, NumberError> {
    // Both operands are exact, so one division rounds correctly.
    if value.unsigned_abs() < 1 << 53
        && let Some(&power) = usize::try_from(scale).ok().and_then(|scale| EXACT_TEN.get(scale))
    {
        return in_range(value as f64 / power);
    }
    let mut buffer = [0u8; 64];
    let mut rest = buffer.as_mut_slice();
    let written = write!(rest, "{value}e{}", -i32::from(scale)).map(|()| 64 - rest.len());
    let length = written.map_err(|_| NumberError::Invalid)?;
    let text = buffer.get(..length).and_then(|text| std::str::from_utf8(text).ok());
    parse(text.ok_or(NumberError::Invalid)?)
}

/// A column of numbers of any accepted type.
pub(crate) enum Numbers {
    /// The table has no such column: every value is missing.
    Absent,
    Float(Float64Array),
    Signed(Int64Array),
    Unsigned(UInt64Array),
    Decimal(Decimal128Array, i8),
    Text(Text),
}

impl Numbers {
    /// The numbers of an array.
    ///
    /// # Errors
    /// The type cannot represent numbers exactly.
    pub fn new(array: Option<&ArrayRef>) -> Result<Self, String> {
        let Some(array) = array else { return Ok(Self::Absent) };
        Ok(match array.data_type() {
            DataType::Null => Self::Absent,
            DataType::Float64 => Self::Float(array.as_primitive::<Float64Type>().clone()),
            DataType::UInt64 => Self::Unsigned(array.as_primitive::<UInt64Type>().clone()),
            kind if kind.is_integer() => Self::Signed(integers(array)?),
            &DataType::Decimal128(_, scale) => Self::Decimal(array.as_primitive::<Decimal128Type>().clone(), scale),
            &(DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale)) => Self::Decimal(decimals(array)?, scale),
            DataType::Dictionary(_, values) if !is_text(values) => Self::new(Some(&plain(array)?))?,
            DataType::Dictionary(..) => Self::Text(Text::new(Some(array))?),
            kind if is_text(kind) => Self::Text(Text::new(Some(array))?),
            // Float32 too: what was rounded to 24 bits is not the number that was meant.
            kind => return Err(format!("{kind} is no type of a number")),
        })
    }

    /// All rows as stored, if each is a number in range. A negative zero is kept.
    pub fn in_range(&self) -> Option<&[f64]> {
        let Self::Float(array) = self else { return None };
        let values = array.values();
        let fits = |x: &f64| *x == 0.0 || (SMALLEST..=LARGEST).contains(&x.abs());
        let sound = array.null_count() == 0 && values.iter().all(fits);
        sound.then_some(values)
    }

    /// All `rows`, with `missing` for missing values, if each is in range and non-negative.
    pub fn filled(&self, rows: usize, missing: f64) -> Option<Vec<f64>> {
        let array = match self {
            Self::Absent => return Some(vec![missing; rows]),
            Self::Float(array) => array,
            _ => return None,
        };
        let fits = |x: f64| x == 0.0 || (SMALLEST..=LARGEST).contains(&x);
        if array.null_count() == 0 {
            return array.values().iter().all(|&x| fits(x)).then(|| array.values().iter().map(|x| x + 0.0).collect());
        }
        let mut filled = vec![missing; array.len()];
        if array.null_count() < array.len() {
            for (place, x) in filled.iter_mut().zip(array).filter_map(|(place, x)| Some((place, x?))) {
                if !fits(x) {
                    return None;
                }
                *place = x + 0.0;
            }
        }
        Some(filled)
    }

    /// The number of a row; `None` if it is missing (null or an empty string).
    pub fn get(&self, row: usize) -> Result<Option<f64>, NumberError> {
        let number = match self {
            Self::Float(array) if array.is_valid(row) => in_range(array.value(row)),
            Self::Signed(array) if array.is_valid(row) => in_range(array.value(row) as f64),
            Self::Unsigned(array) if array.is_valid(row) => in_range(array.value(row) as f64),
            Self::Decimal(array, scale) if array.is_valid(row) => decimal(array.value(row), *scale),
            Self::Text(text) => match text.get(row) {
                Some(text) => parse(text),
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        number.map(Some)
    }

    /// The figure of a row written by a run, which may be smaller than an input may be; `None` if it is missing.
    pub fn figure(&self, row: usize) -> Option<f64> {
        self.get(row).unwrap_or_else(|_| self.raw(row).parse().ok())
    }

    /// The value of a row as text, for messages; empty if it is missing.
    pub fn raw(&self, row: usize) -> String {
        match self {
            Self::Float(array) if array.is_valid(row) => written(array.value(row)),
            Self::Signed(array) if array.is_valid(row) => array.value(row).to_string(),
            Self::Unsigned(array) if array.is_valid(row) => array.value(row).to_string(),
            Self::Decimal(array, _) if array.is_valid(row) => array.value_as_string(row),
            Self::Text(text) => text.raw(row),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NumberError::{Invalid as Bad, OutOfRange};

    #[test]
    fn strings_become_the_nearest_number_or_are_refused() {
        for (text, expected) in [
            ("0.1", Ok(0.1)),
            ("-0.1", Ok(-0.1)),
            ("+7", Ok(7.0)),
            ("0", Ok(0.0)),
            ("-0.000", Ok(0.0)),
            ("1000000.0000000000000000", Ok(1e6)),
            ("9007199254740993", Ok(9_007_199_254_740_992.0)),
            ("9007199254740993.0000000000000000001", Ok(9_007_199_254_740_994.0)),
            ("1.7976931348623157e3", Ok(1_797.693_134_862_315_7)),
            ("1E2", Ok(100.0)),
            ("2e-3", Ok(0.002)),
            ("1e18", Ok(1e18)),
            ("1e-18", Ok(1e-18)),
            ("0e999999", Ok(0.0)),
            ("1.0000000000000003e18", Err(OutOfRange)),
            ("9e-19", Err(OutOfRange)),
            ("1e-320", Err(OutOfRange)),
            ("1e-400", Err(OutOfRange)),
            ("1e400", Err(OutOfRange)),
            ("-1e99999999999999999999", Err(OutOfRange)),
            ("", Err(Bad)),
            ("-", Err(Bad)),
            ("inf", Err(Bad)),
            ("NaN", Err(Bad)),
            ("Infinity", Err(Bad)),
            ("0x10", Err(Bad)),
            ("1_000", Err(Bad)),
            ("1,000", Err(Bad)),
            (" 1", Err(Bad)),
            ("1 ", Err(Bad)),
            ("007", Err(Bad)),
            (".5", Ok(0.5)),
            ("-.25", Ok(-0.25)),
            (".", Err(Bad)),
            (".e1", Err(Bad)),
            ("5.", Err(Bad)),
            ("1e", Err(Bad)),
            ("1e+", Err(Bad)),
            ("--1", Err(Bad)),
            ("1.2.3", Err(Bad)),
            ("١", Err(Bad)),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
        assert!(parse("-0").unwrap().is_sign_positive());
    }

    #[test]
    fn decimals_round_like_their_text() {
        let values = [0, 1, -1, 15, 9_007_199_254_740_991, 9_007_199_254_740_993, 123_456_789_012_345_678_901_234_567];
        for value in values.into_iter().flat_map(|value: i128| [value, -value]) {
            for scale in [-3i8, 0, 1, 8, 18, 20, 22, 23, 30, 38] {
                let text: f64 = format!("{value}e{}", -i32::from(scale)).parse().unwrap();
                let expected = in_range(text);
                assert_eq!(decimal(value, scale), expected, "{value} scale {scale}");
            }
        }
        assert_eq!(decimal(i128::MAX, 0), Err(OutOfRange));
        assert_eq!(decimal(i128::MIN, -128), Err(OutOfRange));
        assert_eq!(decimal(1, 127), Err(OutOfRange));
        assert_eq!(decimal(10, 20), Ok(1e-19 * 1.0).and_then(in_range));
        assert_eq!(decimal(12_345_678_901_234_567_890_123, 20), Ok(123.456_789_012_345_68));
    }

    #[test]
    fn columns_of_every_type_hold_the_same_number() {
        use arrow_array::{Float32Array, Int8Array, NullArray, StringArray, UInt64Array};
        use std::sync::Arc;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Float64Array::from(vec![Some(7.0), None])),
            Arc::new(Int8Array::from(vec![Some(7), None])),
            Arc::new(UInt64Array::from(vec![Some(7), None])),
            Arc::new(StringArray::from(vec![Some("7"), None])),
            Arc::new(StringArray::from(vec![Some("7.00"), Some("")])),
            Arc::new(Decimal128Array::from(vec![Some(700), None]).with_precision_and_scale(20, 2).unwrap()),
        ];
        for column in &columns {
            let numbers = Numbers::new(Some(column)).unwrap();
            assert_eq!((numbers.get(0), numbers.get(1)), (Ok(Some(7.0)), Ok(None)), "{:?}", column.data_type());
            assert!(numbers.raw(0).starts_with('7') && numbers.raw(1).is_empty());
        }
        let nan: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, f64::INFINITY, -0.0]));
        let numbers = Numbers::new(Some(&nan)).unwrap();
        assert_eq!((numbers.get(0), numbers.get(1)), (Err(Bad), Err(Bad)));
        assert!(numbers.get(2).unwrap().unwrap().is_sign_positive());
        let nulls: ArrayRef = Arc::new(NullArray::new(1));
        assert_eq!(Numbers::new(Some(&nulls)).unwrap().get(0), Ok(None));
        let single: ArrayRef = Arc::new(Float32Array::from(vec![0.1]));
        assert!(Numbers::new(Some(&single)).is_err());
    }
}
