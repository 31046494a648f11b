//! The summary of a stress as a person reads it in a terminal.

use super::StressSummary;
use crate::wording::{count, number, plain, short, usd};

/// The base case and the scenarios that bring most accounts into liquidation: a few lines of text, at most 80 columns
/// wide, without colour.
#[must_use]
pub fn stress_table(summary: &StressSummary) -> String {
    let base = &summary.base;
    let mut table = plain(&["scenario", "liquidation", "newly", "IM deficit", "USD below zero"]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::stress::summary::ScenarioSummary;
    use crate::totals::spread::Spread;
    use crate::totals::summary::Tally;

    /// Figures as wide as any, names of any length.
    #[test]
    fn the_table_fits_eighty_columns() {
        let many = 999_999_999;
        let mut base =
            Tally::new(0).summary(&fixture::snapshot(3), &fixture::rules(), &[], 0, &Spread::default()).unwrap();
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
        let stress = StressSummary { scenarios: 100_000, base, most_liquidations, largest_shortfalls: Vec::new() };
        for line in stress_table(&stress).lines() {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
    }
}
