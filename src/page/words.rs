//! Figures and text of the page.

use serde_json::{Value, json};

/// Accounts that were left out, files and changed parameters listed.
pub(super) const LISTED: usize = 100;
/// Characters of an account id.
pub(super) const LONGEST_ID: usize = 64;

/// Text of a length that a page can bear.
pub(crate) fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// USD: cents below 100,000, else dollars.
pub(crate) fn money(x: Option<f64>) -> Value {
    let Some(x) = x else { return Value::Null };
    compact(if x.abs() < 1e5 { (x * 100.0).round() / 100.0 } else { x.round() })
}

/// Six digits.
pub(crate) fn digits(x: Option<f64>) -> Value {
    let Some(x) = x else { return Value::Null };
    format!("{x:.5e}").parse().map_or(Value::Null, compact)
}

/// Whole numbers without a point.
fn compact(x: f64) -> Value {
    if x == x.trunc() && x.abs() < 1e15 { json!(x as i64) } else { json!(x) }
}
