//! The overlay: what is measured, as a rules file with marks.

use super::found::{Parameter, Status};
use std::fmt::Write;

/// How an overlay begins.
pub const BEGIN: &str = "# Measured from the exchange's answers by `remargin calibrate okx`.";

/// The overlay as TOML. Values come before their marks, each with the answers that it comes from.
pub(super) fn overlay<'a>(base: &str, name: &str, parameters: impl Iterator<Item = &'a Parameter>) -> String {
    let mut text = format!(
        "{BEGIN}\n\
         # What the answers do not determine is as in the set below, and stays marked as it is there.\n\
         extends = \"{base}\"\n\
         name = \"{name}\"\n\n"
    );
    for parameter in parameters {
        if let Some(value) = parameter.value.as_ref().filter(|_| is_written(parameter)) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} = {value}   # {}", parameter.key, comment(parameter));
        }
    }
    text
}

/// A contradiction has no value.
fn is_written(parameter: &Parameter) -> bool {
    parameter.status != Status::Contradiction
}

/// Mark, range, answers, note. A comment must not hold another mark than its own.
fn comment(parameter: &Parameter) -> String {
    let mark = match parameter.mark {
        "M/A" => "[M] as the answers have it, [A] as noted",
        "A" => "[A]",
        _ => "[M]",
    };
    let mut parts = vec![mark.to_owned()];
    if let Some((low, high)) = parameter.range {
        parts.push(format!("+-{:.1e}", (high - low) / 2.0));
    }
    parts.push(answers(parameter));
    parts.push(parameter.note.clone());
    parts.retain(|part| !part.is_empty());
    let text = parts.join("; ");
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The answers of a parameter, the first of them by name.
pub(super) fn answers(parameter: &Parameter) -> String {
    let named = parameter.answers.join(", ");
    let more = parameter.count.saturating_sub(parameter.answers.len());
    match (parameter.answers.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => named,
        (false, more) => format!("{named} and {more} more"),
    }
}
