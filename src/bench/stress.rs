//! The benchmark of stresses, `remargin bench --stress`: the cost of one more scenario, compared with the kernel alone.
//!
//! One generated book is stressed twice, with few and with many scenarios. The difference of the times divided by the
//! difference of the counts is the marginal cost of a scenario, without loading and writing. It is compared with the
//! kernel alone: the market moved and priced, every account margined, only the total kept. The results of both are
//! compared before any time is reported.

use super::POSITIONS_PER_ACCOUNT;
use super::measure::usage;
use crate::generate::{self, GenerateRequest};
use crate::market::scenario::{self, EVERY_COIN, Scenario};
use crate::progress::Progress;
use crate::publish::scratch::Scratch;
use crate::request::OutputRequest;
use crate::rules::LoadedRules;
use crate::snapshot::{self, Expectations, LoadOptions, Snapshot};
use crate::source::Format;
use crate::stress::{self, Detail, ScenarioSources, StressRequest, StressSummary};
use crate::{Error, Result, engine};
use rayon::prelude::*;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Scenarios of the small stress, without the base case.
const FEW: usize = 8;
/// Accounts per task of the kernel alone.
const CHUNK_ACCOUNTS: usize = 4096;
/// Largest accepted relative difference of a total MMR between the stress and the kernel alone.
const AGREEMENT: f64 = 1e-9;

/// What to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct StressBenchRequest {
    /// Accounts of the generated book, with ten positions each on average.
    pub accounts: u64,
    /// Additional scenarios of the large stress.
    pub scenarios: usize,
    /// Repetitions of each; the median is reported.
    pub repeat: usize,
    /// Folder for the book and the results, which are removed at the end.
    pub temp: PathBuf,
}

/// Wall and CPU time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// Wall time.
    pub wall_seconds: f64,
    /// CPU time of all threads.
    pub cpu_seconds: f64,
}

/// The result of the benchmark.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StressBenchReport {
    /// Version of this crate.
    pub remargin: &'static str,
    /// Whether this is a build without optimisation. Its figures do not apply to a release build.
    pub is_debug_build: bool,
    /// Threads.
    pub threads: usize,
    /// Accounts of the book.
    pub accounts: u64,
    /// Position rows of the book.
    pub positions: u64,
    /// Scenarios of both stresses.
    pub scenarios: [usize; 2],
    /// The whole stress with each number of scenarios, loading and writing included.
    pub stress: [Cost; 2],
    /// The cost of one more scenario.
    pub marginal: Cost,
    /// The kernel alone, for one scenario.
    pub kernel: Cost,
    /// CPU time of one more scenario divided by that of the kernel alone.
    pub marginal_over_kernel: f64,
    /// 1 / marginal wall time.
    pub scenarios_per_second: f64,
    /// Positions / marginal wall time.
    pub position_scenarios_per_second: f64,
}

/// Generates, measures and compares.
///
/// # Errors
/// [`Error::Usage`] for an impossible request; those of [`generate::generate`] and [`stress::run`]; [`Error::Runtime`]
/// if the stress and the kernel alone differ. The temporary folder is removed in every case.
pub fn run(request: &StressBenchRequest, rules: &LoadedRules, progress: &dyn Progress) -> Result<StressBenchReport> {
    if request.repeat == 0 || request.scenarios == 0 || request.accounts == 0 {
        return Err(Error::Usage("at least one account, one scenario and one repetition are needed".into()));
    }
    let folder = Scratch::create(&request.temp, "bench")?;
    let book = folder.path().join("book");
    let generated = generate::generate(
        &GenerateRequest {
            accounts: request.accounts,
            positions_per_account: POSITIONS_PER_ACCOUNT,
            seed: super::SEED,
            out: book.clone(),
            format: Format::Parquet,
            force: false,
        },
        progress,
    )?;
    let counts = [FEW, FEW + request.scenarios];
    let scenarios = moves(counts[1]);
    let mut totals = Vec::new();
    let options = LoadOptions {
        default_spot_offset: rules.rules.default_spot_offset,
        expectations: &Expectations::NONE,
        progress,
    };
    let loaded = snapshot::load(&book, &options)?;
    let kernel = median(request.repeat, || {
        totals = kernel_pass(&loaded, rules, &scenarios, progress)?;
        Ok(())
    })?;
    drop(loaded);
    let stressed = |count: usize| {
        let out = folder.path().join("out");
        median(request.repeat, || {
            let summary = whole_stress(&book, &out, &scenarios[..count], rules, progress)?;
            agree(&summary, &scenarios, &totals)
        })
    };
    let stress = [stressed(counts[0])?, stressed(counts[1])?];
    Ok(report(&generated, counts, stress, kernel.over(scenarios.len() as f64)))
}

