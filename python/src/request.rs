//! What the functions on a snapshot have in common: how words become parts of a request.

use crate::errors;
use crate::market::mark_check as mark_check_of;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use remargin::book::Grouping;
use remargin::limits::Limits;
use remargin::memory::MemoryLimit;
use remargin::request::{DistanceScope, OutputRequest, SnapshotRequest};
use remargin::snapshot::{Expectations, MaxRejects};
use remargin::source::Format;
use std::path::PathBuf;

/// One of a few choices.
pub fn choose<T: Copy>(name: &str, word: &str, choices: &[(&str, T)]) -> PyResult<T> {
    let found = choices.iter().find(|(choice, _)| *choice == word).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let words: Vec<String> = choices.iter().map(|(choice, _)| format!("`{choice}`")).collect();
        PyValueError::new_err(format!("`{name}` cannot be `{word}`: expected {}", words.join(", ")))
    })
}

/// `all`, `at-risk` or `none`.
pub fn distance(word: &str) -> PyResult<DistanceScope> {
    let choices = [("all", DistanceScope::All), ("at-risk", DistanceScope::AtRisk), ("none", DistanceScope::None)];
    choose("distance", word, &choices)
}

/// What the user calls the run.
pub fn label(py: Python<'_>, label: Option<&str>) -> PyResult<Option<String>> {
    label.map(remargin::request::label).transpose().map_err(|error| errors::raise(py, &error))
}

/// Groupings, each a text such as `desk` or `desk,region`.
pub fn groups(py: Python<'_>, by: &[String]) -> PyResult<Vec<Grouping>> {
    by.iter().map(|text| text.parse().map_err(|error| errors::raise(py, &error))).collect()
}

/// A file of limits.
pub fn limits(py: Python<'_>, file: Option<PathBuf>) -> PyResult<Option<Limits>> {
    file.map(Limits::read).transpose().map_err(|error| errors::raise(py, &error))
}

/// `parquet`, `arrow` or `csv`.
pub fn format(word: &str) -> PyResult<Format> {
    choose("format", word, &[("parquet", Format::Parquet), ("arrow", Format::Arrow), ("csv", Format::Csv)])
}

/// A size such as `512MiB`, else what the machine has to give.
pub fn memory_limit(size: Option<&str>) -> PyResult<MemoryLimit> {
    size.map_or_else(|| Ok(MemoryLimit::of_machine()), |size| size.parse().map_err(PyValueError::new_err))
}

/// A snapshot, and what it is held to.
pub fn snapshot(
    py: Python<'_>,
    dir: PathBuf,
    allow_rules_date: bool,
    mark_check: &str,
    max_rejects: &str,
    limit: Option<&str>,
) -> PyResult<SnapshotRequest> {
    let max_rejects: MaxRejects = max_rejects.parse().map_err(|error| errors::raise(py, &error))?;
    let expectations = Expectations { mark_check: mark_check_of(py, mark_check)?, ..Expectations::NONE };
    Ok(SnapshotRequest::new(dir)
        .with_expectations(expectations)
        .with_rules_date_allowed(allow_rules_date)
        .with_max_rejects(max_rejects)
        .with_memory_limit(memory_limit(limit)?))
}

/// A folder to write. The manifest says that the function `name` wrote it.
pub fn output(name: &str, input: &std::path::Path, out: PathBuf, format: &str, force: bool) -> PyResult<OutputRequest> {
    let words = [format!("remargin.{name}"), input.display().to_string(), out.display().to_string()];
    let request = OutputRequest::new(out).with_format(self::format(format)?).with_force(force);
    Ok(request.with_command_line(words.to_vec()))
}
