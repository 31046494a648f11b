//! Rebuilds the page of a finished run from the files in its folder.

use crate::figures::{Layout, UNIT, UnitRow};
use crate::market::scenario::BASE;
use crate::page::content::{AtRiskRow, FIGURES, Identity, NAMES, Page, PageFile, UnitEntry, UnitsByAccount};
use crate::page::{AT_RISK_SHOWN, Blame, Groups, Limits, Losses, Netting, Scenarios, render};
use crate::progress::Progress;
use crate::publish::recorded::Recorded;
use crate::publish::{MANIFEST, check_replaceable, write_file};
use crate::results::{ResultRow, check_run, read_json, read_table};
use crate::rules::{Mark, RuleValue, RulesId};
use crate::source;
use crate::stress::StressSummary;
use crate::totals::Summary;
use crate::{Error, Invalid, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeSet;
use std::path::Path;

const SUMMARY: &str = "summary.json";

/// The part of `manifest.json` that the page needs.
#[derive(Deserialize)]
struct Manifest {
    remargin: String,
    #[serde(default)]
    label: Option<String>,
    rules: Rules,
    inputs: Vec<PageFile>,
    outputs: Vec<PageFile>,
}

#[derive(Deserialize)]
struct Rules {
    name: String,
    hash: String,
    values: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Parameter {
    key: String,
    value: String,
    source: String,
    #[serde(default)]
    mark: Option<Mark>,
}

/// The part of every manifest that says what it is of.
#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    outputs: Vec<PageFile>,
}

/// Distinguishes the `summary.json` of a stress from that of a run.
#[derive(Deserialize)]
struct SummaryKind {
    base: Option<IgnoredAny>,
}

/// Bytes by which a page is told from another file: `<!doctype html>`.
const PAGE_BEGINS: usize = 15;

/// A rebuilt page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Its size.
    pub bytes: u64,
    /// Whether its hash equals the one in the manifest. `None` if the run wrote no page.
    pub as_listed: Option<bool>,
    /// Tables that the run wrote and that are not in the folder any more, as far as a page shows their rows: it is
    /// drawn without them.
    pub missing: Vec<String>,
}

/// Files that a page is drawn from.
const SHOWN: [&str; 13] = [
    "summary",
    "at_risk",
    "risk_units",
    "groups",
    "group_units",
    "account_groups",
    "netting",
    "breaches",
    "scenarios",
    "tail",
    "worst",
    "migration",
    "rejects",
];

/// Rebuilds the page of the finished run in `dir` and writes it to `out`, replacing an existing page.
///
/// # Errors
/// [`Error::Usage`](crate::Error::Usage) if `out` is another file;
/// [`Error::Invalid`] if `dir` is not a finished run of this version, or one of its tables is broken or was edited;
/// [`Error::Io`] if the page cannot be written; [`Error::Interrupted`].
pub fn rebuild(dir: &Path, out: &Path, progress: &dyn Progress) -> Result<Rebuilt> {
    check_kind(dir)?;
    let manifest: Manifest = read_json(dir, MANIFEST)?;
    check_run(dir, &Recorded::of_run(dir)?, &SHOWN, progress)?;
    let listed = manifest.outputs.iter().find(|file| file.path == crate::page::REPORT).map(|file| file.blake3.clone());
    let missing = missing(dir, &manifest)?;
    let bytes = page_of(dir, progress)?;
    progress.check()?;
    check_replaceable(out, bytes.get(..PAGE_BEGINS).unwrap_or_default())?;
    write_file(out, &bytes)?;
    let hash = blake3::hash(&bytes).to_hex();
    Ok(Rebuilt { bytes: bytes.len() as u64, as_listed: listed.map(|listed| listed == hash.as_str()), missing })
}

/// Refuses what has a manifest and no page: every run writes `accounts`, and every stress `scenarios`.
fn check_kind(dir: &Path) -> Result<()> {
    let Ok(Kind { outputs }) = read_json::<Kind>(dir, MANIFEST) else { return Ok(()) };
    let is_shown = |file: &PageFile| ["accounts.", "scenarios."].iter().any(|table| file.path.starts_with(table));
    if outputs.iter().any(is_shown) {
        return Ok(());
    }
    let invalid = Invalid::new("the folder has no page").file(dir.join(MANIFEST));
    let invalid = invalid.expected("the folder of a finished run or stress");
    Err(invalid.hint("a comparison, a simulation and a partition have none").into())
}