fn report(generated: &generate::Generated, counts: [usize; 2], stress: [Cost; 2], kernel: Cost) -> StressBenchReport {
    let more = (counts[1] - counts[0]) as f64;
    let marginal = Cost {
        wall_seconds: stress[1].wall_seconds - stress[0].wall_seconds,
        cpu_seconds: stress[1].cpu_seconds - stress[0].cpu_seconds,
    }
    .over(more);
    StressBenchReport {
        remargin: env!("CARGO_PKG_VERSION"),
        is_debug_build: cfg!(debug_assertions),
        threads: rayon::current_num_threads(),
        accounts: generated.accounts,
        positions: generated.positions,
        scenarios: counts,
        stress,
        marginal,
        kernel,
        marginal_over_kernel: marginal.cpu_seconds / kernel.cpu_seconds,
        scenarios_per_second: 1.0 / marginal.wall_seconds,
        position_scenarios_per_second: generated.positions as f64 / marginal.wall_seconds,
    }
}

/// `count` parallel moves of all coins between -50 % and +50 %, none of them zero.
fn moves(count: usize) -> Vec<Scenario> {
    let step = 1.0 / count as f64;
    (0..count)
        .map(|number| {
            let price = (number as f64 + 0.5) * step - 0.5;
            let price = if price == 0.0 { 0.25 * step } else { price };
            Scenario::price_move(format!("all coins {price:+.6}"), EVERY_COIN, price)
        })
        .collect()
}

/// Total MMR of the book in each scenario, by the kernel alone.
fn kernel_pass(
    snapshot: &Snapshot,
    rules: &LoadedRules,
    scenarios: &[Scenario],
    progress: &dyn Progress,
) -> Result<Vec<f64>> {
    let accounts = snapshot.book.len();
    let total = |scenario: &Scenario| {
        progress.check()?;
        let market = scenario::apply(&snapshot.market, scenario, rules.rules.rate)?;
        let priced = engine::price(&market, &rules.rules);
        let part = |task: usize| {
            let range = task * CHUNK_ACCOUNTS..accounts.min((task + 1) * CHUNK_ACCOUNTS);
            let chunk = engine::chunk(&priced, &snapshot.book, range)?;
            Ok(chunk.accounts.iter().map(|account| account.mmr).sum::<f64>())
        };
        let parts: Vec<Result<f64>> = (0..accounts.div_ceil(CHUNK_ACCOUNTS)).into_par_iter().map(part).collect();
        parts.into_iter().sum::<Result<f64>>()
    };
    scenarios.iter().map(total).collect()
}

fn whole_stress(
    book: &Path,
    out: &Path,
    scenarios: &[Scenario],
    rules: &LoadedRules,
    progress: &dyn Progress,
) -> Result<StressSummary> {
    let sources = ScenarioSources { scenarios: scenarios.to_vec(), ..ScenarioSources::default() };
    let request = StressRequest::new(book, OutputRequest::new(out).with_force(true), rules.clone())
        .with_sources(sources)
        .with_detail(Detail::None);
    Ok(stress::run(&request, progress)?.summary)
}

/// Compares the totals in the summary with those of the kernel alone.
fn agree(summary: &StressSummary, scenarios: &[Scenario], totals: &[f64]) -> Result<()> {
    let listed = summary.most_liquidations.iter().chain(&summary.largest_shortfalls);
    let mut compared = 0;
    for row in listed {
        let Some(place) = scenarios.iter().position(|scenario| scenario.name == row.scenario) else { continue };
        let expected = totals.get(place).copied().unwrap_or(f64::NAN);
        let differ = (row.mmr - expected).abs();
        // In this form a NaN is a difference.
        if !matches!(differ.partial_cmp(&(AGREEMENT * expected.abs())), Some(order) if order.is_le()) {
            return Err(Error::Runtime(format!(
                "scenario `{}`: the stress has a total MMR of {}, the kernel alone {expected}",
                row.scenario, row.mmr
            )));
        }
        compared += 1;
    }
    if compared == 0 { Err(Error::Runtime("no scenario of the stress could be compared".into())) } else { Ok(()) }
}

