//! One JSON object of a response, with its fields as text.
//!
//! The exchange writes numbers as strings and a missing value as an empty string. A few fields are JSON numbers or
//! booleans. All fields are returned as text, digit for digit, so that the loader of the snapshot converts each number
//! once.

use rust_decimal::Decimal;
use serde_json::{Map, Value};

/// A required field is missing, or a field is not a text, a number or a boolean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault(pub String);

/// One object of a response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a>(pub &'a Map<String, Value>);

impl<'a> Row<'a> {
    /// The row, if the value is an object.
    pub fn of(value: &'a Value) -> Result<Self, Fault> {
        value.as_object().map(Self).ok_or_else(|| Fault("the row is not an object".to_owned()))
    }

    /// True if there is a field of this name.
    pub fn has(self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The first of several names of a field (new names first) that has a value; `None` if all are missing or empty.
    pub fn text(self, names: &[&str]) -> Result<Option<String>, Fault> {
        for name in names {
            let text = match self.0.get(*name) {
                None | Some(Value::Null) => continue,
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                Some(Value::Bool(flag)) => flag.to_string(),
                Some(Value::Array(_) | Value::Object(_)) => return Err(Fault(format!("`{name}` is not a text"))),
            };
            if text.chars().any(char::is_control) {
                return Err(Fault(format!("`{name}` contains a control character")));
            }
            if !text.is_empty() {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// A required field.
    pub fn required(self, names: &[&str]) -> Result<String, Fault> {
        let missing = || Fault(format!("`{}` is missing", names.first().copied().unwrap_or_default()));
        self.text(names)?.ok_or_else(missing)
    }

    /// A time in milliseconds since 1970; zero if missing.
    pub fn time_ms(self, names: &[&str]) -> i64 {
        self.text(names).ok().flatten().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// True for an order that waits for its trigger: it has an id among the algo orders, and none among the orders.
    pub fn is_algo_order(self) -> bool {
        let has = |name: &str| self.text(&[name]).is_ok_and(|text| text.is_some_and(|text| text != "0"));
        has("algoId") && !has("ordId") && self.has("side")
    }

    /// The objects of a list field; empty if missing.
    pub fn list(self, name: &str) -> &'a [Value] {
        self.0.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

/// Base and quote of an underlying, from its own name or the name of a family or instrument: the underlying of both
/// `BTC-USD_UM` and `BTC-USD-260428-72000-C` is `BTC-USD`. Names are split at hyphens only.
pub(crate) fn underlying(name: &str) -> Option<String> {
    let mut parts = name.split('-');
    let (base, quote) = (parts.next()?, parts.next()?);
    let quote = quote.split('_').next().unwrap_or(quote);
    (!base.is_empty() && !quote.is_empty()).then(|| format!("{base}-{quote}"))
}

/// The instrument type of a row: what it says, else what its instrument is called.
pub(crate) fn type_of_row(row: Row) -> String {
    let stated = row.text(&["instType"]).ok().flatten();
    stated.unwrap_or_else(|| type_of(&row.text(&["instId"]).ok().flatten().unwrap_or_default()).to_owned())
}

/// The type of an instrument, from its id.
pub(crate) fn type_of(inst_id: &str) -> &'static str {
    match inst_id.rsplit('-').next() {
        Some("SWAP") => "SWAP",
        Some("C" | "P") => "OPTION",
        _ => "FUTURES",
    }
}

/// True for `0`, `-0.00`.
pub(crate) fn is_zero(text: &str) -> bool {
    text.contains('0') && text.chars().all(|c| matches!(c, '0' | '.' | '-' | '+'))
}

/// An exact decimal, with or without an exponent.
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok()
}

/// A finite number.
pub(crate) fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_as_text() {
        let value = json!({"a": "1.00", "b": "", "c": 7, "d": false, "e": null, "f": [1], "g": "x\ny"});
        let row = Row::of(&value).unwrap();
        for (names, expected) in [
            (&["a"] as &[&str], Ok(Some("1.00"))),
            (&["b"], Ok(None)),
            (&["b", "c"], Ok(Some("7"))),
            (&["d"], Ok(Some("false"))),
            (&["e", "none"], Ok(None)),
            (&["f"], Err("`f` is not a text")),
            (&["g"], Err("`g` contains a control character")),
        ] {
            let expected = expected.map(|text| text.map(str::to_owned)).map_err(|text| Fault(text.to_owned()));
            assert_eq!(row.text(names), expected, "{names:?}");
        }
        assert_eq!(row.required(&["b"]), Err(Fault("`b` is missing".to_owned())));
    }

    #[test]
    fn underlyings_of_names() {
        for (name, expected) in [
            ("BTC-USD", Some("BTC-USD")),
            ("BTC-USD_UM", Some("BTC-USD")),
            ("BTC-USD_UM_XPERP-310404", Some("BTC-USD")),
            ("BTC-USD-260428-72000-C", Some("BTC-USD")),
            ("BTC", None),
            ("-USD", None),
            ("BTC-_UM", None),
        ] {
            assert_eq!(underlying(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn zeros_and_decimals() {
        for (text, zero) in [("0", true), ("-0.00", true), ("", false), ("0.1", false), ("-", false)] {
            assert_eq!(is_zero(text), zero, "{text:?}");
        }
        assert_eq!(decimal("-78589.37"), Some(Decimal::new(-7_858_937, 2)));
        assert_eq!(decimal("-2.5E-3"), Some(Decimal::new(-25, 4)));
        assert_eq!(decimal("x"), None);
    }
}
