//! How figures of the book are distributed over the scenarios of a stress, as the page shows it: from `summary.json`
//! and the tables `scenarios`, `tail` and `worst`.

use super::words::{cut, digits, money};
use crate::margin::extremes::positive_part;
use crate::progress::Progress;
use crate::results::{ResultRow, read_table, scan_table};
use crate::totals::losses::{Fund, ScenarioDistribution};
use crate::totals::weighted::{Statistics, Weights};
use crate::{Error, Result};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Bars of a histogram between the least value and the largest, about.
const BARS: f64 = 60.0;
/// Scenarios of the tail that are listed, of each figure.
const TAIL_SHOWN: usize = 50;
/// Accounts listed, most probable liquidation first.
const ACCOUNTS_SHOWN: usize = 100;
/// Characters of a name and of an account id.
const LONGEST_NAME: usize = 100;
const LONGEST_ID: usize = 64;
/// Probabilities at which accounts are parted, each in the class below it.
const BANDS: [f64; 6] = [0.001, 0.01, 0.05, 0.1, 0.5, 1.0];

/// The section of the page.
#[derive(Debug, Serialize)]
pub(crate) struct Losses {
    scenarios: u64,
    without_weight: u64,
    fund: Option<Fund>,
    figures: Vec<Shown>,
    accounts: Accounts,
}

#[derive(Debug, Serialize)]
struct Shown {
    figure: &'static str,
    base: Value,
    /// In the order of [`Statistics::COLUMNS`].
    statistics: Vec<Value>,
    /// Width of a bar. The quantile of 99 % is where two of them meet.
    width: Value,
    /// The number of a bar, from the quantile on upwards, and the share of the weight in it.
    bars: Vec<(i64, Value)>,
    /// Scenario, amount, its share of the weight, and that of all scenarios as bad or worse in the list.
    tail: Vec<[Value; 4]>,
    /// Scenarios of the tail in all.
    tail_total: usize,
}

/// Accounts by their probability of liquidation.
#[derive(Debug, Default, Serialize)]
struct Accounts {
    /// Accounts that are never in liquidation, then by [`BANDS`].
    never: u64,
    bands: Vec<(f64, u64)>,
    /// Account, probability, status and margin ratio in the base case, worst scenario, shortfall in it.
    rows: Vec<[Value; 6]>,
}

impl Losses {
    /// Of the stress in a folder whose summary has a distribution.
    pub(crate) fn read(
        folder: &Path,
        over: Option<&ScenarioDistribution>,
        progress: &dyn Progress,
    ) -> Result<Option<Self>> {
        let Some(over) = over else { return Ok(None) };
        let names = over.figures().map(|(name, _)| name);
        let [mmr, equity_loss, shortfall] = names;
        let columns = ["weight", mmr, equity_loss, shortfall];
        let scenarios = read_table(folder, "scenarios", &[], &columns, |_| true, progress)?.unwrap_or_default();
        let column = |place: usize| -> Vec<f64> {
            scenarios.iter().map(|row| row.figures.get(place).copied().flatten().unwrap_or(0.0)).collect()
        };
        let weights = Weights::new(column(0))?;
        let figures = ["amount", "weight_share", "tail_share"];
        let tail = read_table(folder, "tail", &["figure", "scenario"], &figures, |_| true, progress)?;
        let mut tails: BTreeMap<String, Vec<ResultRow>> = BTreeMap::new();
        for row in tail.unwrap_or_default() {
            tails.entry(row.names.first().cloned().unwrap_or_default()).or_default().push(row);
        }
        let mut figures = Vec::new();
        for (place, (figure, distribution)) in over.figures().into_iter().enumerate() {
            let (width, bars) = bars(&distribution.over, &weights, &column(place + 1));
            let tail = tails.remove(figure).unwrap_or_default();
            figures.push(Shown {
                figure,
                base: money(Some(distribution.base)),
                statistics: Statistics::COLUMNS.map(|(_, _, of)| money(Some(of(&distribution.over)))).into(),
                width: digits(Some(width)),
                bars,
                tail_total: tail.len(),
                tail: tail.iter().take(TAIL_SHOWN).map(tail_row).collect::<Result<_>>()?,
            });
        }
        let accounts = Accounts::read(folder, progress)?;
        let (scenarios, without_weight, fund) = (over.scenarios, over.without_weight, over.fund);
        Ok(Some(Self { scenarios, without_weight, fund, figures, accounts }))
    }
}

