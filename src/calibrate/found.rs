//! What is found of each parameter.

use super::printed::{Printed, simplest};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A range wider than this, in parts of the value, is told as a range.
const SHARP: f64 = 1e-6;
/// The same for a value of zero.
const SHARP_ZERO: f64 = 1e-9;
/// A table whose figures are open by more than this has no value.
const COARSE: f64 = 1e-3;

/// How far a parameter is determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Its range is narrower than a millionth of its value.
    Measured,
    /// The answers leave a wider range, or determine parts of it.
    Partly,
    /// The answers say nothing of it, or bounds only.
    Undetermined,
    /// Two answers do not allow the same value.
    Contradiction,
}

/// A key of the rules and what the answers say of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parameter {
    /// `mr4.floor.major`.
    pub key: String,
    /// How far it is determined.
    pub status: Status,
    /// Its value as TOML, if the overlay gives one.
    pub value: Option<String>,
    /// What the printed digits allow, of a single number.
    pub range: Option<(f64, f64)>,
    /// Answers that it comes from; the two that contradict each other.
    pub answers: Vec<String>,
    /// How many answers agree.
    pub count: usize,
    /// Marks of the overlay: `M`, or `M` and `A` where parts are assumed.
    pub mark: &'static str,
    /// What else there is to say.
    pub note: String,
    /// Probes that would determine it.
    pub probes: Vec<String>,
}

impl Parameter {
    pub(super) fn new(key: impl Into<String>, status: Status) -> Self {
        Self {
            key: key.into(),
            status,
            value: None,
            range: None,
            answers: Vec::new(),
            count: 0,
            mark: "M",
            note: String::new(),
            probes: Vec::new(),
        }
    }

    /// A value with the answers that it comes from.
    pub(super) fn measured(key: impl Into<String>, value: impl Into<String>, answers: &BTreeSet<String>) -> Self {
        Self { value: Some(value.into()), ..Self::new(key, Status::Measured) }.from(answers)
    }

    pub(super) fn from(mut self, answers: &BTreeSet<String>) -> Self {
        const SHOWN: usize = 3;
        self.count = answers.len();
        self.answers = answers.iter().take(SHOWN).cloned().collect();
        self
    }

    /// In part, if digits leave a range as wide as this, in parts of the value.
    pub(super) fn known_to(mut self, relative: f64) -> Self {
        if relative > COARSE {
            self.status = Status::Undetermined;
            self.value = None;
            self.note = format!("{}; the digits leave its figures open by {relative:.0e} of themselves", self.note);
        } else if relative > SHARP {
            self.status = Status::Partly;
            self.note = format!("{}; figures known to {relative:.0e} of themselves", self.note);
        }
        self
    }

    /// No table, unless the answers reach beyond its last bound in the set: above the largest amount that was asked
    /// for another tier may begin.
    pub(super) fn reaches(mut self, largest: f64, bounds: impl Iterator<Item = f64>) -> Self {
        let last = bounds.filter(|bound| bound.is_finite()).fold(0.0, f64::max);
        // A bound that was asked for exactly may have been rounded.
        if largest <= last * (1.0 - SHARP) {
            self.status = Status::Undetermined;
            self.value = None;
            let (largest, last) = (number(largest), number(last));
            self.note = format!("{}; seen up to {largest} only, and the set has a bound at {last}", self.note);
        }
        self
    }

    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// Everything that is found.
#[derive(Debug, Default)]
pub(super) struct Found {
    parameters: BTreeMap<String, Parameter>,
    observed: BTreeMap<String, Vec<(Printed, String)>>,
}

impl Found {
    /// A value of a parameter that one answer allows.
    pub fn observe(&mut self, key: impl Into<String>, value: Option<Printed>, answer: &str) {
        if let Some(value) = value {
            self.observed.entry(key.into()).or_default().push((value, answer.to_owned()));
        }
    }

