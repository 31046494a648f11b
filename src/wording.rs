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

/// A share in per cent: as many digits as it takes to tell it from 0 % and from 100 %, at most 6.
pub(crate) fn per_cent(share: f64) -> String {
    let is_told = |digits: &usize| {
        let text = format!("{:.digits$}", share * 100.0);
        let rounded: f64 = text.parse().unwrap_or(share * 100.0);
        (rounded > 0.0 || share <= 0.0) && (rounded < 100.0 || share >= 1.0)
    };
    if let Some(digits) = (1..6).find(is_told) {
        return format!("{:.digits$} %", share * 100.0);
    }
    let millionths = share * 1e8;
    let millionths = if share < 0.5 { millionths.ceil() } else { millionths.floor() };
    format!("{:.6} %", millionths / 1e6)
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
        for (share, text) in [
            (0.0, "0.0 %"),
            (0.994, "99.4 %"),
            (0.999_95, "99.995 %"),
            (0.000_01, "0.001 %"),
            (1.0, "100.0 %"),
            (0.999_999_999_9, "99.999999 %"),
            (1e-12, "0.000001 %"),
        ] {
            assert_eq!(per_cent(share), text);
        }
        assert_eq!(count(10), "10");
        assert_eq!(count(1_000_000), "1,000,000");
        assert_eq!(short("abcdef", 4), "abc…");
    }
}
