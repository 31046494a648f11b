//! Figures of the book and of its risk units, summed up over the written tables `accounts` and `risk_units`.
//!
//! Rows are added one after another in the order of the table, so that the sums are the same bits however the table is
//! read.

use crate::book::Interner;
use crate::figures::{ACCOUNT, AccountFigure, AccountRow, Layout, Totals};
use crate::margin::extremes::positive_part;
use crate::margin::{AccountMargin, Status};
use crate::progress::Progress;
use crate::results::{ResultColumns, scan_columns};
use crate::tables::columns::{ACCOUNTS, RISK_UNITS};
use crate::tables::groups::batch_of;
use crate::totals::groups::{GroupRow, Shortfalls, WorstAccount};
use crate::totals::spread::Charges;
use crate::totals::sum::Sum;
use crate::totals::summary::AccountCounts;
use crate::{Error, Result};
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use std::path::Path;

/// All accounts of a scenario.
#[derive(Default)]
pub(super) struct OfBook {
    counts: AccountCounts,
    totals: [Sum; Totals::NAMES.len()],
    shortfalls: Shortfalls<Sum>,
    worst: Option<WorstAccount>,
}

impl OfBook {
    fn add(&mut self, account: &AccountRow) {
        let is = |figure| account.flag(figure) == Some(true);
        let im_deficit = is(AccountFigure::im_deficit);
        let status = account.status();
        let in_danger = matches!(status, Some(Status::Liquidation | Status::NearLiquidation));
        self.counts.margined += 1;
        self.counts.at_risk += u64::from(im_deficit || in_danger);
        self.counts.im_deficit += u64::from(im_deficit);
        self.counts.ineligible += u64::from(is(AccountFigure::ineligible));
        if let Some(status) = status {
            *self.counts.by_status.of(status) += 1;
        }
        let summed = ACCOUNT.iter().zip(account.values()).filter(|(figure, _)| figure.sums);
        self.totals.iter_mut().zip(summed).for_each(|(sum, (_, value))| sum.add(*value));
        let [adj_eq, total_eq, mmr, imr, fee] = [
            AccountFigure::adj_eq,
            AccountFigure::total_eq,
            AccountFigure::mmr,
            AccountFigure::imr,
            AccountFigure::liquidation_fee,
        ]
        .map(|figure| account.number(figure));
        self.shortfalls.mmr.add(positive_part(mmr + fee - adj_eq));
        self.shortfalls.imr.add(positive_part(imr - adj_eq));
        self.shortfalls.equity.add(positive_part(-total_eq));
        if let Some(margin_ratio) = account.optional(AccountFigure::margin_ratio)
            && self.worst.as_ref().is_none_or(|worst| margin_ratio < worst.margin_ratio)
        {
            self.worst = Some(WorstAccount { margin_ratio, account_id: Box::default() });
        }
    }

    /// The figure of this name, as a group of all accounts has it; `None` if it is null.
    pub fn figure(&self, name: &str) -> Result<Option<f64>> {
        let Shortfalls { mmr, imr, equity } = self.shortfalls;
        let batch = batch_of(&GroupRow {
            by: "",
            group: "",
            scenario: "",
            counts: self.counts,
            totals: Totals::new(self.totals.map(Sum::value)),
            shortfalls: Shortfalls { mmr: mmr.value(), imr: imr.value(), equity: equity.value() },
            mmr_share: None,
            charges: Charges::default(),
            worst: self.worst.as_ref(),
        })?;
        let column = batch.column_by_name(name).filter(|column| column.len() == 1);
        let column = column.ok_or_else(|| Error::Runtime(format!("the book has no figure `{name}`")))?;
        if column.is_null(0) {
            return Ok(None);
        }
        let number = column.as_primitive_opt::<Float64Type>().map(|column| column.value(0));
        let count = column.as_primitive_opt::<Int64Type>().map(|column| column.value(0) as f64);
        number.or(count).map(Some).ok_or_else(|| Error::Runtime(format!("the figure `{name}` is no number")))
    }
}

/// Rows of some accounts, each with the number of its scenario.
#[derive(Default)]
struct AccountRows {
    scenarios: Interner,
    rows: Vec<(u32, AccountRow)>,
}

