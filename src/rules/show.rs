//! A loaded set as text and as JSON, as `remargin rules show` prints it.

use super::{LoadedRules, Mark, RuleValue};
use serde_json::{Value as Json, json};
use std::fmt::Write;

/// Which values of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// All.
    All,
    /// Those that are assumed.
    Assumed,
}

impl Shown {
    fn of(self, loaded: &LoadedRules) -> Vec<&RuleValue> {
        let is_assumed = |value: &RuleValue| value.mark.as_ref().is_some_and(Mark::is_assumed);
        loaded.values.iter().filter(|value| self == Self::All || is_assumed(value)).collect()
    }
}

/// The set as text: name, hash and counts, then one line a value, aligned, with mark and source as a comment. It is
/// valid TOML with dotted keys, and no value is cut.
#[must_use]
pub fn show(loaded: &LoadedRules, which: Shown) -> String {
    // A long list of tiers must not push all sources far to the right.
    const WIDEST_VALUE: usize = 40;
    let values = which.of(loaded);
    let key_width = values.iter().map(|value| value.key.len()).max().unwrap_or(0);
    let value_width = values.iter().map(|value| value.value.len()).max().unwrap_or(0).min(WIDEST_VALUE);
    let figures = loaded.figures();
    let mut text = format!(
        "# {}, hash {}\n# figures: {} published, {} measured, {} assumed, {} of your own\n",
        loaded.rules.name, loaded.hash, figures.published, figures.measured, figures.assumed, figures.own
    );
    for value in values {
        // Writing to a string cannot fail.
        let mark = value.mark.as_ref().map_or_else(String::new, |mark| match mark.note.as_str() {
            "" => format!("{} ", mark.label()),
            note if note.starts_with('[') => format!("{note} "),
            note => format!("{} {note} ", mark.label()),
        });
        let _ = writeln!(text, "{:key_width$} = {:value_width$}  # {mark}({})", value.key, value.value, value.source);
    }
    text
}

/// The set as JSON: `name`, `hash`, counts of all `figures` by mark, and under `values` a list of `key`, `value` (as
/// TOML), `source` and `mark`.
#[must_use]
pub fn to_json(loaded: &LoadedRules, which: Shown) -> Json {
    let values: Vec<_> = which
        .of(loaded)
        .into_iter()
        .map(|value| {
            let RuleValue { key, value, source, mark } = value;
            json!({ "key": key, "value": value, "source": source, "mark": mark })
        })
        .collect();
    let (name, figures) = (&loaded.rules.name, loaded.figures());
    json!({ "name": name, "hash": loaded.hash, "figures": figures, "values": values })
}
