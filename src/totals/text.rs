//! The summary as a person reads it at the end of a run.

use super::Summary;
use crate::snapshot::Warning;
use crate::wording::{count, number, plain, short, usd};
use comfy_table::Table;

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
    let title = format!("{title}\n{}", trust_lines(summary));
    format!("{title}\n\n{}\n\n{}", table.trim_fmt(), unit_table(summary).trim_fmt())
}

/// How much rests on assumptions, whether there are newer rules, and whether accounts had settings.
fn trust_lines(summary: &Summary) -> String {
    let trust = &summary.trust;
    let (assumed, figures) = (trust.figures.assumed, trust.figures.total());
    let share = trust
        .mmr_on_assumed_share
        .map_or_else(String::new, |share| format!("; {:.1} % of MMR rests on them", share * 100.0));
    let newer = trust.newer.as_ref().map_or_else(String::new, |newer| {
        let newer = short(newer, 40);
        format!("\nnote: the rules {newer} are newer and in force at this time\n      take them with `--rules {newer}`")
    });
    let settings = summary.warnings.iter().find(|warning| warning.code == Warning::NO_SETTINGS);
    let settings = settings.map_or_else(String::new, |warning| format!("\nnote: {}", warning.text));
    format!("{assumed} of {figures} figures of the rules are assumed{share}{newer}{settings}")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::totals::charges::Charges;
    use crate::totals::spread::Spread;
    use crate::totals::summary::{BindingCounts, Tally, UnitSummary};

    /// Figures as wide as any: a billion accounts, totals of a quadrillion, names of any length.
    #[test]
    fn tables_fit_eighty_columns() {
        let (many, wide) = (999_999_999, -999_999_999_999_999.0);
        let mut summary =
            Tally::new(0).summary(&fixture::snapshot(3), &fixture::rules(), &[], &Spread::default()).unwrap();
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
        for line in summary_table(&summary).lines() {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
    }
}
