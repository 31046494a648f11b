//! A calibration as text.

use super::found::{Parameter, Status};
use super::overlay::answers;
use super::{Calibration, Residual};
use std::fmt::Write;

/// Residuals that the text shows.
const SHOWN: usize = 20;
/// A tier table is longer than a line.
const WIDEST: usize = 60;

impl Calibration {
    /// The result for a terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{} over {}: {} answers about {}\n", self.name, self.extends, self.answers, self.as_of);
        let counts = [
            (Status::Measured, "measured"),
            (Status::Partly, "in part"),
            (Status::Undetermined, "not determined"),
            (Status::Contradiction, "contradicted"),
        ];
        let counts: Vec<String> =
            counts.iter().map(|(status, word)| format!("{} {word}", self.count(*status))).collect();
        let _ = writeln!(text, "parameters: {}", counts.join(", "));
        if !self.missing.is_empty() {
            let named: Vec<&str> = self.missing.iter().take(3).map(String::as_str).collect();
            let more = if self.missing.len() > named.len() { ", ..." } else { "" };
            let _ = writeln!(text, "probes without an answer: {}: {}{more}", self.missing.len(), named.join(", "));
        }
        section(&mut text, "answers set aside", &self.set_aside);
        section(&mut text, "passed over", &self.passed_over);
        for (status, title) in [
            (Status::Contradiction, "contradictions"),
            (Status::Measured, "measured"),
            (Status::Partly, "measured in part"),
            (Status::Undetermined, "not determined"),
        ] {
            let listed: Vec<&Parameter> = self.parameters.iter().filter(|it| it.status == status).collect();
            if !listed.is_empty() {
                let _ = writeln!(text, "\n{title}");
                for parameter in listed {
                    line(&mut text, parameter);
                }
            }
        }
        self.residual_text(&mut text);
        text
    }

    fn residual_text(&self, text: &mut String) {
        let (all, tolerance) = (self.residuals.len(), self.tolerance);
        let _ = writeln!(text, "\n{all} figures of the answers beside ours, {} beyond {tolerance:e}", self.breaks);
        if let Some(worst) = self.residuals.iter().map(|residual| residual.relative).reduce(f64::max) {
            let _ = writeln!(text, "  largest relative difference {worst:.1e}");
        }
        let shown = self.residuals.iter().filter(|residual| residual.is_break).take(SHOWN);
        for Residual { answer, unit, figure, exchange, ours, difference, relative, .. } in shown {
            let place = if unit.is_empty() { String::new() } else { format!(" {unit}") };
            let _ = writeln!(
                text,
                "  {answer}{place} {figure}: exchange {exchange}, ours {ours}, by {difference:.3e} ({relative:.1e})"
            );
        }
        if self.breaks > SHOWN {
            let _ = writeln!(text, "  and {} more; `--format json` lists all", self.breaks - SHOWN);
        }
    }
}

fn section(text: &mut String, title: &str, rows: &[(String, String)]) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    for (name, why) in rows {
        let _ = writeln!(text, "  {name}: {why}");
    }
}

fn line(text: &mut String, parameter: &Parameter) {
    let value = parameter.value.as_deref().map_or_else(String::new, |value| format!(" = {}", short(value)));
    let mut parts = Vec::new();
    if let Some((low, high)) = parameter.range {
        parts.push(if parameter.value.is_some() {
            format!("+-{:.1e}", (high - low) / 2.0)
        } else {
            format!("{low} to {high}")
        });
    }
    parts.push(parameter.note.clone());
    if !parameter.probes.is_empty() {
        parts.push(format!("probes: {}", parameter.probes.join(", ")));
    }
    parts.push(answers(parameter));
    parts.retain(|part| !part.is_empty());
    let _ = writeln!(text, "  {}{value}  ({})", parameter.key, parts.join("; "));
}

fn short(value: &str) -> String {
    if value.chars().count() <= WIDEST {
        return value.to_owned();
    }
    value.chars().take(WIDEST).chain(" ...".chars()).collect()
}
