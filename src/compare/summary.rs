//! `summary.json` of a comparison: what changed over the whole book.

use super::change::{Breach, CAUSES, Causes, Change, main_of, mmr_usd};
use super::stats::{Moved, Stats};
use crate::figures::{ACCOUNT, AccountFigure, AccountRow, Figure, UnitFigure, UnitTotals};
use crate::margin::Status;
use crate::rules::RulesId;
use crate::{Error, Result};
use serde::Serialize;

/// What a comparison found, as a whole. All money in USD; `change` is B less A.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CompareSummary {
    /// Before.
    pub a: SideSummary,
    /// After.
    pub b: SideSummary,
    /// The parameters that differ.
    pub parameters: Vec<ParameterChange>,
    /// Accounts by whether they could be compared.
    pub accounts: CompareCounts,
    /// Accounts in A and in B by status, and with an IM deficit or without eligibility.
    pub counts: Vec<CountChange>,
    /// Who breaches now and did not before, and the other way round.
    pub breaches: BreachCounts,
    /// Sums over all accounts of each run, new and closed ones too, but for those that one of the runs left out.
    pub totals: Vec<TotalChange>,
    /// Accounts by status before and after.
    pub migration: Vec<Migration>,
    /// What each cause contributed; null in a comparison of rules, and where causes could not be told apart.
    pub causes: Option<Vec<CauseSummary>>,
    /// Why causes could not be told apart, if so.
    pub not_attributed: Option<String>,
    /// Each risk unit that some account has, in byte order; by base currency if one side is merged and one is not.
    pub risk_units: Vec<UnitChange>,
    /// The ten accounts whose MMR rises most.
    pub largest_rises: Vec<Mover>,
    /// The ten accounts whose MMR falls most.
    pub largest_falls: Vec<Mover>,
    /// The first ten rows of `breaches`.
    pub new_breaches: Vec<NewBreach>,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SideSummary {
    /// Valuation time, RFC 3339 in UTC.
    pub as_of: String,
    /// Which rules.
    pub rules: RulesId,
    /// The spot hedging mode that all accounts are taken to have; null if each has its own.
    pub spot_offset: Option<&'static str>,
}

/// A parameter with two values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct ParameterChange {
    pub key: String,
    /// Null where only the other side has the key.
    pub a: Option<String>,
    pub b: Option<String>,
}

/// Accounts by whether they could be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CompareCounts {
    /// Margined on both sides.
    pub kept: u64,
    /// In B only.
    pub new: u64,
    /// In A only.
    pub closed: u64,
    /// Left out by one side or both, and hence not compared.
    pub unmargined: u64,
}

/// Accounts on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct CountChange {
    pub accounts: &'static str,
    pub a: u64,
    pub b: u64,
}

/// Accounts whose breaches differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct BreachCounts {
    pub newly_liquidation: u64,
    pub newly_im_deficit: u64,
    pub no_longer_liquidation: u64,
    pub no_longer_im_deficit: u64,
}

/// A sum over all accounts on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct TotalChange {
    pub figure: &'static str,
    pub a: f64,
    pub b: f64,
    pub change: f64,
}

/// Accounts of one status before and one after; null where they are new or closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Migration {
    pub status_a: Option<&'static str>,
    pub status_b: Option<&'static str>,
    pub accounts: u64,
}

/// What one cause contributed over all accounts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CauseSummary {
    /// Its name.
    pub cause: &'static str,
    /// To MMR.
    pub mmr: f64,
    /// To `adj_eq - mmr - liquidation_fee`.
    pub excess: f64,
    /// Accounts newly in liquidation mainly by it.
    pub newly_liquidation: u64,
    /// Accounts with a new IM deficit, and not newly in liquidation, mainly by it.
    pub newly_im_deficit: u64,
}

/// One risk unit over all accounts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct UnitChange {
    pub risk_unit: String,
    pub accounts_a: u64,
    pub accounts_b: u64,
    pub mmr_a: f64,
    pub mmr_b: f64,
    pub mmr_change: f64,
    /// The component whose sum changes most, if one does.
    pub main_component: Option<&'static str>,
    /// What each cause contributed, in the order of `causes`.
    pub causes: Option<Causes>,
}

/// An account whose MMR moved.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Mover {
    pub account_id: String,
    pub mmr_a: Option<f64>,
    pub mmr_b: Option<f64>,
    pub mmr_change: f64,
    pub mmr_main_cause: Option<&'static str>,
}

/// An account that breaches in B and did not in A.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct NewBreach {
    pub account_id: String,
    pub breach: &'static str,
    pub margin_ratio_a: Option<f64>,
    pub margin_ratio_b: Option<f64>,
    pub mmr_change: f64,
    pub main_cause: Option<&'static str>,
}

/// Accounts listed by name in the summary.
const LISTED: usize = 10;

impl CompareSummary {
    /// The text of `summary.json`.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the library fails.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        crate::publish::json::json("summary.json", self)
    }
}

/// What is not counted in the statistics.
pub(crate) struct About {
    pub a: SideSummary,
    pub b: SideSummary,
    pub parameters: Vec<ParameterChange>,
    pub unmargined: u64,
    pub not_attributed: Option<String>,
}

