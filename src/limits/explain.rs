//! Limits in plain words, and as JSON.

use super::figures::{Command, Source};
use super::file::{Limit, Limits};
use super::rule::{Rule, Scope, Test, Which, grouped};
use crate::figures::Unit;
use crate::{Error, Result};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

impl Limits {
    /// What each limit says, for people.
    #[must_use]
    pub fn explained(&self, file: &Path) -> String {
        let count = self.all().len();
        let mut text = format!("{}: valid, {count} limit(s), hash {}\n", file.display(), self.blake3());
        for limit in self.all() {
            let Limit { name, rule, severity, .. } = limit;
            let _ = writeln!(text, "\n{name} ({severity})");
            let _ = writeln!(text, "  rule:   {rule}");
            let _ = writeln!(text, "  means:  {}", means(limit));
            let _ = writeln!(text, "  figure: {}", rule.figure.meaning);
            let _ = writeln!(text, "  of:     {}", commands(rule));
            if let Some(words) = &limit.text {
                let _ = writeln!(text, "  text:   {words}");
            }
        }
        text
    }

    /// The same for programs.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the library fails.
    pub fn to_json(&self) -> Result<Value> {
        let limit = |limit: &Limit| {
            let Limit { name, rule, severity, text, only, scenarios, .. } = limit;
            json!({
                "name": name,
                "severity": severity,
                "rule": rule.to_string(),
                "means": means(limit),
                "text": text,
                "scope": rule.scope.name(),
                "by": rule.scope.grouping().map(ToString::to_string),
                "figure": rule.figure.name,
                "unit": rule.figure.unit.name(),
                "operator": rule.test.operator(),
                "least": rule.test.least(),
                "most": rule.test.most(),
                "only": only,
                "scenarios": scenarios,
                "commands": have(rule).map(Command::name).collect::<Vec<_>>(),
            })
        };
        let all: Vec<Value> = self.all().iter().map(limit).collect();
        serde_json::to_value(json!({ "blake3": self.blake3(), "limits": all }))
            .map_err(|error| Error::Runtime(error.to_string()))
    }
}

/// The commands that have the figure.
fn have(rule: &Rule) -> impl Iterator<Item = Command> {
    Command::ALL.into_iter().filter(|command| rule.figure.source(*command).is_some())
}

fn commands(rule: &Rule) -> String {
    let each = have(rule).filter_map(|command| {
        let table = rule.figure.source(command)?.table();
        Some(format!("`remargin {}`, from its table `{table}`", command.name()))
    });
    each.collect::<Vec<_>>().join("; ")
}

/// `mmr` of every group by `desk`, in every scenario, must be at most 50,000,000 USD.
fn means(limit: &Limit) -> String {
    let Limit { rule, only, scenarios, .. } = limit;
    let quoted = |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let unit = |unit: &Which| match unit {
        Which::Each => "every risk unit".to_owned(),
        Which::Named(name) => format!("the risk unit `{name}`"),
    };
    let every = |noun: &str| match only.as_slice() {
        [] => format!("every {noun}"),
        [_] => format!("the {noun}"),
        _ => format!("each of the {noun}s"),
    };
    let named = if only.is_empty() { String::new() } else { format!(" {}", quoted(only)) };
    let whose = match &rule.scope {
        Scope::Account => format!("{}{named}", every("account")),
        Scope::AccountUnit(of) => format!("{} of {}{named}", unit(of), every("account")),
        Scope::Worst => format!("{}{named} in the scenario with its lowest margin ratio", every("account")),
        Scope::Group(by) => format!("{}{named} by `{by}`", every("group")),
        Scope::GroupUnit(by, of) => format!("{} of {}{named} by `{by}`", unit(of), every("group")),
        Scope::Unit(of) => format!("{} over all accounts", unit(of)),
        Scope::Book => "all accounts together".to_owned(),
    };
    let is_over_scenarios = rule.figure.source(Command::Stress).is_some_and(Source::is_over_scenarios);
    let when = if is_over_scenarios || rule.scope == Scope::Worst && scenarios.is_empty() {
        String::new()
    } else if scenarios.is_empty() {
        ", in every scenario".to_owned()
    } else {
        let noun = if scenarios.len() == 1 { "scenario" } else { "scenarios" };
        format!(", in the {noun} {}", quoted(scenarios))
    };
    format!("`{}` of {whose}{when}, must be {}", rule.figure.name, must(rule.test, rule.figure.unit))
}

fn must(test: Test, unit: Unit) -> String {
    let shown = |value: f64| match unit {
        Unit::Count | Unit::Ratio => digits(value),
        unit => format!("{} {}", digits(value), unit.name()),
    };
    match test {
        Test::Below(most) => format!("below {}", shown(most)),
        Test::AtMost(most) => format!("at most {}", shown(most)),
        Test::Above(least) => format!("above {}", shown(least)),
        Test::AtLeast(least) => format!("at least {}", shown(least)),
        Test::Between(least, most) => format!("from {} to {}", digits(least), shown(most)),
    }
}

/// All digits of a number, with commas between its thousands.
fn digits(value: f64) -> String {
    grouped(value, ',')
}
