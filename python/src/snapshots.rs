//! Functions that write snapshots: synthetic ones, and those made of the answers of the exchange.

use crate::recalculate::json;
use crate::{errors, request, work};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use remargin::generate::GenerateRequest;
use remargin::import::okx::{self, ImportRequest};
use remargin::{Error, generate as generating, snapshot};
use std::path::PathBuf;

#[pyfunction]
#[pyo3(signature = (
    out, accounts, seed, *, positions_per_account = 10.0, format = "parquet", force = false, threads = None,
    progress = None
))]
pub fn generate<'py>(
    py: Python<'py>,
    out: PathBuf,
    accounts: u64,
    seed: u64,
    positions_per_account: f64,
    format: &str,
    force: bool,
    threads: Option<usize>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    if !(positions_per_account.is_finite() && positions_per_account >= 0.0) {
        let text = format!("`positions_per_account` cannot be {positions_per_account}: expected a number of 0 or more");
        return Err(errors::raise(py, &Error::Usage(text)));
    }
    let format = request::format(format)?;
    let request = GenerateRequest { accounts, positions_per_account, seed, out, format, force };
    let done = work::run(py, threads, progress, |progress| generating::generate(&request, progress))?;
    let rows = PyDict::new(py);
    rows.set_item("accounts", done.accounts)?;
    rows.set_item("positions", done.positions)?;
    rows.set_item("balances", done.balances)?;
    rows.set_item("instruments", done.instruments)?;
    Ok(rows)
}

/// `as_of` is a time as text.
#[pyfunction]
#[pyo3(signature = (
    folder, out, *, format = "csv", as_of = None, interpolate_vol = false, force = false, memory_limit = None,
    threads = None, progress = None
))]
pub fn import_okx<'py>(
    py: Python<'py>,
    folder: PathBuf,
    out: PathBuf,
    format: &str,
    as_of: Option<&str>,
    interpolate_vol: bool,
    force: bool,
    memory_limit: Option<&str>,
    threads: Option<usize>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let as_of = as_of.map(snapshot::parse_time).transpose().map_err(|error| errors::raise(py, &error))?;
    let as_of_ms = as_of.map(|ns| ns.div_euclid(1_000_000));
    let format = request::format(format)?;
    let limit = request::memory_limit(memory_limit)?;
    let request = ImportRequest { folder, out, format, as_of_ms, interpolate_vol, force };
    let done = work::run(py, threads, progress, |progress| okx::import_within(&request, limit, progress))?;
    json(py, &done.to_json().to_string())
}
