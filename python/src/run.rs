//! Functions on a snapshot in a folder: the end-of-day run, explanation of an account, simulation, partition.

use crate::recalculate::json;
use crate::request::choose;
use crate::rules::Rules;
use crate::{errors, request, work};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use remargin::memory::MemoryLimit;
use remargin::partition as cut;
use remargin::partition::PartitionRequest;
use remargin::run::RunRequest;
use remargin::simulate::{Desk, answer_lines, load};
use remargin::snapshot::Expectations;
use remargin::{Error, engine, explain as explanation};
use std::path::PathBuf;

#[pyfunction]
#[pyo3(signature = (
    snapshot, out, *, rules = None, shocks = None, distance = "none", by = Vec::new(), net_by = None,
    limits = None, previous = None, history = None, label = None, format = "parquet", force = false, max_rejects = "0", memory_limit = None, allow_rules_date = false,
    mark_check = "50%", report = true, threads = None, progress = None
))]
pub fn run<'py>(
    py: Python<'py>,
    snapshot: PathBuf,
    out: PathBuf,
    rules: Option<&Bound<'py, Rules>>,
    shocks: Option<PathBuf>,
    distance: &str,
    by: Vec<String>,
    net_by: Option<String>,
    limits: Option<PathBuf>,
    previous: Option<PathBuf>,
    history: Option<PathBuf>,
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
) -> PyResult<Bound<'py, PyAny>> {
    let output = request::output("run", &snapshot, out, format, force)?;
    let output = output.with_report(report).with_label(request::label(py, label)?);
    let rules = Rules::or_of_snapshot(py, rules, &snapshot)?;
    let snapshot = request::snapshot(py, snapshot, allow_rules_date, mark_check, max_rejects, memory_limit)?;
    let distance = request::distance(distance)?;
    let mut request = RunRequest::new(snapshot, output, rules.as_ref().clone())
        .with_distance(distance)
        .with_groups(request::groups(py, &by)?)
        .with_net_by(request::groups(py, net_by.as_slice())?.pop())
        .with_limits(request::limits(py, limits)?);
    (request.shocks, request.previous, request.history) = (shocks, previous, history);
    let outcome = work::run(py, threads, progress, |progress| remargin::run::run(&request, progress))?;
    if let Some(broken) = outcome.too_many_rejects {
        let message = format!(
            "{broken} rows are broken, more than `max_rejects` allows; table `rejects` in `{}` lists them",
            request.output.dir.display()
        );
        return Err(errors::named(py, "TooManyRejects", &message, None));
    }
    let text = outcome.summary.to_json().map_err(|error| errors::raise(py, &error))?;
    json(py, &String::from_utf8_lossy(&text))
}

#[pyfunction]
#[pyo3(signature = (
    snapshot, account, *, rules = None, format = "json", allow_rules_date = false, threads = None, progress = None
))]
pub fn explain<'py>(
    py: Python<'py>,
    snapshot: PathBuf,
    account: String,
    rules: Option<&Bound<'py, Rules>>,
    format: &str,
    allow_rules_date: bool,
    threads: Option<usize>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    enum Form {
        Text,
        Json,
        Okx,
    }
    let form = choose("format", format, &[("text", &Form::Text), ("json", &Form::Json), ("okx", &Form::Okx)])?;
    let rules = Rules::or_of_snapshot(py, rules, &snapshot)?;
    let explained = work::run(py, threads, progress, |progress| {
        explanation::explain(
            &snapshot,
            &account,
            &rules,
            allow_rules_date,
            &Expectations::NONE,
            MemoryLimit::of_machine(),
            progress,
        )
    })?;
    let value = match form {
        Form::Text => return Ok(explained.to_text().into_pyobject(py)?.into_any()),
        Form::Json => explained.to_json(),
        Form::Okx => Ok(explained.to_okx()),
    };
    let text = value.and_then(|value| {
        serde_json::to_string(&value).map_err(|error| Error::Runtime(format!("cannot form an answer: {error}")))
    });
    json(py, &text.map_err(|error| errors::raise(py, &error))?)
}

/// Answers operations: JSON lines in, JSON lines out.
#[pyfunction]
#[pyo3(signature = (snapshot, lines, *, rules = None, allow_rules_date = false, threads = None, progress = None))]
pub fn simulate<'py>(
    py: Python<'py>,
    snapshot: PathBuf,
    lines: String,
    rules: Option<&Bound<'py, Rules>>,
    allow_rules_date: bool,
    threads: Option<usize>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<String> {
    let rules = Rules::or_of_snapshot(py, rules, &snapshot)?;
    work::run(py, threads, progress, move |progress| {
        let loaded = load(&snapshot, &rules, allow_rules_date, &Expectations::NONE, progress)?;
        let priced = engine::price(&loaded.market, &rules.rules);
        let mut answers = Vec::new();
        answer_lines(&Desk::new(&loaded, &priced), &mut lines.as_bytes(), &mut answers)?;
        String::from_utf8(answers).map_err(|error| Error::Runtime(error.to_string()))
    })
}

#[pyfunction]
#[pyo3(signature = (
    snapshot, out, buckets, *, by = Vec::new(), force = false, threads = None, progress = None
))]
pub fn partition<'py>(
    py: Python<'py>,
    snapshot: PathBuf,
    out: PathBuf,
    buckets: u32,
    by: Vec<String>,
    force: bool,
    threads: Option<usize>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let groups = request::groups(py, &by)?;
    let memory_limit = MemoryLimit::of_machine();
    let request = PartitionRequest { snapshot, out, buckets, groups, force, memory_limit };
    let done = work::run(py, threads, progress, |progress| cut::partition(&request, progress))?;
    let text = serde_json::to_string(&done).map_err(|error| Error::Runtime(format!("cannot form an answer: {error}")));
    json(py, &text.map_err(|error| errors::raise(py, &error))?)
}

#[pyfunction]
pub fn bucket_of(account_id: &str, buckets: u32) -> PyResult<u32> {
    if buckets == 0 {
        return Err(PyValueError::new_err("there must be at least one bucket"));
    }
    Ok(cut::bucket_of(account_id, buckets))
}
