//! Functions that look at what is there: a snapshot, a finished run, the figures of the exchange.

use crate::recalculate::json;
use crate::rules::Rules;
use crate::{errors, request, work};
use pyo3::prelude::*;
use remargin::reconcile::ReconcileRequest;
use remargin::verify::{Sample, VerifyRequest};
use remargin::{Error, check as checking, reconcile as reconciling, verify as verifying};
use std::path::PathBuf;

/// An answer of the library as Python reads JSON.
fn answer(py: Python<'_>, value: Result<impl std::fmt::Display, Error>) -> PyResult<Bound<'_, PyAny>> {
    json(py, &value.map_err(|error| errors::raise(py, &error))?.to_string())
}

#[pyfunction]
#[pyo3(signature = (
    snapshot, *, rules = None, memory_limit = None, allow_rules_date = false, mark_check = "50%", threads = None,
    progress = None
))]
pub fn check<'py>(
    py: Python<'py>,
    snapshot: PathBuf,
    rules: Option<&Bound<'py, Rules>>,
    memory_limit: Option<&str>,
    allow_rules_date: bool,
    mark_check: &str,
    threads: Option<usize>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let rules = Rules::or_of_snapshot(py, rules, &snapshot)?;
    let request = request::snapshot(py, snapshot, allow_rules_date, mark_check, "0", memory_limit)?;
    let found = work::run(py, threads, progress, |progress| checking::check(&request, &rules, progress))?;
    answer(py, found.to_json())
}

/// `sample` is a number of accounts instead of the whole run; `all` derives every account again.
#[pyfunction]
#[pyo3(signature = (
    run, *, snapshot = None, sample = None, all = false, seed = 0, temp_dir = None, memory_limit = None,
    threads = None, progress = None
))]
pub fn verify<'py>(
    py: Python<'py>,
    run: PathBuf,
    snapshot: Option<PathBuf>,
    sample: Option<usize>,
    all: bool,
    seed: u64,
    temp_dir: Option<PathBuf>,
    memory_limit: Option<&str>,
    threads: Option<usize>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut request = VerifyRequest::new(run);
    request.snapshot = snapshot;
    request.rebuild = sample.is_none();
    if all {
        request.sample = Sample::All;
    } else if let Some(accounts) = sample {
        request.sample = Sample::Accounts(accounts);
    }
    request.seed = seed;
    request.memory_limit = request::memory_limit(memory_limit)?;
    if let Some(folder) = temp_dir {
        request.temp = folder;
    }
    let found = work::run(py, threads, progress, |progress| verifying::verify(&request, progress))?;
    answer(py, found.to_json())
}

#[pyfunction]
#[pyo3(signature = (
    run, against, *, account = None, tolerance = 1e-9, abs_tolerance = 1e-9, threads = None, progress = None
))]
pub fn reconcile<'py>(
    py: Python<'py>,
    run: PathBuf,
    against: PathBuf,
    account: Option<String>,
    tolerance: f64,
    abs_tolerance: f64,
    threads: Option<usize>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    for (name, value) in [("tolerance", tolerance), ("abs_tolerance", abs_tolerance)] {
        if !(0.0..f64::INFINITY).contains(&value) {
            let text = format!("`{name}` cannot be {value}: expected a number of 0 or more, such as 1e-9");
            return Err(errors::raise(py, &Error::Usage(text)));
        }
    }
    let request = ReconcileRequest { run, against, account, tolerance, abs_tolerance };
    let found = work::run(py, threads, progress, |progress| reconciling::reconcile(&request, progress))?;
    answer(py, found.to_json())
}
