//! Functions that compute many things of a book: stress, comparison, distances. What they write is a folder, which the
//! package opens as `Outputs`.

use crate::recalculate::Given;
use crate::request::{self, choose};
use crate::rules::Rules;
use crate::table::Table;
use crate::{errors, market, work};
use pyo3::prelude::*;
use pyo3::types::PyString;
use remargin::compare::{self, Basis, RulesRequest, RunsRequest};
use remargin::distance::chosen::{self, DistancesRequest, Whose};
use remargin::margin::rules::SpotOffset;
use remargin::request::OutputRequest;
use remargin::stress::{Detail, Distributed, ScenarioSources, StressRequest};
use remargin::{Error, batches, results, stress as stressing};
use std::path::PathBuf;

/// Stresses a book; returns the number of broken rows if it is more than allowed.
#[pyfunction]
#[pyo3(signature = (
    snapshot, out, *, rules = None, scenarios = None, shocks = None, detail = "at-risk", distribution = "book",
    fund_usd = None, distance = "at-risk", by = Vec::new(), limits = None, label = None, format = "parquet", force = false,
    max_rejects = "0", memory_limit = None, allow_rules_date = false, mark_check = "50%", report = true, threads = None, progress = None
))]
pub fn stress<'py>(
    py: Python<'py>,
    snapshot: PathBuf,
    out: PathBuf,
    rules: Option<&Bound<'py, Rules>>,
    scenarios: Option<&Bound<'py, PyAny>>,
    shocks: Option<PathBuf>,
    detail: &str,
    distribution: &str,
    fund_usd: Option<f64>,
    distance: &str,
    by: Vec<String>,
    limits: Option<PathBuf>,
    label: Option<&str>,
    format: &str,
    force: bool,
    max_rejects: &str,
    memory_limit: Option<&str>,
    allow_rules_date: bool,
    mark_check: &str,
    report: bool,
    threads: Option<usize>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Option<u64>> {
    let details = [("all", Detail::All), ("at-risk", Detail::AtRisk), ("none", Detail::None)];
    let whose = [("accounts", Distributed::Accounts), ("book", Distributed::Book), ("none", Distributed::None)];
    let (detail, whose) = (choose("detail", detail, &details)?, choose("distribution", distribution, &whose)?);
    let given = Given::new(py, scenarios)?;
    let output = request::output("stress", &snapshot, out, format, force)?;
    let output = output.with_report(report).with_label(request::label(py, label)?);
    let rules = Rules::or_of_snapshot(py, rules, &snapshot)?;
    let dir = snapshot.clone();
    let snapshot = request::snapshot(py, snapshot, allow_rules_date, mark_check, max_rejects, memory_limit)?;
    let mark_check = market::mark_check(py, mark_check)?;
    let mut request = StressRequest::new(snapshot, output, rules.as_ref().clone())
        .with_detail(detail)
        .with_distribution(whose)
        .with_distance(request::distance(distance)?)
        .with_groups(request::groups(py, &by)?)
        .with_limits(request::limits(py, limits)?);
    request.fund_usd = fund_usd;
    let outcome = work::run(py, threads, progress, move |progress| {
        let Given { shocks: table, axes, single: mut scenarios, presets } = given.read()?;
        if let Some(table) = table {
            scenarios.extend(batches::snapshot_scenarios(&dir, &table, mark_check, progress)?);
        }
        request.sources = ScenarioSources { shocks, axes, scenarios, presets };
        stressing::run(&request, progress)
    })?;
    Ok(outcome.too_many_rejects)
}

/// One side of a comparison of rules.
fn basis(side: &Bound<'_, Rules>, spot_offset: Option<&str>) -> PyResult<Basis> {
    let modes = [
        ("usdt", SpotOffset::Usdt),
        ("usdc", SpotOffset::Usdc),
        ("coin", SpotOffset::Coin),
        ("none", SpotOffset::None),
    ];
    let spot_offset = spot_offset.map(|mode| choose("spot_offset", mode, &modes)).transpose()?;
    Ok(Basis { rules: side.get().0.as_ref().clone(), spot_offset })
}

