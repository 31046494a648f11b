//! How MMR, equity loss and shortfall of the book are distributed over the scenarios, and which of them are the tail.

use super::rows::{FigureRow, ScenarioRow, TailRow};
use crate::Result;
use crate::market::scenario::Scenario;
use crate::totals::losses::{EQUITY_LOSS, FigureDistribution, Fund, MMR, SHORTFALL, ScenarioDistribution};
use crate::totals::weighted::{Sampler, Weights};

/// The tail is the worst scenarios that have this share of the weight, the one at the boundary included.
const TAIL: f64 = 0.05;

/// What the scenarios weigh: the base case, which is the first, nothing.
///
/// # Errors
/// Those of [`Weights::new`].
pub(super) fn weights(scenarios: &[Scenario]) -> Result<Weights> {
    Weights::new((0..).zip(scenarios).map(|(number, scenario)| weight(number, scenario).unwrap_or(0.0)).collect())
}

/// The weight of a scenario; the base case has none.
pub(super) fn weight(number: usize, scenario: &Scenario) -> Option<f64> {
    (number > 0).then(|| scenario.weighs())
}

/// What was found of the book.
#[derive(Default)]
pub(super) struct BookDistribution {
    pub summary: Option<ScenarioDistribution>,
    pub figures: Vec<FigureRow>,
    pub tail: Vec<TailRow>,
}

/// The book over its scenarios; `rows` has one entry a scenario. Nothing if no scenario weighs anything.
pub(super) fn of(
    scenarios: &[Scenario],
    rows: &[ScenarioRow],
    weights: &Weights,
    fund_usd: Option<f64>,
) -> BookDistribution {
    let mut found = BookDistribution::default();
    let mut sampler = Sampler::default();
    let mut figure = |name: &'static str, of: fn(&ScenarioRow) -> f64| {
        let values: Vec<f64> = rows.iter().map(of).collect();
        let over = sampler.of(weights, |scenario| values[scenario])?;
        let distribution = FigureDistribution { base: *values.first()?, over };
        found.figures.push(FigureRow { figure: name, distribution });
        let mut worse = 0;
        for (place, scenario) in weights.largest_first(&values).into_iter().enumerate() {
            if weights.share(worse)? >= TAIL {
                break;
            }
            worse += weights.units(scenario);
            found.tail.push(TailRow {
                figure: name,
                rank: place + 1,
                scenario,
                amount: values[scenario],
                weight: weights.of(scenario),
                weight_share: weights.share(weights.units(scenario))?,
                tail_share: weights.share(worse)?,
            });
        }
        Some((distribution, values))
    };
    let (mmr, equity_loss) = (figure(MMR, |row| row.totals.mmr), figure(EQUITY_LOSS, |row| row.equity_loss));
    let shortfall = figure(SHORTFALL, |row| row.shortfall);
    let (Some((mmr, _)), Some((equity_loss, _)), Some((shortfall, owed))) = (mmr, equity_loss, shortfall) else {
        return BookDistribution::default();
    };
    let fund = fund_usd.and_then(|usd| {
        let sufficient = weights.share_where(&owed, |shortfall| shortfall <= usd)?;
        Some(Fund { usd, sufficient })
    });
    let without = scenarios.iter().skip(1).filter(|scenario| scenario.weight.is_none()).count();
    let is_mixture = without + 1 < scenarios.len();
    found.summary = Some(ScenarioDistribution {
        scenarios: weights.counted() as u64,
        weight: weights.total(),
        without_weight: if is_mixture { without as u64 } else { 0 },
        mmr,
        equity_loss,
        shortfall,
        fund,
    });
    found
}
