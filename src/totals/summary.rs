//! Counts and totals of a run: `summary.json`.
//!
//! Totals are compensated sums, taken account by account inside a chunk and chunk by chunk in order, so they are the
//! same bits for any number of threads. Nothing here knows of time, paths or the machine.

use super::at_risk::Binding;
use super::before::{Previous, TrendPoint};
use super::charges::Charges;
use super::counts::{Standing, StatusCounts, share};
use super::group_summary::GroupingSummary;
use super::limit_summary::LimitsSummary;
use super::netting_summary::NettingSummary;
use super::spread::{Distribution, Spread};
use super::sum::Sum;
use super::trust::{Trust, trust};
use crate::cells::time::timestamp;
use crate::engine::Chunk;
use crate::margin::{AccountMargin, Status};
use crate::rules::LoadedRules;
use crate::rules::RulesId;
use crate::snapshot::{Snapshot, Warning};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use crate::figures::Totals;

/// What a run found, as a whole. All money in USD.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Summary {
    /// What the user called the run; absent if nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Valuation time, RFC 3339 in UTC.
    pub as_of: String,
    /// Which rules.
    pub rules: RulesId,
    /// What they rest on.
    #[serde(default)]
    pub trust: Trust,
    /// Number of scenarios, the base case included.
    pub scenarios: u64,
    /// Accounts by where they stand.
    pub accounts: AccountCounts,
    /// Sums over all accounts.
    pub totals: Totals,
    /// What spot hedging saves: margin with it off, less margin with it on.
    pub hedge_saving: HedgeSaving,
    /// Each risk unit that some account has, in byte order of its name.
    pub risk_units: Vec<UnitSummary>,
    /// Rows of each input table.
    pub tables: Vec<TableSummary>,
    /// Rows set aside.
    pub rejects: RejectSummary,
    /// Missing prices that no account needs.
    pub unused_price_gaps: u64,
    /// What is odd about the snapshot and not wrong; absent if nothing is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// Every account that was left out, in byte order of its id.
    pub unmargined: Vec<UnmarginedAccount>,
    /// How the accounts lie.
    pub distribution: Distribution,
    /// Accounts put together, by grouping as it was asked for; absent if nothing was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupingSummary>,
    /// What netting saves; absent if nothing is netted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netting: Option<NettingSummary>,
    /// Limits, and how many figures are beyond them; absent without limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsSummary>,
    /// The change against an earlier run; absent if none was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Box<Previous>>,
    /// The last runs of a history up to this one, the oldest first; absent without a history.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trend: Vec<TrendPoint>,
}

/// Accounts by where they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AccountCounts {
    /// Accounts in the tables.
    pub margined: u64,
    /// Accounts left out.
    pub unmargined: u64,
    /// Accounts in `liquidation` or `near_liquidation`, or with an IM deficit: in the base case.
    pub at_risk: u64,
    /// Adjusted equity below IMR.
    pub im_deficit: u64,
    /// Total equity below the eligibility threshold.
    pub ineligible: u64,
    /// Margined accounts by status.
    pub by_status: StatusCounts,
}

/// Margin with spot hedging off, less margin with it on. Negative where hedging by delta costs more than it saves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs)]
pub struct HedgeSaving {
    pub mmr: f64,
    pub imr: f64,
}

/// One risk unit over all accounts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UnitSummary {
    /// Its name.
    pub risk_unit: String,
    /// Accounts that have it.
    pub accounts: u64,
    /// Sum of its MMR.
    pub mmr: f64,
    /// Its share of `deriv_mmr`; null where that is zero.
    pub mmr_share: Option<f64>,
    /// In how many accounts each term decides its margin.
    pub binding: BindingCounts,
    /// What its MMR is made of.
    pub charges: Charges,
    /// Its MMR with spot hedging off.
    pub mmr_no_hedge: f64,
}

/// How often each term decides a unit's margin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BindingCounts {
    /// Spot and volatility shock.
    pub mr1: u64,
    /// Theta decay.
    pub mr2: u64,
    /// Extreme move.
    pub mr6: u64,
    /// Minimum charge.
    pub mr7: u64,
    /// Units without margin.
    pub none: u64,
}

/// Rows of one input table: `rows_in = rows_used + rows_rejected`, `rows_rejected = rows_broken + rows_left_out`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TableSummary {
    /// Its name.
    pub table: String,
    /// Rows read.
    pub rows_in: u64,
    /// Rows that count.
    pub rows_used: u64,
    /// Rows set aside.
    pub rows_rejected: u64,
    /// Of these, rows with a fault of their own.
    pub rows_broken: u64,
    /// Of these, sound rows of an account that is left out.
    pub rows_left_out: u64,
}