/// Runs a step several times and returns the run with the median wall time.
pub(super) fn median(repeat: usize, mut step: impl FnMut() -> Result<()>) -> Result<Cost> {
    let mut costs = Vec::with_capacity(repeat);
    for _ in 0..repeat {
        let (clock, cpu) = (Instant::now(), usage::cpu_seconds()?);
        step()?;
        let wall_seconds = clock.elapsed().as_secs_f64();
        costs.push(Cost { wall_seconds, cpu_seconds: usage::cpu_seconds()? - cpu });
    }
    costs.sort_by(|a, b| a.wall_seconds.total_cmp(&b.wall_seconds));
    costs.get(repeat / 2).copied().ok_or_else(|| Error::Runtime("nothing was measured".into()))
}

impl Cost {
    fn over(self, count: f64) -> Self {
        Self { wall_seconds: self.wall_seconds / count, cpu_seconds: self.cpu_seconds / count }
    }
}

impl StressBenchReport {
    /// The report as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        // Writing to a String does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        if self.is_debug_build {
            writeln!(out, "This is a debug build: do not use its figures.")?;
        }
        writeln!(
            out,
            "remargin {}, {} threads, {} accounts with {} positions, detail `none`",
            self.remargin, self.threads, self.accounts, self.positions
        )?;
        for (count, cost) in self.scenarios.iter().zip(&self.stress) {
            let Cost { wall_seconds, cpu_seconds } = cost;
            writeln!(out, "stress of {count:>4} scenarios  {wall_seconds:>9.3} s wall  {cpu_seconds:>9.3} s CPU")?;
        }
        for (name, cost) in [("one more scenario", self.marginal), ("the kernel alone", self.kernel)] {
            let (wall, cpu) = (cost.wall_seconds * 1e3, cost.cpu_seconds * 1e3);
            writeln!(out, "{name:<24}  {wall:>9.2} ms wall {cpu:>9.2} ms CPU")?;
        }
        writeln!(out, "one more scenario / kernel alone, CPU: {:.2}", self.marginal_over_kernel)?;
        writeln!(
            out,
            "{:.1} scenarios/s, {:.1} million positions x scenarios/s",
            self.scenarios_per_second,
            self.position_scenarios_per_second / 1e6
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn moves_are_distinct_and_none_is_zero() {
        for count in [1, 2, 9, 40] {
            let moves = moves(count);
            let prices: Vec<f64> = moves.iter().filter_map(|scenario| scenario.shocks[0].price).collect();
            assert_eq!(prices.len(), count);
            assert!(prices.is_sorted_by(|a, b| a < b) && prices.iter().all(|&price| price != 0.0), "{prices:?}");
        }
    }

    #[test]
    fn a_small_book_is_measured_and_both_answers_agree() {
        let temp = tempfile::tempdir().unwrap();
        let request = StressBenchRequest { accounts: 200, scenarios: 2, repeat: 1, temp: temp.path().to_path_buf() };
        let rules = crate::rules::load(None, &[]).unwrap();
        let report = run(&request, &rules, &Silent).unwrap();
        assert_eq!((report.accounts, report.scenarios), (200, [FEW, FEW + 2]));
        assert!(report.kernel.wall_seconds > 0.0 && report.to_text().contains("the kernel alone"));
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0, "the temporary folder is gone");
    }

    #[test]
    fn a_wrong_total_is_found() {
        let scenarios = moves(3);
        let temp = tempfile::tempdir().unwrap();
        let book = temp.path().join("book");
        let request = GenerateRequest {
            accounts: 50,
            positions_per_account: 5.0,
            seed: 1,
            out: book.clone(),
            format: Format::Csv,
            force: false,
        };
        generate::generate(&request, &Silent).unwrap();
        let rules = crate::rules::load(None, &[]).unwrap();
        let options = LoadOptions {
            default_spot_offset: rules.rules.default_spot_offset,
            expectations: &Expectations::NONE,
            progress: &Silent,
        };
        let loaded = snapshot::load(&book, &options).unwrap();
        let mut totals = kernel_pass(&loaded, &rules, &scenarios, &Silent).unwrap();
        let summary = whole_stress(&book, &temp.path().join("out"), &scenarios, &rules, &Silent).unwrap();
        agree(&summary, &scenarios, &totals).unwrap();
        totals[1] *= 1.0 + 1e-8;
        assert!(agree(&summary, &scenarios, &totals).unwrap_err().to_string().contains(&scenarios[1].name));
    }
}