/// Compares two rule sets over a snapshot; returns the number of broken rows if it is more than allowed.
#[pyfunction]
#[pyo3(signature = (
    snapshot, out, a, b, *, spot_offset_a = None, spot_offset_b = None, format = "parquet", force = false,
    max_rejects = "0", memory_limit = None, allow_rules_date = false, mark_check = "50%", threads = None,
    progress = None
))]
pub fn compare_rules<'py>(
    py: Python<'py>,
    snapshot: PathBuf,
    out: PathBuf,
    a: &Bound<'py, Rules>,
    b: &Bound<'py, Rules>,
    spot_offset_a: Option<&str>,
    spot_offset_b: Option<&str>,
    format: &str,
    force: bool,
    max_rejects: &str,
    memory_limit: Option<&str>,
    allow_rules_date: bool,
    mark_check: &str,
    threads: Option<usize>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Option<u64>> {
    let output = request::output("compare", &snapshot, out, format, force)?;
    let snapshot = request::snapshot(py, snapshot, allow_rules_date, mark_check, max_rejects, memory_limit)?;
    let request = RulesRequest::new(snapshot, basis(a, spot_offset_a)?, basis(b, spot_offset_b)?).with_target(output);
    let outcome = work::run(py, threads, progress, |progress| compare::compare_rules(&request, progress))?;
    Ok(outcome.too_many_rejects)
}

/// Compares two finished runs.
#[pyfunction]
#[pyo3(signature = (
    a, b, out, *, snapshot_a = None, snapshot_b = None, plain = false, format = "parquet", force = false,
    memory_limit = None, threads = None, progress = None
))]
pub fn compare_runs<'py>(
    py: Python<'py>,
    a: PathBuf,
    b: PathBuf,
    out: PathBuf,
    snapshot_a: Option<PathBuf>,
    snapshot_b: Option<PathBuf>,
    plain: bool,
    format: &str,
    force: bool,
    memory_limit: Option<&str>,
    threads: Option<usize>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<()> {
    let words = [&a, &b, &out].map(|path| path.display().to_string());
    let words = std::iter::once("remargin.compare".to_owned()).chain(words).collect();
    let output = OutputRequest::new(out).with_format(request::format(format)?).with_force(force);
    let mut request = RunsRequest::new(a, b);
    request.snapshots = [snapshot_a, snapshot_b];
    request.plain = plain;
    request.memory_limit = request::memory_limit(memory_limit)?;
    request.target = Some(output.with_command_line(words));
    // Why a change is not attributed to causes stands in the summary.
    work::run(py, threads, progress, |progress| compare::compare_runs(&request, progress)).map(drop)
}

/// Searches distances from liquidation; `accounts` is a word or a list of ids.
#[pyfunction]
#[pyo3(signature = (
    snapshot, accounts, *, rules = None, max_rejects = "0", allow_rules_date = false, mark_check = "50%",
    threads = None, progress = None
))]
pub fn distances<'py>(
    py: Python<'py>,
    snapshot: PathBuf,
    accounts: &Bound<'py, PyAny>,
    rules: Option<&Bound<'py, Rules>>,
    max_rejects: &str,
    allow_rules_date: bool,
    mark_check: &str,
    threads: Option<usize>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Table> {
    let whose = if accounts.is_instance_of::<PyString>() {
        let words = [("all", true), ("at-risk", false)];
        if choose("accounts", &accounts.extract::<String>()?, &words)? { Whose::All } else { Whose::AtRisk }
    } else {
        Whose::Of(accounts.extract()?)
    };
    let rules = Rules::or_of_snapshot(py, rules, &snapshot)?;
    let snapshot = request::snapshot(py, snapshot, allow_rules_date, mark_check, max_rejects, None)?;
    let request = DistancesRequest::new(snapshot, rules.as_ref().clone(), whose);
    let outcome = work::run(py, threads, progress, |progress| chosen::run(&request, progress))?;
    if let Some(broken) = outcome.too_many_rejects {
        let message = format!("{broken} rows are broken, more than `max_rejects` allows; `remargin.check` lists them");
        return Err(errors::named(py, "TooManyRejects", &message, None));
    }
    Ok(Table(outcome.distances))
}

/// A table of a finished folder.
#[pyfunction]
pub fn read_table(py: Python<'_>, folder: PathBuf, name: String) -> PyResult<Table> {
    let read = py.detach(|| {
        let missing = || Error::Usage(format!("`{}` has no table `{name}`", folder.display()));
        results::read_rows(&folder, &name).and_then(|rows| rows.ok_or_else(missing))
    });
    read.map(Table).map_err(|error| errors::raise(py, &error))
}
