//! Counts and totals of a run, reconciled: the summary with itself, with the manifest, with the tables and with the
//! snapshot.

use super::tables::{AccountsPass, UnitsPass};
use super::{Findings, Origin};
use crate::Result;
use crate::figures::Totals;
use crate::progress::Progress;
use crate::publish::recorded::{Recorded, read_json};
use crate::results;
use crate::snapshot::{Table, Warning};
use crate::stress::StressSummary;
use crate::totals::limit_summary::{LimitsSummary, Severity};
use crate::totals::summary::{Summary, TableSummary};
use std::path::Path;

const SUMMARY: &str = "summary.json";

/// Rounding in a sum, as a share of the sum of the absolute values.
pub(super) const SUM_ROUNDING: f64 = 1e-12;

/// Compares everything that the files at hand allow.
pub(super) fn check(
    run: &Path,
    recorded: &Recorded,
    origin: Option<&Origin>,
    findings: &mut Findings,
    progress: &dyn Progress,
) -> Result<()> {
    let path = run.join(SUMMARY);
    let expected = "the `summary.json` of a finished run";
    let is_stress = recorded.request.as_ref().is_some_and(|request| request.stress.is_some());
    let (summary, scenarios, limits, prefix) = if is_stress {
        let summary: StressSummary = read_json(&path, expected)?;
        (summary.base, summary.scenarios, summary.limits, "base.")
    } else {
        let mut summary: Summary = read_json(&path, expected)?;
        let (scenarios, limits) = (summary.scenarios, summary.limits.take());
        (summary, scenarios, limits, "")
    };
    if let Some(limits) = &limits {
        of_limits(limits, recorded, findings);
    }
    let mut of = Summed { findings, prefix, recorded, summary: &summary, scenarios };
    of.itself();
    of.manifest(is_stress);
    if let Some(origin) = origin {
        of.origin(origin);
    }
    if results::has_result(run, "accounts")? {
        of.tables(run, origin, progress)?;
    }
    Ok(())
}

/// What the summary says of limits twice, and what the manifest says as well.
fn of_limits(limits: &LimitsSummary, recorded: &Recorded, findings: &mut Findings) {
    for severity in Severity::ALL {
        let each = || limits.each.iter().filter(|limit| limit.severity == severity);
        let rows = each().fold(0u64, |sum, limit| sum.saturating_add(limit.breaches));
        let breached = each().filter(|limit| limit.breaches > 0).count() as u64;
        findings.equal(SUMMARY, &format!("limits.breaches.{severity}"), &limits.breaches.get(severity), &rows);
        findings.equal(SUMMARY, &format!("limits.breached.{severity}"), &limits.breached.get(severity), &breached);
    }
    let breaches = recorded.outputs.iter().find(|file| file.path.starts_with("breaches."));
    if let Some(rows) = breaches.and_then(|file| file.rows) {
        findings.equal(SUMMARY, "limits.breaches", &limits.rows(), &rows);
    }
    if let Some(text) = recorded.request.as_ref().and_then(|request| request.limits.as_ref()) {
        let hash = blake3::hash(text.as_bytes()).to_hex().to_string();
        findings.equal(SUMMARY, "limits.blake3", &limits.blake3, &hash);
    }
}

struct Summed<'a> {
    findings: &'a mut Findings,
    prefix: &'static str,
    recorded: &'a Recorded,
    summary: &'a Summary,
    scenarios: u64,
}

