//! A reconciliation as text and as JSON.

use super::compare::{Comparison, Figure, Reconciliation};
use crate::{Error, Result};
use comfy_table::{CellAlignment, Table, presets};
use std::collections::BTreeMap;
use std::fmt::Write;

impl Reconciliation {
    /// The largest difference of each component, the breaks, and the fields not compared.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "{} account(s), {} risk unit(s): {} figures compared, {} break(s) beyond {:e} relative and {:e} absolute\n",
            self.accounts,
            self.units,
            self.comparisons.len(),
            self.breaks,
            self.tolerance,
            self.abs_tolerance
        );
        text += "\nBy component\n";
        text += &self.by_component();
        if self.breaks > 0 {
            text += "\nBreaks\n";
            let breaks = self.comparisons.iter().filter(|comparison| comparison.is_break);
            let rows = breaks.map(|line| {
                vec![
                    line.account.clone(),
                    line.unit.clone().unwrap_or_default(),
                    line.component.to_owned(),
                    shown(line.ours.as_ref()),
                    shown(line.theirs.as_ref()),
                    line.difference.map_or_else(String::new, |x| format!("{x:.3e}")),
                    line.relative.map_or_else(String::new, |x| format!("{x:.1e}")),
                    line.source.to_owned(),
                ]
            });
            text += &table(
                &["account", "unit", "component", "ours", "exchange", "difference", "relative", "answer"],
                rows.collect(),
            );
        }
        if !self.not_compared.is_empty() {
            let fields: Vec<String> = self.not_compared.iter().map(|(what, n)| format!("{what} ({n})")).collect();
            let _ = writeln!(text, "\nNot compared: {}", fields.join(", "));
        }
        if self.blank > 0 {
            let _ = writeln!(text, "Blank in the answer: {} field(s)", self.blank);
        }
        text
    }

    /// Compared, breaks and largest differences of each component, in order of first appearance.
    fn by_component(&self) -> String {
        let mut order: Vec<&str> = Vec::new();
        let mut groups: BTreeMap<&str, Vec<&Comparison>> = BTreeMap::new();
        for comparison in &self.comparisons {
            let group = groups.entry(comparison.component).or_default();
            if group.is_empty() {
                order.push(comparison.component);
            }
            group.push(comparison);
        }
        let largest = |group: &[&Comparison], of: fn(&Comparison) -> Option<f64>| {
            let figures = group.iter().filter_map(|comparison| of(comparison));
            figures.map(f64::abs).reduce(f64::max).map_or_else(String::new, |x| format!("{x:.1e}"))
        };
        let rows = order.into_iter().map(|component| {
            let group = groups.get(component).map_or(&[] as &[_], Vec::as_slice);
            vec![
                component.to_owned(),
                group.len().to_string(),
                group.iter().filter(|comparison| comparison.is_break).count().to_string(),
                largest(group, |comparison| comparison.difference),
                largest(group, |comparison| comparison.relative),
            ]
        });
        table(&["component", "compared", "breaks", "largest difference", "relative"], rows.collect())
    }

    /// As JSON, every comparison in full precision.
    ///
    /// # Errors
    /// [`Error::Runtime`] if it cannot be serialised.
    pub fn to_json(&self) -> Result<serde_json::Value> {
        serde_json::to_value(self).map_err(|error| Error::Runtime(error.to_string()))
    }
}

fn shown(figure: Option<&Figure>) -> String {
    match figure {
        Some(Figure::Number(number)) => number.to_string(),
        Some(Figure::Name(name)) => name.clone(),
        None => "none".to_owned(),
    }
}

fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.to_vec());
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.lines().fold(String::new(), |text, line| text + "  " + line.trim_end() + "\n")
}
