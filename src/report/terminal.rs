//! The summary as a person reads it at the end of a run.

use super::Summary;
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
