//! Functions on a snapshot in a folder: the end-of-day run, explanation of an account, simulation, partition.

use crate::market::mark_check as mark_check_of;
use crate::recalculate::json;
use crate::rules::Rules;
use crate::{errors, work};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use remargin::memory::MemoryLimit;
use remargin::partition as cut;
use remargin::partition::PartitionRequest;
use remargin::request::{DistanceScope, OutputRequest, SnapshotRequest};
use remargin::run::RunRequest;
use remargin::simulate::{Desk, answer_lines, load};
use remargin::snapshot::Expectations;
use remargin::snapshot::MaxRejects;
use remargin::source::Format;
use remargin::{Error, engine, explain as explanation};
use std::path::PathBuf;

/// One of a few choices.
fn choose<T: Copy>(name: &str, word: &str, choices: &[(&str, T)]) -> PyResult<T> {
    let found = choices.iter().find(|(choice, _)| *choice == word).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let words: Vec<String> = choices.iter().map(|(choice, _)| format!("`{choice}`")).collect();
        PyValueError::new_err(format!("`{name}` cannot be `{word}`: expected {}", words.join(", ")))
    })
}

#[pyfunction]
#[pyo3(signature = (
    snapshot, out, *, rules = None, shocks = None, distance = "none", format = "parquet", force = false,
    max_rejects = "0", memory_limit = None, allow_rules_date = false, mark_check = "50%", report = true,
    threads = None, progress = None
))]
pub fn run<'py>(
    py: Python<'py>,
    snapshot: PathBuf,
    out: PathBuf,
    rules: Option<&Bound<'py, Rules>>,
    shocks: Option<PathBuf>,
    distance: &str,
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
    let max_rejects: MaxRejects = max_rejects.parse().map_err(|error| errors::raise(py, &error))?;
    let memory_limit = match memory_limit {
        None => MemoryLimit::of_machine(),
        Some(size) => size.parse().map_err(PyValueError::new_err)?,
    };
    let formats = [("parquet", Format::Parquet), ("arrow", Format::Arrow), ("csv", Format::Csv)];
    let command_line = ["remargin.run".to_owned(), snapshot.display().to_string(), out.display().to_string()];
    let output = OutputRequest::new(out)
        .with_format(choose("format", format, &formats)?)
        .with_force(force)
        .with_report(report)
        .with_command_line(command_line.to_vec());
    let rules = Rules::or_of_snapshot(py, rules, &snapshot)?;
    let expectations = Expectations { mark_check: mark_check_of(py, mark_check)?, ..Expectations::NONE };
    let snapshot = SnapshotRequest::new(snapshot)
        .with_expectations(expectations)
        .with_rules_date_allowed(allow_rules_date)
        .with_max_rejects(max_rejects)
        .with_memory_limit(memory_limit);
    let distance = choose(
        "distance",
        distance,
        &[("all", DistanceScope::All), ("at-risk", DistanceScope::AtRisk), ("none", DistanceScope::None)],
    )?;
    let mut request = RunRequest::new(snapshot, output, rules.as_ref().clone()).with_distance(distance);
    request.shocks = shocks;
    let outcome = work::run(py, threads, progress, |progress| remargin::run::run(&request, progress))?;
    if outcome.too_many_rejects {
        let message = format!(
            "more rows are broken than `max_rejects` allows; table `rejects` in `{}` lists them",
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
#[pyo3(signature = (snapshot, out, buckets, *, force = false, threads = None, progress = None))]
pub fn partition<'py>(
    py: Python<'py>,
    snapshot: PathBuf,
    out: PathBuf,
    buckets: u32,
    force: bool,
    threads: Option<usize>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let request = PartitionRequest { snapshot, out, buckets, force, memory_limit: MemoryLimit::of_machine() };
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