/// The tables that the manifest lists and that are in the folder in no format.
fn missing(dir: &Path, manifest: &Manifest) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for table in SHOWN {
        let is_of_table = |file: &&PageFile| file.path.split_once('.').is_some_and(|(stem, _)| stem == table);
        let files: Vec<&PageFile> = manifest.outputs.iter().filter(is_of_table).collect();
        let mut is_there = files.is_empty();
        for file in &files {
            is_there |= source::is_there(&dir.join(&file.path))?;
        }
        if !is_there {
            missing.extend(files.first().map(|file| file.path.clone()));
        }
    }
    Ok(missing)
}

/// The bytes of the page of the finished run in `dir`.
///
/// # Errors
/// [`Error::Invalid`] if `dir` is not a finished run of this version, or one of its tables is broken;
/// [`Error::Interrupted`].
pub(crate) fn page_of(dir: &Path, progress: &dyn Progress) -> Result<Vec<u8>> {
    render(&page(dir, read_json(dir, MANIFEST)?, progress)?)
}

fn page(dir: &Path, manifest: Manifest, progress: &dyn Progress) -> Result<Page> {
    let kind: SummaryKind = read_json(dir, SUMMARY)?;
    let (summary, over, limits) = if kind.base.is_none() {
        let mut summary = read_json::<Summary>(dir, SUMMARY)?;
        let limits = summary.limits.take();
        (summary, None, limits)
    } else {
        let summary = read_json::<StressSummary>(dir, SUMMARY)?;
        (summary.base, summary.distribution, summary.limits)
    };
    let Rules { name, hash, values } = manifest.rules;
    let values: Vec<RuleValue> = values
        .into_iter()
        .map(|Parameter { key, value, source, mark }| RuleValue { key, value, source, mark })
        .collect();
    let rules = RulesId { name, hash };
    let identity = Identity::new(&summary.as_of, &manifest.remargin, rules, &values, manifest.inputs, manifest.outputs)
        .labelled(manifest.label.as_deref());
    let scenarios = Scenarios::read(dir, progress)?;
    let is_stress = scenarios.is_some();
    let losses = Losses::read(dir, over.as_ref(), progress)?;
    let blames = Blame::read(dir, &summary, progress)?;
    let limits = Limits::read(dir, limits.as_ref(), progress)?;
    let netting = Netting::read(dir, summary.netting.as_ref(), progress)?;
    let page = Page::new(identity, &summary, scenarios).with_blame(&blames).with_losses(losses).with_limits(limits);
    let page = page.with_netting(netting);
    let is_base = |names: &[&str]| names.get(1) == Some(&BASE);
    let Some(mut rows) = read_table(dir, "at_risk", &NAMES, &FIGURES, is_base, progress)? else {
        return Ok(page.with_groups(Groups::read(dir, &[], None, progress)?));
    };
    rows.truncate(AT_RISK_SHOWN);
    let rows: Vec<AtRiskRow> = rows.into_iter().map(AtRiskRow::read).collect::<Result<_>>()?;
    let page = page.with_groups(Groups::read(dir, &AtRiskRow::ids(&rows), None, progress)?);
    // A stress has this table only with `--detail all`. Its page does not depend on it.
    let units = if is_stress { None } else { units(dir, &rows, progress)? };
    Ok(page.with_rows(rows, units))
}

fn units(dir: &Path, accounts: &[AtRiskRow], progress: &dyn Progress) -> Result<Option<UnitsByAccount>> {
    let wanted: BTreeSet<&str> = accounts.iter().map(|row| row.account_id.as_str()).collect();
    let keep = |names: &[&str]| names.get(1) == Some(&BASE) && names.first().is_some_and(|id| wanted.contains(id));
    let layout = Layout::of(&["account_id", "scenario", "risk_unit"], &UNIT, |figure| figure.compared);
    let rows = read_table(dir, "risk_units", &layout.names, &layout.numbers, keep, progress)?;
    let Some(rows) = rows else { return Ok(None) };
    let mut units = UnitsByAccount::new();
    for ResultRow { names, figures } in rows {
        let strange = || Error::Runtime("a row of `risk_units` does not have the expected columns".to_owned());
        let [account, _, name, ..] = names.as_slice() else { return Err(strange()) };
        let texts: Vec<&str> = names.iter().map(String::as_str).collect();
        let (row, _) = UnitRow::read(&layout, &texts, &figures);
        units.entry(account.clone()).or_default().push(UnitEntry { name: name.clone(), figures: row });
    }
    Ok(Some(units))
}