/// Rows set aside over all tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RejectSummary {
    /// Rows of `rejects`.
    pub rows: u64,
    /// Of these, rows with a fault of their own: what `--max-rejects` counts, without `unheld`.
    pub broken: u64,
    /// Of these, instruments that nobody holds. Left out if there are none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unheld: u64,
    /// All of them by reason code.
    pub by_reason: BTreeMap<String, u64>,
}

/// An account that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UnmarginedAccount {
    /// Its id.
    pub account_id: String,
    /// Reason code of its first broken row.
    pub reason: String,
    /// Number of its broken rows.
    pub broken_rows: u64,
}

impl Summary {
    /// The text of `summary.json`: indented, floats in the shortest form that reads back to the same bits.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the library fails.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        crate::publish::json::json("summary.json", self)
    }
}

impl AccountCounts {
    /// Counts a margined account.
    pub(crate) fn add(&mut self, account: Standing) {
        let Standing { status, im_deficit, ineligible } = account;
        self.margined += 1;
        self.at_risk += u64::from(account.is_at_risk());
        self.im_deficit += u64::from(im_deficit);
        self.ineligible += u64::from(ineligible);
        if let Some(status) = status {
            *self.by_status.of(status) += 1;
        }
    }

    /// Adds the counts of other accounts.
    pub(crate) fn merge(&mut self, others: &Self) {
        self.margined += others.margined;
        self.unmargined += others.unmargined;
        self.at_risk += others.at_risk;
        self.im_deficit += others.im_deficit;
        self.ineligible += others.ineligible;
        let mut by_status = others.by_status;
        for status in Status::ALL {
            *self.by_status.of(status) += *by_status.of(status);
        }
    }
}

/// Counts and sums of some consecutive chunks.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub(super) counts: AccountCounts,
    pub(super) totals: [Sum; Totals::NAMES.len()],
    pub(super) units: Vec<UnitTally>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct UnitTally {
    pub accounts: u64,
    pub mmr: Sum,
    /// How often each of [`Binding::ALL`] binds.
    pub binding: [u64; Binding::ALL.len()],
}

impl Tally {
    /// Nothing counted yet. `units` is the number of risk units of the priced market.
    #[must_use]
    pub fn new(units: usize) -> Self {
        Self { units: vec![UnitTally::default(); units], ..Self::default() }
    }

    /// Counts the chunk that follows.
    pub fn count(&mut self, chunk: &Chunk) {
        for margin in &chunk.accounts {
            self.count_account(margin);
        }
        for unit in &chunk.units {
            let entry = &mut self.units[unit.unit as usize];
            entry.accounts += 1;
            entry.mmr.add(unit.mmr);
            entry.binding[Binding::place(unit)] += 1;
        }
    }

    fn count_account(&mut self, margin: &AccountMargin) {
        self.counts.add(margin.into());
        for (sum, value) in self.totals.iter_mut().zip(Totals::of(margin)) {
            sum.add(value);
        }
    }

    /// Adds the chunks that follow.
    pub fn merge(&mut self, later: &Self) {
        self.counts.merge(&later.counts);
        for (sum, part) in self.totals.iter_mut().zip(&later.totals) {
            sum.merge(part);
        }
        self.units.resize_with(self.units.len().max(later.units.len()), UnitTally::default);
        for (unit, part) in self.units.iter_mut().zip(&later.units) {
            unit.accounts += part.accounts;
            unit.mmr.merge(&part.mmr);
            for (count, more) in unit.binding.iter_mut().zip(part.binding) {
                *count += more;
            }
        }
    }