/// The width of the bars, and each that is not empty.
fn bars(over: &Statistics, weights: &Weights, values: &[f64]) -> (f64, Vec<(i64, Value)>) {
    let span = over.largest - over.least;
    let width = if span > 0.0 { span / BARS } else { 1.0 };
    let mut bars: BTreeMap<i64, u64> = BTreeMap::new();
    for (scenario, value) in values.iter().enumerate().filter(|(scenario, _)| weights.units(*scenario) > 0) {
        // What is at the quantile is in the bar that ends there.
        let bar = ((value - over.quantile_99) / width).ceil() as i64 - 1;
        *bars.entry(bar).or_default() += weights.units(scenario);
    }
    (width, bars.into_iter().map(|(bar, units)| (bar, digits(weights.share(units)))).collect())
}

fn tail_row(row: &ResultRow) -> Result<[Value; 4]> {
    let strange = || Error::Runtime("a row of `tail` has other columns than asked for".to_owned());
    let ([_, scenario], &[amount, weight_share, tail_share]) = (row.names.as_slice(), row.figures.as_slice()) else {
        return Err(strange());
    };
    Ok([json!(cut(scenario, LONGEST_NAME)), money(amount), digits(weight_share), digits(tail_share)])
}

/// The accounts that are most likely to be liquidated, and how many there are of each kind.
#[derive(Default)]
struct Likely {
    never: u64,
    bands: [u64; BANDS.len()],
    rows: Vec<(f64, [Value; 6])>,
}

impl Likely {
    fn add(&mut self, names: &[&str], figures: &[Option<f64>]) {
        let (&[id, status, scenario], &[probability, ratio, total_eq, ..]) = (names, figures) else { return };
        let probability = probability.unwrap_or(0.0);
        if probability <= 0.0 {
            self.never += 1;
            return;
        }
        if let Some((_, band)) = BANDS.iter().zip(&mut self.bands).find(|(most, _)| probability <= **most) {
            *band += 1;
        }
        if self.rows.len() >= 2 * ACCOUNTS_SHOWN {
            self.cut();
        }
        let is_full = self.rows.len() >= ACCOUNTS_SHOWN;
        if is_full && self.rows.get(ACCOUNTS_SHOWN - 1).is_some_and(|(least, _)| probability <= *least) {
            return;
        }
        let shortfall = total_eq.map(|total_eq| positive_part(-total_eq));
        let row = [
            json!(cut(id, LONGEST_ID)),
            digits(Some(probability)),
            json!(status),
            digits(ratio),
            json!(cut(scenario, LONGEST_NAME)),
            money(shortfall),
        ];
        self.rows.push((probability, row));
    }

    /// Keeps the first; of equals those that came first.
    fn cut(&mut self) {
        self.rows.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        self.rows.truncate(ACCOUNTS_SHOWN);
    }

    fn then(&mut self, later: Self) {
        self.never += later.never;
        self.bands.iter_mut().zip(later.bands).for_each(|(all, more)| *all += more);
        self.rows.extend(later.rows);
        self.cut();
    }
}

impl Accounts {
    fn read(folder: &Path, progress: &dyn Progress) -> Result<Self> {
        let names = ["account_id", "base_status", "scenario"];
        let figures = ["liquidation_probability", "base_margin_ratio", "total_eq"];
        let mut all = Likely::default();
        scan_table(folder, "worst", &names, &figures, Likely::add, |few| all.then(few), progress)?;
        let bands = BANDS.into_iter().zip(all.bands).collect();
        Ok(Self { never: all.never, bands, rows: all.rows.into_iter().map(|(_, row)| row).collect() })
    }
}