    /// What is known of a parameter; a later word replaces an earlier one.
    pub fn put(&mut self, parameter: Parameter) {
        self.parameters.insert(parameter.key.clone(), parameter);
    }

    /// The range that all answers so far allow; `None` without one, or where they contradict each other.
    pub fn range(&self, key: &str) -> Option<Printed> {
        let observed = self.observed.get(key)?;
        let (low, high) = bounds(observed);
        let range = Printed { value: f64::midpoint(low, high), half: (high - low) / 2.0 };
        (low <= high).then_some(Printed { value: simplest(low, high), ..range })
    }

    /// The value that was put for a parameter.
    pub fn word(&self, key: &str) -> Option<&str> {
        self.parameters.get(key)?.value.as_deref()
    }

    /// All parameters: what was put, and what the observations allow.
    pub fn finish(mut self) -> BTreeMap<String, Parameter> {
        for (key, observed) in &self.observed {
            let parameter = of_observations(key, observed);
            self.parameters.entry(key.clone()).or_insert(parameter);
        }
        self.parameters
    }
}

fn bounds(observed: &[(Printed, String)]) -> (f64, f64) {
    let low = observed.iter().map(|(value, _)| value.low()).fold(f64::NEG_INFINITY, f64::max);
    let high = observed.iter().map(|(value, _)| value.high()).fold(f64::INFINITY, f64::min);
    (low, high)
}

fn of_observations(key: &str, observed: &[(Printed, String)]) -> Parameter {
    let (low, high) = bounds(observed);
    let answers: BTreeSet<String> = observed.iter().map(|(_, answer)| answer.clone()).collect();
    if low > high {
        // The two answers that are furthest apart.
        let highest = observed.iter().find(|(value, _)| value.low() == low);
        let lowest = observed.iter().find(|(value, _)| value.high() == high);
        let sides: Vec<&(Printed, String)> = [highest, lowest].into_iter().flatten().collect();
        let named: BTreeSet<String> = sides.iter().map(|(_, answer)| answer.clone()).collect();
        let says =
            |(value, answer): &&(Printed, String)| format!("{answer} says {}", simplest(value.low(), value.high()));
        let sides: Vec<String> = sides.iter().map(says).collect();
        let parameter = Parameter::new(key, Status::Contradiction).from(&named).note(sides.join(", "));
        return Parameter { count: answers.len(), ..parameter };
    }
    let value = simplest(low, high);
    let half = (high - low) / 2.0;
    let is_sharp = half <= SHARP * value.abs() || (value == 0.0 && half <= SHARP_ZERO);
    let status = if is_sharp { Status::Measured } else { Status::Partly };
    let parameter = Parameter { status, ..Parameter::measured(key, number(value), &answers) };
    Parameter { range: Some((low, high)), ..parameter }
}

/// A number as TOML.
pub(super) fn number(value: f64) -> String {
    let value = value + 0.0;
    if value.is_infinite() { "\"inf\"".to_owned() } else { format!("{value:?}") }
}

/// A list of numbers as TOML.
pub(super) fn list(values: &[f64]) -> String {
    format!("[{}]", values.iter().map(|value| number(*value)).collect::<Vec<_>>().join(", "))
}

/// Rows of a tier table as TOML.
pub(super) fn table(rows: &[Vec<f64>]) -> String {
    format!("[{}]", rows.iter().map(|row| list(row)).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_ends_where_the_answers_end() {
        let table = || Parameter::measured("mr7.tiers.major", "[[\"inf\", 1.0]]", &BTreeSet::new()).note("36 points");
        let bounds = [250_000.0, 4e6, f64::INFINITY];
        let short = table().reaches(3_229.7, bounds.into_iter());
        assert_eq!((short.status, short.value), (Status::Undetermined, None));
        assert!(short.note.contains("3229.7") && short.note.contains("4000000.0"), "{}", short.note);
        assert_eq!(table().reaches(4.1e6, bounds.into_iter()), table());
    }
}