/// Sums up a comparison; `stats` has its breaches in order, `units` names its risk units.
pub(crate) fn of(about: About, stats: &Stats, units: &[String]) -> Result<CompareSummary> {
    let About { a, b, parameters, unmargined, not_attributed } = about;
    let summed = ACCOUNT.iter().filter(|figure| figure.sums).enumerate().filter(|(_, figure)| figure.compared);
    let total = |(place, figure): (usize, &Figure<_>)| {
        let [a, b] = [0, 1].map(|side: usize| stats.totals[side][place].value());
        TotalChange { figure: figure.name, a, b, change: b - a }
    };
    let totals: Vec<TotalChange> = summed.map(total).collect();
    if let Some(total) = totals.iter().find(|total| !total.change.is_finite()) {
        return Err(Error::Runtime(format!("the total of `{}` over all accounts is not finite", total.figure)));
    }
    let by_status = Status::ALL.iter().enumerate().map(|(place, status)| CountChange {
        accounts: status.name(),
        a: stats.with_status(0, place),
        b: stats.with_status(1, place),
    });
    let flagged = [("im_deficit", stats.im_deficit), ("ineligible", stats.ineligible)];
    let flagged = flagged.map(|(accounts, [a, b])| CountChange { accounts, a, b });
    let held = units.iter().zip(&stats.units).filter(|(_, unit)| unit.is_held());
    let risk_units = held.map(|(name, unit)| {
        let [a, b] = [unit.sums(0), unit.sums(1)];
        UnitChange {
            risk_unit: name.clone(),
            accounts_a: unit.accounts[0],
            accounts_b: unit.accounts[1],
            mmr_a: a.mmr,
            mmr_b: b.mmr,
            mmr_change: b.mmr - a.mmr,
            main_component: main_component(&a, &b),
            causes: unit.causes(),
        }
    });
    Ok(CompareSummary {
        a,
        b,
        parameters,
        accounts: CompareCounts { kept: stats.kept, new: stats.new, closed: stats.closed, unmargined },
        counts: by_status.chain(flagged).collect(),
        breaches: BreachCounts {
            newly_liquidation: stats.newly[0],
            newly_im_deficit: stats.newly[1],
            no_longer_liquidation: stats.no_longer[0],
            no_longer_im_deficit: stats.no_longer[1],
        },
        totals,
        migration: stats
            .migrations()
            .into_iter()
            .map(|(from, to, accounts)| Migration {
                status_a: from.map(Status::name),
                status_b: to.map(Status::name),
                accounts,
            })
            .collect(),
        causes: causes(stats),
        not_attributed,
        risk_units: risk_units.collect(),
        largest_rises: stats.rises.iter().map(mover).collect(),
        largest_falls: stats.falls.iter().map(mover).collect(),
        new_breaches: new_breaches(stats).into_iter().take(LISTED).collect(),
    })
}

/// The component whose sum changes most, the first of equals; none if no one does.
fn main_component(a: &UnitTotals, b: &UnitTotals) -> Option<&'static str> {
    let is_component = |name: &str| UnitFigure::COMPONENTS.iter().any(|figure| figure.figure().name == name);
    let changes = a.values().into_iter().zip(b.values()).map(|(a, b)| b - a);
    let components = UnitTotals::NAMES.into_iter().zip(changes).filter(|(name, _)| is_component(name));
    let main = components.reduce(|best, next| if next.1.abs() > best.1.abs() { next } else { best });
    main.filter(|(_, change)| *change != 0.0).map(|(name, _)| name)
}

fn causes(stats: &Stats) -> Option<Vec<CauseSummary>> {
    let (mmr, excess) = (stats.mmr_causes?, stats.excess_causes?);
    let row = |(place, &cause): (usize, &&'static str)| CauseSummary {
        cause,
        mmr: mmr[place].value(),
        excess: excess[place].value(),
        newly_liquidation: stats.breaches_by_cause[Breach::Liquidation as usize][place],
        newly_im_deficit: stats.breaches_by_cause[Breach::ImDeficit as usize][place],
    };
    Some(CAUSES.iter().enumerate().map(row).collect())
}

fn mover(moved: &Moved) -> Mover {
    let Change { a, b, why } = &moved.change;
    Mover {
        account_id: moved.account_id.clone(),
        mmr_a: a.as_ref().map(mmr_usd),
        mmr_b: b.as_ref().map(mmr_usd),
        mmr_change: moved.mmr_change(),
        mmr_main_cause: why.as_ref().and_then(|why| main_of(&why.mmr)),
    }
}

/// Every new breach, in order.
pub(crate) fn new_breaches(stats: &Stats) -> Vec<NewBreach> {
    stats.breaches.iter().filter_map(new_breach).collect()
}

fn new_breach(moved: &Moved) -> Option<NewBreach> {
    let ratio = |row: &Option<AccountRow>| row.as_ref().and_then(|row| row.optional(AccountFigure::margin_ratio));
    Some(NewBreach {
        account_id: moved.account_id.clone(),
        breach: moved.change.new_breach()?.name(),
        margin_ratio_a: ratio(&moved.change.a),
        margin_ratio_b: ratio(&moved.change.b),
        mmr_change: moved.mmr_change(),
        main_cause: moved.change.main_cause().map(|(place, _)| CAUSES[place]),
    })
}
