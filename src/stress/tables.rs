//! The reports of a stress: what became of the book in each scenario.
//!
//! `scenarios` has one row a scenario, `migration` one for each status before and after, `largest` the accounts that
//! weigh most, `hedges` what became of spot in use, `worst` one row an account. All money is USD.

use super::stats::{HedgeStats, Largest, ScenarioStats, place};
use crate::Result;
use crate::book::Book;
use crate::margin::{AccountMargin, Status};
use crate::market::scenario::Scenario;
use crate::publish::OutputFile;
use crate::source::Format;
use crate::tables::columns::{
    AT_RISK, Column, TableSpec, counts, label, number, numbers, optional_numbers, text, texts,
};
use crate::tables::encode::{Encoder, GROUP_ROWS, TableFile, create};
use crate::totals::at_risk::{AtRisk, Names};
use crate::totals::counts::share;
use crate::totals::summary::{AccountCounts, Totals};
use arrow::array::RecordBatch;
use std::path::Path;

/// One row a scenario, the base case first.
pub const SCENARIOS: TableSpec = TableSpec {
    name: "scenarios",
    columns: &[
        text("scenario"),
        number("days"),
        count("accounts"),
        count("liquidation"),
        count("near_liquidation"),
        count("warning"),
        count("healthy"),
        count("no_risk"),
        count("im_deficit"),
        count("ineligible"),
        count("newly_liquidation"),
        count("newly_im_deficit"),
        number("adj_eq"),
        number("total_eq"),
        number("upl"),
        number("mmr"),
        number("imr"),
        number("deriv_mmr"),
        number("borrow_mmr"),
        number("borrow_imr"),
        number("liquidation_fee"),
        number("mmr_no_hedge"),
        number("imr_no_hedge"),
        number("hedge_saving_mmr"),
        number("hedge_saving_imr"),
        number("shortfall"),
        count("shortfall_accounts"),
        number("largest_ten_shortfall"),
        number("largest_ten_shortfall_share").nullable(),
        number("largest_ten_mmr"),
        number("largest_ten_mmr_share").nullable(),
    ],
    sorted_by: None,
};

/// Accounts by status in the base case and in the scenario; pairs without an account are left out.
pub const MIGRATION: TableSpec = TableSpec {
    name: "migration",
    columns: &[label("scenario"), label("base_status"), label("status"), count("accounts")],
    sorted_by: None,
};

/// The ten accounts with the largest shortfall below zero equity and the ten with the largest MMR, by scenario.
pub const LARGEST: TableSpec = TableSpec {
    name: "largest",
    columns: &[
        label("scenario"),
        label("by"),
        count("rank"),
        label("account_id"),
        number("amount"),
        number("share").nullable(),
    ],
    sorted_by: None,
};

/// Spot in use by scenario and risk unit, where some account hedges in the base case or in the scenario.
pub const HEDGES: TableSpec = TableSpec {
    name: "hedges",
    columns: &[
        label("scenario"),
        label("risk_unit"),
        count("hedged_base"),
        count("hedged"),
        number("spot_in_use_base"),
        number("spot_in_use"),
        number("spot_in_use_usd"),
        number("unhedged_delta_base"),
        number("unhedged_delta"),
        count("reduced"),
        count("reduced_to_none"),
        count("new_liability"),
        count("cap_binding_base"),
        count("cap_binding"),
    ],
    sorted_by: None,
};

/// Every account with the scenario that is worst for it.
pub const WORST: TableSpec = TableSpec {
    name: "worst",
    columns: &[
        text("account_id"),
        label("base_status"),
        number("base_margin_ratio").nullable(),
        number("base_total_eq"),
        label("scenario"),
        label("status"),
        number("margin_ratio").nullable(),
        number("adj_eq"),
        number("total_eq"),
        number("mmr"),
        number("imr"),
        number("liquidation_fee"),
        Column::new("im_deficit", crate::tables::columns::Kind::Flag),
        number("shortfall"),
        number("hedge_saving_mmr"),
        count("scenarios_in_liquidation"),
    ],
    sorted_by: Some(0),
};

