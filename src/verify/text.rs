//! Verifications and replays as text and JSON.

use super::replay::Replay;
use super::{Difference, Rebuilt, Signature, Verification};
use crate::{Error, Result};
use std::fmt::Write;

/// Differences that text shows.
const SHOWN: usize = 20;

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Verification {
    /// For people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Self { run, remargin, as_of, rules, outputs, inputs, .. } = self;
        let mut text = format!("{run}: as of {as_of}, rules {rules}, by remargin {remargin}\n\n");
        if let Some(Signature { key, problem, comment }) = &self.signature {
            let outcome = problem.clone().unwrap_or_else(|| format!("by {key}, {}", comment.as_deref().unwrap_or("")));
            let _ = writeln!(text, "{:<10} {outcome}", "signature");
        }
        for (what, files) in [("outputs", outputs), ("inputs", inputs)] {
            let (same, named) = (grouped(files.same), grouped(files.named));
            let _ =
                writeln!(text, "{what:<10} {same} of {named} files have their hash, {} bytes", grouped(files.bytes));
            if !files.absent.is_empty() {
                let _ = writeln!(text, "{:<10} not there any more: {}", "", files.absent.join(", "));
            }
            if !files.not_named.is_empty() {
                let _ = writeln!(text, "{:<10} not in the manifest: {}", "", files.not_named.join(", "));
            }
        }
        if let Some(Rebuilt { outputs, same, taken_over, .. }) = &self.rebuilt {
            let _ =
                writeln!(text, "{:<10} {same} of {outputs} outputs have the same bytes when computed again", "rebuilt");
            if let Some(earlier) = taken_over {
                let _ = writeln!(text, "{:<10} not compared again: the earlier run `{earlier}` is gone", "");
            }
        }
        let _ = writeln!(text, "{:<10} {} compared", "counts", grouped(self.counts));
        if let Some(derived) = &self.derived {
            let _ = writeln!(
                text,
                "{:<10} {} of {} accounts derived again, {} scenario(s), {} risk units: {} figures compared",
                "sample",
                grouped(derived.accounts),
                grouped(derived.of_accounts),
                grouped(derived.scenarios),
                grouped(derived.risk_units),
                grouped(derived.figures),
            );
        }
        if let Some(why) = &self.not_derived {
            let _ = writeln!(text, "{:<10} no account derived again: {why}", "sample");
        }
        if self.agrees() {
            text += "\nagrees\n";
            return text;
        }
        if let Some(rebuilt) = self.rebuilt.as_ref().filter(|rebuilt| rebuilt.remargin != *remargin) {
            let now = &rebuilt.remargin;
            let _ = writeln!(
                text,
                "\nwritten by remargin {remargin}, computed again by {now}: differences may come from that"
            );
        }
        let _ = writeln!(text, "\n{} difference(s)", grouped(self.differing));
        for difference in self.differences.iter().take(SHOWN) {
            let _ = writeln!(text, "{}", difference.to_text());
        }
        if self.differing > SHOWN as u64 {
            let _ = writeln!(text, "and {} more", grouped(self.differing - SHOWN as u64));
        }
        text
    }

    /// For programs.
    ///
    /// # Errors
    /// [`Error::Runtime`] if it cannot be serialised.
    pub fn to_json(&self) -> Result<serde_json::Value> {
        serde_json::to_value(self).map_err(|error| Error::Runtime(error.to_string()))
    }
}

impl Difference {
    fn to_text(&self) -> String {
        let mut place = format!("file `{}`", self.file);
        if let Some(row) = self.row {
            let _ = write!(place, ", row {row}");
        }
        let _ = write!(place, ", `{}`", self.column);
        let owners = [("account", &self.account), ("scenario", &self.scenario), ("risk unit", &self.risk_unit)];
        for (what, name) in owners {
            if let Some(name) = name {
                let _ = write!(place, ", {what} `{name}`");
            }
        }
        let tolerance = if self.tolerance > 0.0 { format!(", tolerance {:e}", self.tolerance) } else { String::new() };
        format!("  at:       {place}\n  found:    {}\n  expected: {}{tolerance}", self.found, self.expected)
    }
}

impl Replay {
    /// For people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{}: replayed by remargin {}\n\n", self.manifest, self.replayed_by);
        for file in &self.files {
            let outcome = match (&file.difference, file.compared) {
                (Some(difference), _) => format!("differs: {difference}"),
                (None, true) => "same".to_owned(),
                (None, false) => "same hash; the file itself is not there any more".to_owned(),
            };
            let _ = writeln!(text, "{:<22} {:>15} bytes  {outcome}", file.name, grouped(file.bytes));
        }
        text += if self.agrees() { "\nsame\n" } else { "\ndiffers\n" };
        if !self.agrees() && self.written_by != self.replayed_by {
            let _ = writeln!(text, "the run was written by remargin {}", self.written_by);
        }
        text
    }

    /// For programs.
    ///
    /// # Errors
    /// [`Error::Runtime`] if it cannot be serialised.
    pub fn to_json(&self) -> Result<serde_json::Value> {
        serde_json::to_value(self).map_err(|error| Error::Runtime(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_threes() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