impl Summed<'_> {
    fn equal<T: PartialEq + ToString>(&mut self, key: &str, found: &T, expected: &T) {
        self.findings.equal(SUMMARY, &format!("{}{key}", self.prefix), found, expected);
    }

    /// What the summary says twice.
    fn itself(&mut self) {
        let summary = self.summary;
        let (mut rejected, mut broken) = (0, 0);
        for TableSummary { table, rows_in, rows_used, rows_rejected, rows_broken, rows_left_out } in &summary.tables {
            let sum = |a: &u64, b: &u64| a.saturating_add(*b);
            self.equal(&format!("tables.{table}.rows_in"), rows_in, &sum(rows_used, rows_rejected));
            self.equal(&format!("tables.{table}.rows_rejected"), rows_rejected, &sum(rows_broken, rows_left_out));
            rejected = sum(&rejected, rows_rejected);
            broken = sum(&broken, rows_broken);
        }
        let by_reason = summary.rejects.by_reason.values().fold(0u64, |sum, rows| sum.saturating_add(*rows));
        self.equal("rejects.rows", &summary.rejects.rows, &rejected);
        self.equal("rejects.broken", &summary.rejects.broken, &broken);
        self.equal("rejects.by_reason", &by_reason, &summary.rejects.rows);
        let accounts = &summary.accounts;
        self.equal("accounts.unmargined", &accounts.unmargined, &(summary.unmargined.len() as u64));
        let status = &accounts.by_status;
        let by_status = [status.liquidation, status.near_liquidation, status.warning, status.healthy, status.no_risk];
        let by_status = by_status.into_iter().fold(0u64, u64::saturating_add);
        self.equal("accounts.by_status", &by_status, &accounts.margined);
        let (totals, saving) = (&summary.totals, &summary.hedge_saving);
        self.equal("hedge_saving.mmr", &saving.mmr, &(totals.mmr_no_hedge - totals.mmr));
        self.equal("hedge_saving.imr", &saving.imr, &(totals.imr_no_hedge - totals.imr));
        if let Some(netting) = &summary.netting {
            self.equal("netting.mmr_benefit", &netting.mmr_benefit, &(netting.mmr_sum - netting.mmr_netted));
            self.equal("netting.imr_benefit", &netting.imr_benefit, &(netting.imr_sum - netting.imr_netted));
            let file = self.recorded.outputs.iter().find(|file| file.path.starts_with("netting."));
            if let Some(rows) = file.and_then(|file| file.rows) {
                self.equal("netting.groups", &netting.groups, &rows);
            }
        }
    }

    /// What the manifest says as well.
    fn manifest(&mut self, is_stress: bool) {
        let (summary, recorded) = (self.summary, self.recorded);
        self.equal("as_of", &summary.as_of, &recorded.as_of);
        self.equal("rules.name", &summary.rules.name, &recorded.rules.name);
        self.equal("rules.hash", &summary.rules.hash, &recorded.rules.hash);
        for table in &summary.tables {
            let files = recorded.inputs.iter().filter(|file| table_of(&file.path) == Some(&table.table));
            let rows = files.map(|file| file.rows).try_fold(0u64, |sum, rows| sum.checked_add(rows?));
            if let Some(rows) = rows {
                self.equal(&format!("tables.{}.rows_in", table.table), &table.rows_in, &rows);
            }
        }
        let rows_of = |table: &str| {
            let mut outputs = recorded.outputs.iter();
            outputs.find(|file| table_of(&file.path) == Some(table)).and_then(|file| file.rows)
        };
        if let Some(rows) = rows_of("rejects") {
            self.equal("rejects.rows", &summary.rejects.rows, &rows);
        }
        if let Some(rows) = rows_of("at_risk").filter(|_| !is_stress && self.scenarios == 1) {
            self.equal("accounts.at_risk", &summary.accounts.at_risk, &rows);
        }
        if let Some(rows) = rows_of("accounts") {
            self.equal("accounts.margined", &summary.accounts.margined.saturating_mul(self.scenarios), &rows);
        }
    }

    /// What the snapshot gives when it is read again.
    fn origin(&mut self, origin: &Origin) {
        let (summary, snapshot) = (self.summary, &origin.snapshot);
        self.equal("accounts.margined", &summary.accounts.margined, &(snapshot.book.len() as u64));
        let scenarios = self.scenarios;
        self.equal("scenarios", &scenarios, &(origin.scenarios.len() as u64));
        self.equal("rejects.rows", &summary.rejects.rows, &(snapshot.rejects.len() as u64));
        self.equal("rejects.unheld", &summary.rejects.unheld, &snapshot.unheld_broken);
        self.equal("unused_price_gaps", &summary.unused_price_gaps, &snapshot.unused_price_gaps);
        let texts = |warnings: &[Warning]| warnings.iter().map(|warning| warning.text.clone()).collect::<Vec<_>>();
        self.equal("warnings", &texts(&summary.warnings).join("; "), &texts(&snapshot.warnings).join("; "));
        for count in &snapshot.tables {
            let name = count.table.name();
            let found = summary.tables.iter().find(|table| table.table == name);
            let counts = |of: &TableSummary| format!("{} used, {} rejected", of.rows_used, of.rows_rejected);
            let found = found.map_or_else(|| "no such table".to_owned(), counts);
            let expected = format!("{} used, {} rejected", count.rows_used, count.rows_rejected);
            self.equal(&format!("tables.{name}"), &found, &expected);
        }
        let listed: Vec<&str> = summary.unmargined.iter().map(|account| account.account_id.as_str()).collect();
        let expected: Vec<&str> = snapshot.unmargined.iter().map(|account| account.account_id.as_str()).collect();
        let first = listed.iter().zip(&expected).find(|(found, expected)| found != expected);
        if let Some((found, expected)) = first {
            self.equal("unmargined", found, expected);
        } else {
            self.equal("unmargined", &listed.len(), &expected.len());
        }
    }

    /// What the two large tables add up to.
    fn tables(&mut self, run: &Path, origin: Option<&Origin>, progress: &dyn Progress) -> Result<()> {
        let summary = self.summary;
        let accounts = AccountsPass::read(run, origin, self.findings, progress)?;
        let units = UnitsPass::read(run, progress)?;
        self.equal("accounts.margined", &summary.accounts.margined, &accounts.base_rows);
        let totals = Totals::NAMES.into_iter().zip(summary.totals.values());
        for ((name, total), (sum, size)) in totals.zip(accounts.sums()) {
            let key = format!("{}totals.{name}", self.prefix);
            self.findings.close(SUMMARY, &key, total, sum, SUM_ROUNDING * size);
        }
        let (found, counted) = (&summary.accounts, &accounts.counts);
        self.equal("accounts.im_deficit", &found.im_deficit, &counted.im_deficit);
        self.equal("accounts.ineligible", &found.ineligible, &counted.ineligible);
        self.equal("accounts.at_risk", &found.at_risk, &counted.at_risk);
        let statuses = |of: &crate::totals::counts::StatusCounts| {
            let all = [of.liquidation, of.near_liquidation, of.warning, of.healthy, of.no_risk];
            all.map(|count| count.to_string()).join(", ")
        };
        self.equal("accounts.by_status", &statuses(&found.by_status), &statuses(&counted.by_status));

        let names: Vec<&str> = summary.risk_units.iter().map(|unit| unit.risk_unit.as_str()).collect();
        let expected: Vec<&str> = units.units.keys().map(String::as_str).collect();
        self.equal("risk_units", &names.join(", "), &expected.join(", "));
        for found in &summary.risk_units {
            let Some(unit) = units.units.get(&found.risk_unit) else { continue };
            let key = format!("risk_units.{}", found.risk_unit);
            self.equal(&format!("{key}.accounts"), &found.accounts, &unit.accounts);
            let of = |counts: &crate::totals::summary::BindingCounts| {
                [counts.mr1, counts.mr2, counts.mr6, counts.mr7, counts.none].map(|count| count.to_string()).join(", ")
            };
            self.equal(&format!("{key}.binding"), &of(&found.binding), &of(&unit.binding));
            let sum_key = format!("{}{key}.mmr", self.prefix);
            self.findings.close(SUMMARY, &sum_key, found.mmr, unit.mmr.value(), SUM_ROUNDING * unit.size);
        }
        let outputs = self.recorded.outputs.iter();
        for file in outputs {
            let read = match table_of(&file.path) {
                Some("accounts") => accounts.rows,
                Some("risk_units") => units.rows,
                _ => continue,
            };
            self.findings.equal(&file.path, "rows", &read, &file.rows.unwrap_or_default());
        }
        Ok(())
    }
}

/// The table of a file of the run or the snapshot: `positions` of `positions.csv` and of `positions/part-0.parquet`.
fn table_of(path: &str) -> Option<&str> {
    let first = path.split('/').next()?;
    let stem = first.rsplit_once('.').map_or(first, |(stem, _)| stem);
    let known = Table::ALL.iter().any(|table| table.name() == stem);
    (known || ["risk_units", "at_risk", "rejects"].contains(&stem)).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_belong_to_tables() {
        for (path, table) in [
            ("positions.csv", Some("positions")),
            ("positions/part-0.parquet", Some("positions")),
            ("accounts.arrow", Some("accounts")),
            ("at_risk.parquet", Some("at_risk")),
            ("snapshot.toml", None),
            ("/tmp/shocks.csv", None),
            ("", None),
        ] {
            assert_eq!(table_of(path), table, "{path}");
        }
    }
}