const fn count(name: &'static str) -> Column {
    Column::new(name, crate::tables::columns::Kind::Count)
}

/// A row of [`SCENARIOS`].
#[derive(Debug, Clone)]
pub struct ScenarioRow {
    /// Number of the scenario.
    pub scenario: usize,
    /// Days that pass.
    pub days: f64,
    /// Accounts by where they stand.
    pub accounts: AccountCounts,
    /// Accounts in liquidation that are not so in the base case.
    pub newly_liquidation: u64,
    /// Accounts with an IM deficit that have none in the base case.
    pub newly_im_deficit: u64,
    /// Sums over all accounts.
    pub totals: Totals,
    /// Sum of what accounts owe beyond all they have.
    pub shortfall: f64,
    /// Accounts that have one.
    pub shortfall_accounts: u64,
    /// Shortfall of the ten largest.
    pub largest_ten_shortfall: f64,
    /// MMR of the ten largest.
    pub largest_ten_mmr: f64,
}

struct MigrationRow {
    scenario: usize,
    from: Status,
    to: Status,
    accounts: u64,
}

struct LargestRow {
    scenario: usize,
    by: &'static str,
    rank: usize,
    account: usize,
    amount: f64,
    total: f64,
}

struct HedgeRow {
    scenario: usize,
    unit: usize,
    stats: HedgeStats,
}

/// The worst scenario of an account.
#[derive(Debug, Clone, Copy)]
pub struct Worst {
    /// Number of the scenario, the first of equals.
    pub scenario: usize,
    /// The account's margin in it.
    pub margin: AccountMargin,
    /// In how many scenarios, the base case included, the account is in liquidation.
    pub liquidations: u64,
}

impl Worst {
    /// Takes a later scenario in, which replaces the worst if it is worse: a lower margin ratio, having none counting
    /// as the highest; of two without a ratio the one with less adjusted equity.
    pub fn take(&mut self, later: &Self) {
        let is_worse = match (later.margin.margin_ratio, self.margin.margin_ratio) {
            (Some(now), Some(before)) => now < before,
            (None, None) => later.margin.adj_eq < self.margin.adj_eq,
            (now, _) => now.is_some(),
        };
        self.liquidations += later.liquidations;
        if is_worse {
            (self.scenario, self.margin) = (later.scenario, later.margin);
        }
    }
}

type ToBatch<'a, R> = Box<dyn Fn(&[R]) -> Result<RecordBatch> + 'a>;

/// A table that is written while its rows come in, without keeping more than a row group of them.
struct Stream<'a, R> {
    encoder: Encoder,
    file: TableFile,
    rows: Vec<R>,
    batch: ToBatch<'a, R>,
}

impl<'a, R> Stream<'a, R> {
    fn create(
        folder: &Path,
        spec: &TableSpec,
        format: Format,
        batch: impl Fn(&[R]) -> Result<RecordBatch> + 'a,
    ) -> Result<Self> {
        let (encoder, file) = create(folder, spec, format)?;
        Ok(Self { encoder, file, rows: Vec::new(), batch: Box::new(batch) })
    }