    /// The summary of a whole run.
    ///
    /// # Errors
    /// [`Error::Runtime`] if a total is not finite.
    pub(crate) fn summary(
        &self,
        snapshot: &Snapshot,
        rules: &LoadedRules,
        unit_names: &[String],
        spread: &Spread,
    ) -> Result<Summary> {
        let totals = self.totals();
        let unmargined = unmargined(snapshot);
        Ok(Summary {
            label: None,
            as_of: timestamp(snapshot.as_of_ns)?,
            rules: RulesId { name: rules.rules.name.clone(), hash: rules.hash.clone() },
            trust: trust(rules, snapshot.as_of_ns, unit_names, spread, &totals),
            scenarios: 1,
            accounts: AccountCounts { unmargined: unmargined.len() as u64, ..self.counts },
            totals,
            hedge_saving: HedgeSaving { mmr: totals.mmr_no_hedge - totals.mmr, imr: totals.imr_no_hedge - totals.imr },
            risk_units: self.risk_units(unit_names, totals.deriv_mmr, spread),
            tables: snapshot.tables.iter().map(table_summary).collect(),
            rejects: reject_summary(snapshot),
            unused_price_gaps: snapshot.unused_price_gaps,
            warnings: snapshot.warnings.clone(),
            unmargined,
            distribution: spread.distribution(totals.mmr),
            groups: Vec::new(),
            netting: None,
            limits: None,
            previous: None,
            trend: Vec::new(),
        })
        .and_then(finite)
    }

    /// Counts so far; rows of other tables are not known here.
    pub(crate) fn counts(&self) -> AccountCounts {
        self.counts
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals::new(self.totals.map(Sum::value))
    }

    fn risk_units(&self, unit_names: &[String], deriv_mmr: f64, spread: &Spread) -> Vec<UnitSummary> {
        let held = unit_names.iter().zip(&self.units).enumerate().filter(|(_, (_, unit))| unit.accounts > 0);
        held.map(|(number, (name, unit))| {
            let (charges, mmr_no_hedge) = spread.unit(number);
            UnitSummary {
                risk_unit: name.clone(),
                accounts: unit.accounts,
                mmr: unit.mmr.value(),
                mmr_share: share(unit.mmr.value(), deriv_mmr),
                binding: BindingCounts::from(unit.binding),
                charges,
                mmr_no_hedge,
            }
        })
        .collect()
    }
}

impl From<[u64; Binding::ALL.len()]> for BindingCounts {
    /// From the counts by term, in order, that of none last.
    fn from(counts: [u64; Binding::ALL.len()]) -> Self {
        let [mr1, mr2, mr6, mr7, none] = counts;
        Self { mr1, mr2, mr6, mr7, none }
    }
}

impl BindingCounts {
    pub(crate) fn of(&mut self, binding: Option<Binding>) -> &mut u64 {
        match binding {
            Some(Binding::Mr1) => &mut self.mr1,
            Some(Binding::Mr2) => &mut self.mr2,
            Some(Binding::Mr6) => &mut self.mr6,
            Some(Binding::Mr7) => &mut self.mr7,
            None => &mut self.none,
        }
    }
}

/// JSON has no infinity, and null would be a figure that quietly vanished.
fn finite(summary: Summary) -> Result<Summary> {
    let units = summary.risk_units.iter().flat_map(|unit| [unit.mmr, unit.mmr_no_hedge]);
    let (saving, d) = (&summary.hedge_saving, &summary.distribution);
    let more = [saving.mmr, saving.imr, d.shortfall_mmr, d.shortfall_imr];
    if summary.totals.values().into_iter().chain(more).chain(units).all(f64::is_finite) {
        Ok(summary)
    } else {
        Err(Error::Runtime("a total over all accounts is not finite: some account's figures are absurdly large".into()))
    }
}

fn table_summary(count: &crate::snapshot::TableCount) -> TableSummary {
    TableSummary {
        table: count.table.name().to_owned(),
        rows_in: count.rows_in,
        rows_used: count.rows_used,
        rows_rejected: count.rows_rejected,
        rows_broken: count.rows_broken,
        rows_left_out: count.rows_left_out,
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde gives a reference
fn is_none(rows: &u64) -> bool {
    *rows == 0
}

fn reject_summary(snapshot: &Snapshot) -> RejectSummary {
    let mut by_reason = BTreeMap::new();
    for reject in &snapshot.rejects {
        *by_reason.entry(reject.reason.code()).or_insert(0u64) += 1;
    }
    RejectSummary {
        rows: snapshot.rejects.len() as u64,
        broken: snapshot.tables.iter().map(|table| table.rows_broken).sum(),
        unheld: snapshot.unheld_broken,
        by_reason: by_reason.into_iter().map(|(code, rows)| (code.to_owned(), rows)).collect(),
    }
}

fn unmargined(snapshot: &Snapshot) -> Vec<UnmarginedAccount> {
    let entries = snapshot.unmargined.iter().map(|account| UnmarginedAccount {
        account_id: account.account_id.clone(),
        reason: account.reason.code().to_owned(),
        broken_rows: account.broken_rows,
    });
    entries.collect()
}
