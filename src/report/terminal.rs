//! The summary as a person reads it at the end of a run.

use super::Summary;
use super::stress_summary::StressSummary;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

/// Risk units shown; the rest is summed up in one line.
const UNITS_SHOWN: usize = 8;

/// A few lines of text, at most 80 columns wide, without colour.
#[must_use]
pub fn summary_table(summary: &Summary) -> String {
    let accounts = &summary.accounts;
    let status = &accounts.by_status;
    let totals = &summary.totals;
    let mut left = vec![
        ("margined", count(accounts.margined)),
        ("unmargined", count(accounts.unmargined)),
        ("liquidation", count(status.liquidation)),
        ("near_liquidation", count(status.near_liquidation)),
        ("warning", count(status.warning)),
        ("healthy", count(status.healthy)),
        ("no_risk", count(status.no_risk)),
        ("im_deficit", count(accounts.im_deficit)),
        ("ineligible", count(accounts.ineligible)),
    ];
    let right = [
        ("adjusted equity", usd(totals.adj_eq)),
        ("unrealised P&L", usd(totals.upl)),
        ("MMR", usd(totals.mmr)),
        ("  of it borrowing", usd(totals.borrow_mmr)),
        ("IMR", usd(totals.imr)),
        ("liquidation fee", usd(totals.liquidation_fee)),
        ("hedging saves MMR", usd(summary.hedge_saving.mmr)),
        ("rows set aside", count(summary.rejects.rows)),
        ("  of them broken", count(summary.rejects.broken)),
    ];
    left.resize(left.len().max(right.len()), ("", String::new()));
    let mut table = plain(&["accounts", "", "USD", ""]);
    for ((left_name, left_value), (right_name, right_value)) in left.into_iter().zip(right) {
        table.add_row([left_name.into(), number(left_value), right_name.into(), number(right_value)]);
    }
    let title = format!("{} · rules {}", summary.as_of, short(&summary.rules.name, 40));
    format!("{title}\n\n{}\n\n{}", table.trim_fmt(), unit_table(summary).trim_fmt())
}

/// The base case and the scenarios that bring most accounts into liquidation: a few lines of text, at most 80 columns
/// wide, without colour.
#[must_use]
pub fn stress_table(summary: &StressSummary) -> String {
    let base = &summary.base;
    let mut table = plain(&["scenario", "liquidation", "newly", "below IMR", "USD below zero"]);
    for row in &summary.most_liquidations {
        table.add_row([
            short(&row.scenario, 22).into(),
            number(count(row.liquidation)),
            number(count(row.newly_liquidation)),
            number(count(row.im_deficit)),
            number(usd(row.shortfall)),
        ]);
    }
    let title = format!("{} · rules {}", base.as_of, short(&base.rules.name, 40));
    let (accounts, scenarios) = (count(base.accounts.margined), count(summary.scenarios));
    format!("{title}\n{accounts} accounts in {scenarios} scenarios, the worst first\n\n{}", table.trim_fmt())
}

/// The units with the largest margin, largest first.
fn unit_table(summary: &Summary) -> Table {
    let mut units: Vec<_> = summary.risk_units.iter().collect();
    units.sort_by(|a, b| b.mmr.total_cmp(&a.mmr));
    let mut table = plain(&["risk unit", "accounts", "MMR, USD", "share", "MR7 binds"]);
    for unit in units.iter().take(UNITS_SHOWN) {
        table.add_row([
            short(&unit.risk_unit, 18).into(),
            number(count(unit.accounts)),
            number(usd(unit.mmr)),
            number(unit.mmr_share.map_or_else(String::new, |share| format!("{:.1} %", share * 100.0))),
            number(count(unit.binding.mr7)),
        ]);
    }
    if let Some(rest) = units.get(UNITS_SHOWN..).filter(|rest| !rest.is_empty()) {
        let mmr = rest.iter().map(|unit| unit.mmr).sum();
        table.add_row([format!("{} more", rest.len()).into(), number(String::new()), number(usd(mmr))]);
    }
    table
}

pub(super) fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.to_vec());
    table
}

pub(super) fn number(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

pub(super) fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

pub(super) fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// Whole dollars, beyond 999 trillion in scientific notation. Rounded for people; files hold every bit.
pub(super) fn usd(value: f64) -> String {
    if value.abs() >= 1e15 {
        return format!("{value:.3e}");
    }
    let digits = grouped(&format!("{:.0}", value.abs()));
    if value < 0.0 && digits != "0" { format!("-{digits}") } else { digits }
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::report::spread::{Charges, Spread};
    use crate::report::stress_summary::ScenarioSummary;
    use crate::report::summary::{BindingCounts, Tally, UnitSummary};

    /// Figures as wide as any: a billion accounts, totals of a quadrillion, names of any length.
    #[test]
    fn tables_fit_eighty_columns() {
        let (many, wide) = (999_999_999, -999_999_999_999_999.0);
        let mut summary =
            Tally::new(0).summary(&fixture::snapshot(3), &fixture::rules(), &[], 0, &Spread::default()).unwrap();
        summary.rules.name = "r".repeat(200);
        summary.accounts.margined = many;
        summary.accounts.by_status.healthy = many;
        summary.totals.adj_eq = wide;
        summary.rejects.rows = many;
        let unit = |n: usize| UnitSummary {
            risk_unit: format!("{n}{}", "U".repeat(60)),
            accounts: many,
            mmr: wide.abs(),
            mmr_share: Some(1.0),
            binding: BindingCounts { mr7: many, ..BindingCounts::default() },
            charges: Charges::default(),
            mmr_no_hedge: 0.0,
        };
        summary.risk_units = (0..20).map(unit).collect();
        let scenario = ScenarioSummary {
            scenario: "s".repeat(60),
            liquidation: many,
            newly_liquidation: many,
            im_deficit: many,
            total_eq: 0.0,
            mmr: 0.0,
            imr: 0.0,
            shortfall: 999_999_999_999.0,
            shortfall_accounts: 0,
            hedge_saving_mmr: 0.0,
        };
        let most_liquidations = vec![scenario; 10];
        let stress = StressSummary {
            scenarios: 100_000,
            base: summary.clone(),
            most_liquidations,
            largest_shortfalls: Vec::new(),
        };
        for text in [summary_table(&summary), stress_table(&stress)] {
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
            }
        }
    }

    #[test]
    fn figures() {
        for (value, text) in [
            (0.0, "0"),
            (-0.4, "0"),
            (999.4, "999"),
            (999.6, "1,000"),
            (-1_234_567.0, "-1,234,567"),
            (123_456_789_012.0, "123,456,789,012"),
            (1.5e18, "1.500e18"),
        ] {
            assert_eq!(usd(value), text);
        }
        assert_eq!(count(10), "10");
        assert_eq!(count(1_000_000), "1,000,000");
        assert_eq!(short("abcdef", 4), "abc…");
    }
}
