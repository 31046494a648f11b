//! Figures, counts and small tables for the terminal.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

pub(crate) fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.to_vec());
    table
}

pub(crate) fn number(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

pub(crate) fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

pub(crate) fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// Whole dollars; above 999 trillion in scientific notation. Rounded for display; files have every bit.
pub(crate) fn usd(value: f64) -> String {
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