/// Sums up `accounts` in each scenario, in the order of the scenarios.
///
/// # Errors
/// Those of reading the table.
pub(super) fn over_accounts(folder: &Path, progress: &dyn Progress) -> Result<Vec<(String, OfBook)>> {
    let layout: Layout<AccountMargin> = Layout::of(&["account_id", "scenario"], &ACCOUNT, |_| true);
    let columns = ResultColumns { names: &layout.names, flags: &layout.flags, figures: &layout.numbers };
    let fold = |local: &mut AccountRows, names: &[&str], figures: &[Option<f64>]| {
        let (account, _) = AccountRow::read(&layout, names, figures);
        local.rows.push((local.scenarios.intern(names.get(1).copied().unwrap_or_default()), account));
    };
    let (mut scenarios, mut all): (Interner, Vec<OfBook>) = (Interner::default(), Vec::new());
    let merge = |local: AccountRows| {
        let places: Vec<usize> = numbers_in(&mut scenarios, &local.scenarios);
        all.resize_with(scenarios.len(), OfBook::default);
        for (scenario, account) in local.rows {
            if let Some(book) = places.get(scenario as usize).and_then(|place| all.get_mut(*place)) {
                book.add(&account);
            }
        }
        Ok(())
    };
    scan_columns(folder, ACCOUNTS.name, columns, fold, merge, progress)?;
    Ok(scenarios.ids().iter().map(str::to_owned).zip(all).collect())
}

/// The numbers of names of a part among all names so far.
fn numbers_in(all: &mut Interner, part: &Interner) -> Vec<usize> {
    part.ids().iter().map(|name| all.intern(name) as usize).collect()
}

/// Figures of some risk units of accounts, each with the numbers of its scenario and risk unit.
#[derive(Default)]
struct UnitRows {
    scenarios: Interner,
    units: Interner,
    rows: Vec<(u32, u32, f64)>,
}

/// Sums up one figure of `risk_units` in each scenario, in their order, and risk unit, in byte order.
///
/// # Errors
/// Those of reading the table; [`Error::Runtime`] for a sum that is not finite.
pub(super) fn over_units(
    folder: &Path,
    figure: &'static str,
    progress: &dyn Progress,
) -> Result<Vec<(String, String, f64)>> {
    let columns = ResultColumns { names: &["scenario", "risk_unit"], flags: &[], figures: &[figure] };
    let fold = |local: &mut UnitRows, names: &[&str], figures: &[Option<f64>]| {
        if let (&[scenario, unit], &[Some(value)]) = (names, figures) {
            local.rows.push((local.scenarios.intern(scenario), local.units.intern(unit), value));
        }
    };
    let (mut scenarios, mut units) = (Interner::default(), Interner::default());
    let mut all: Vec<Vec<Option<Sum>>> = Vec::new();
    let merge = |local: UnitRows| {
        let of_scenario = numbers_in(&mut scenarios, &local.scenarios);
        let of_unit = numbers_in(&mut units, &local.units);
        all.resize_with(scenarios.len(), Vec::new);
        for sums in &mut all {
            sums.resize(units.len(), None);
        }
        for (scenario, unit, value) in local.rows {
            let places = (of_scenario.get(scenario as usize), of_unit.get(unit as usize));
            let (Some(&scenario), Some(&unit)) = places else { continue };
            if let Some(sum) = all.get_mut(scenario).and_then(|sums| sums.get_mut(unit)) {
                sum.get_or_insert_default().add(value);
            }
        }
        Ok(())
    };
    scan_columns(folder, RISK_UNITS.name, columns, fold, merge, progress)?;
    let mut found = Vec::new();
    for (scenario, sums) in scenarios.ids().iter().zip(&all) {
        let first = found.len();
        for (unit, sum) in units.ids().iter().zip(sums) {
            let Some(sum) = sum.map(Sum::value) else { continue };
            if !sum.is_finite() {
                let problem = format!("scenario `{scenario}`: the sum of `{figure}` of `{unit}` is not finite");
                return Err(Error::Runtime(problem));
            }
            found.push((scenario.to_owned(), unit.to_owned(), sum));
        }
        if let Some(of_scenario) = found.get_mut(first..) {
            of_scenario.sort_by(|(_, a, _), (_, b, _)| a.cmp(b));
        }
    }
    Ok(found)
}