    fn extend(&mut self, rows: impl IntoIterator<Item = R>) -> Result<()> {
        for row in rows {
            self.rows.push(row);
            if self.rows.len() == GROUP_ROWS {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.file.append(self.encoder.encode(&(self.batch)(&self.rows)?)?)?;
        self.rows.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<OutputFile> {
        self.flush()?;
        self.file.finish()
    }
}

/// The tables of a stress while they are written, scenario by scenario.
pub struct StressTables<'a> {
    scenarios: Stream<'a, ScenarioRow>,
    migration: Stream<'a, MigrationRow>,
    largest: Stream<'a, LargestRow>,
    hedges: Stream<'a, HedgeRow>,
    at_risk: Option<Stream<'a, AtRisk>>,
}

impl<'a> StressTables<'a> {
    /// Starts the tables in a folder; `at_risk` among them if asked for.
    ///
    /// # Errors
    /// Those of [`create`].
    pub(crate) fn create(
        folder: &Path,
        format: Format,
        book: &'a Book,
        names: Names<'a>,
        with_at_risk: bool,
    ) -> Result<Self> {
        let at_risk = move |rows: &[AtRisk]| crate::tables::at_risk::batch(rows, book, names);
        Ok(Self {
            scenarios: Stream::create(folder, &SCENARIOS, format, move |rows| scenarios_batch(rows, names))?,
            migration: Stream::create(folder, &MIGRATION, format, move |rows| migration_batch(rows, names))?,
            largest: Stream::create(folder, &LARGEST, format, move |rows| largest_batch(rows, book, names))?,
            hedges: Stream::create(folder, &HEDGES, format, move |rows| hedges_batch(rows, names))?,
            at_risk: if with_at_risk { Some(Stream::create(folder, &AT_RISK, format, at_risk)?) } else { None },
        })
    }

    /// Adds a scenario, in order of their numbers; `count` accounts are at risk in it.
    ///
    /// # Errors
    /// Those of writing.
    pub fn add(
        &mut self,
        number: usize,
        scenario: &Scenario,
        stats: &ScenarioStats,
        count: u64,
        mut at_risk: Vec<AtRisk>,
    ) -> Result<ScenarioRow> {
        let row = ScenarioRow {
            scenario: number,
            days: scenario.days,
            accounts: AccountCounts { at_risk: count, ..stats.tally.counts() },
            newly_liquidation: stats.newly_in_liquidation(),
            newly_im_deficit: stats.newly_im_deficit,
            totals: stats.tally.totals(),
            shortfall: stats.shortfall.value(),
            shortfall_accounts: stats.shortfall_accounts,
            largest_ten_shortfall: stats.largest_shortfall.sum(),
            largest_ten_mmr: stats.largest_mmr.sum(),
        };
        self.scenarios.extend([row.clone()])?;
        for (from, to) in Status::ALL.into_iter().flat_map(|from| Status::ALL.map(|to| (from, to))) {
            let accounts = stats.migration[place(from)][place(to)];
            if accounts > 0 {
                self.migration.extend([MigrationRow { scenario: number, from, to, accounts }])?;
            }
        }
        let lists =
            [("shortfall", &stats.largest_shortfall, row.shortfall), ("mmr", &stats.largest_mmr, row.totals.mmr)];
        for (by, Largest(accounts), total) in lists {
            let ranked = accounts.iter().enumerate();
            self.largest.extend(ranked.map(|(rank, &(amount, account))| LargestRow {
                scenario: number,
                by,
                rank: rank + 1,
                account,
                amount,
                total,
            }))?;
        }
        let hedged = stats.hedges.iter().enumerate().filter(|(_, stats)| stats.hedged != [0, 0]);
        self.hedges.extend(hedged.map(|(unit, &stats)| HedgeRow { scenario: number, unit, stats }))?;
        if let Some(table) = &mut self.at_risk {
            at_risk.sort_unstable_by(AtRisk::worse_first);
            table.extend(at_risk)?;
        }
        Ok(row)
    }

    /// Finishes all tables; `worst` is finished already.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(self, worst: Option<OutputFile>) -> Result<Vec<OutputFile>> {
        let mut files =
            vec![self.scenarios.finish()?, self.migration.finish()?, self.largest.finish()?, self.hedges.finish()?];
        files.extend(worst);
        files.extend(self.at_risk.map(Stream::finish).transpose()?);
        Ok(files)
    }
}

pub(super) fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn scenarios_batch(rows: &[ScenarioRow], names: Names) -> Result<RecordBatch> {
    let number = |field: fn(&ScenarioRow) -> f64| numbers(rows.iter().map(field));
    let count = |field: fn(&ScenarioRow) -> u64| counts(rows.iter().map(|row| whole(field(row))));
    SCENARIOS.batch(vec![
        texts(rows.iter().map(|row| names.scenarios[row.scenario].as_str()))?,
        number(|row| row.days),
        count(|row| row.accounts.margined),
        count(|row| row.accounts.by_status.liquidation),
        count(|row| row.accounts.by_status.near_liquidation),
        count(|row| row.accounts.by_status.warning),
        count(|row| row.accounts.by_status.healthy),
        count(|row| row.accounts.by_status.no_risk),
        count(|row| row.accounts.im_deficit),
        count(|row| row.accounts.ineligible),
        count(|row| row.newly_liquidation),
        count(|row| row.newly_im_deficit),
        number(|row| row.totals.adj_eq),
        number(|row| row.totals.total_eq),
        number(|row| row.totals.upl),
        number(|row| row.totals.mmr),
        number(|row| row.totals.imr),
        number(|row| row.totals.deriv_mmr),
        number(|row| row.totals.borrow_mmr),
        number(|row| row.totals.borrow_imr),
        number(|row| row.totals.liquidation_fee),
        number(|row| row.totals.mmr_no_hedge),
        number(|row| row.totals.imr_no_hedge),
        number(|row| row.totals.mmr_no_hedge - row.totals.mmr),
        number(|row| row.totals.imr_no_hedge - row.totals.imr),
        number(|row| row.shortfall),
        count(|row| row.shortfall_accounts),
        number(|row| row.largest_ten_shortfall),
        optional_numbers(rows.iter().map(|row| share(row.largest_ten_shortfall, row.shortfall))),
        number(|row| row.largest_ten_mmr),
        optional_numbers(rows.iter().map(|row| share(row.largest_ten_mmr, row.totals.mmr))),
    ])
}

fn migration_batch(rows: &[MigrationRow], names: Names) -> Result<RecordBatch> {
    MIGRATION.batch(vec![
        texts(rows.iter().map(|row| names.scenarios[row.scenario].as_str()))?,
        texts(rows.iter().map(|row| row.from.name()))?,
        texts(rows.iter().map(|row| row.to.name()))?,
        counts(rows.iter().map(|row| whole(row.accounts))),
    ])
}

fn largest_batch(rows: &[LargestRow], book: &Book, names: Names) -> Result<RecordBatch> {
    LARGEST.batch(vec![
        texts(rows.iter().map(|row| names.scenarios[row.scenario].as_str()))?,
        texts(rows.iter().map(|row| row.by))?,
        counts(rows.iter().map(|row| whole(row.rank as u64))),
        texts(rows.iter().map(|row| book.accounts().get(row.account)))?,
        numbers(rows.iter().map(|row| row.amount)),
        optional_numbers(rows.iter().map(|row| share(row.amount, row.total))),
    ])
}

fn hedges_batch(rows: &[HedgeRow], names: Names) -> Result<RecordBatch> {
    let number = |field: fn(&HedgeStats) -> f64| numbers(rows.iter().map(|row| field(&row.stats)));
    let count = |field: fn(&HedgeStats) -> u64| counts(rows.iter().map(|row| whole(field(&row.stats))));
    HEDGES.batch(vec![
        texts(rows.iter().map(|row| names.scenarios[row.scenario].as_str()))?,
        texts(rows.iter().map(|row| names.units[row.unit].as_str()))?,
        count(|stats| stats.hedged[0]),
        count(|stats| stats.hedged[1]),
        number(|stats| stats.spot_coin[0].value()),
        number(|stats| stats.spot_coin[1].value()),
        number(|stats| stats.spot_usd.value()),
        number(|stats| stats.unhedged_coin[0].value()),
        number(|stats| stats.unhedged_coin[1].value()),
        count(|stats| stats.reduced),
        count(|stats| stats.reduced_to_none),
        count(|stats| stats.new_liability),
        count(|stats| stats.capped[0]),
        count(|stats| stats.capped[1]),
    ])
}
