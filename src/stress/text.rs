//! The summary of a stress as a person reads it in a terminal.

use super::StressSummary;
use crate::totals::losses::ScenarioDistribution;
use crate::wording::{count, number, per_cent, plain, short, usd};
use std::fmt::Write as _;

/// The base case and the scenarios that bring most accounts into liquidation: a few lines of text, at most 80 columns
/// wide, without colour.
#[must_use]
pub fn stress_table(summary: &StressSummary) -> String {
    let base = &summary.base;
    let mut table = plain(&["scenario", "liquidation", "of it newly", "IM deficit", "USD below zero"]);
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
    let table = table.trim_fmt();
    let left = summary.scenarios.saturating_sub(summary.most_liquidations.len() as u64);
    let more = if left > 0 { format!("\nand {} more in the table scenarios", count(left)) } else { String::new() };
    let over = summary.distribution.as_ref().filter(|over| over.scenarios > 1).map(distribution).unwrap_or_default();
    format!("{title}\n{accounts} accounts in {scenarios} scenarios, most in liquidation first\n\n{table}{more}{over}")
}

/// The book over its scenarios.
fn distribution(over: &ScenarioDistribution) -> String {
    let mut table = plain(&["USD", "mean", "median", "99 %", "ES 99 %", "worst"]);
    for ((_, figure), name) in over.figures().into_iter().zip(["MMR", "equity loss", "shortfall"]) {
        let of = &figure.over;
        let figures = [of.mean, of.quantile_50, of.quantile_99, of.expected_shortfall_99, of.largest];
        let cells = std::iter::once(name.into()).chain(in_one_unit(figures).map(number));
        table.add_row(cells.collect::<Vec<_>>());
    }
    let scenarios = count(over.scenarios);
    let mut text = format!("\n\nOver {scenarios} scenarios (ES: mean of the worst 1 %):\n\n{}\n\n", table.trim_fmt());
    let owed = &over.shortfall.over;
    let needed = [(owed.quantile_95, "95 %"), (owed.quantile_99, "99 %"), (owed.quantile_99_9, "99.9 %")];
    let needed = needed.map(|(fund, share)| format!("  {share:>6} of the scenarios: {} USD", usd(fund)));
    let _ = write!(text, "A guarantee fund bears the shortfall in\n{}", needed.join("\n"));
    if let Some(fund) = over.fund {
        let (size, share) = (usd(fund.usd), per_cent(fund.sufficient));
        let _ = write!(text, "\nA fund of {size} USD suffices in {share} of the scenarios.");
    }
    if over.without_weight > 0 {
        let _ = write!(text, "\n{} scenarios were given no weight and count as 1.", count(over.without_weight));
    }
    text
}

/// Whole dollars; all in millions or billions if one of them is large.
fn in_one_unit<const N: usize>(values: [f64; N]) -> [String; N] {
    let size = values.iter().fold(0.0, |size: f64, value| size.max(value.abs()));
    values.map(|value| {
        if size < 1e7 {
            usd(value)
        } else if size < 1e10 {
            format!("{:.1} m", value / 1e6)
        } else if size < 1e12 {
            format!("{:.2} bn", value / 1e9)
        } else {
            format!("{value:.3e}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::stress::summary::ScenarioSummary;
    use crate::totals::losses::{FigureDistribution, Fund};
    use crate::totals::spread::Spread;
    use crate::totals::summary::Tally;
    use crate::totals::weighted::{Sampler, Weights};

    /// Figures as wide as any, names of any length.
    #[test]
    fn the_table_fits_eighty_columns() {
        let many = 999_999_999;
        let mut base =
            Tally::new(0).summary(&fixture::snapshot(3), &fixture::rules(), &[], &Spread::default()).unwrap();
        base.rules.name = "r".repeat(200);
        base.accounts.margined = many;
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
        let weights = Weights::new(vec![0.0, 1.0, 1e-9]).unwrap();
        let values = [0.0, -999_999_999_999.0, -888_888_888_888.0];
        let over = Sampler::default().of(&weights, |scenario| values[scenario]).unwrap();
        let figure = FigureDistribution { base: 0.0, over };
        let distribution = Some(ScenarioDistribution {
            scenarios: 100_000,
            weight: 1.0,
            without_weight: 99_999,
            mmr: figure,
            equity_loss: figure,
            shortfall: figure,
            fund: Some(Fund { usd: 999_999_999_999.0, sufficient: 1.0 - 1e-12 }),
        });
        let largest_shortfalls = Vec::new();
        let stress = StressSummary {
            label: None,
            scenarios: 100_000,
            base,
            most_liquidations,
            largest_shortfalls,
            distribution,
            limits: None,
        };
        for line in stress_table(&stress).lines() {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
    }
}
