//! The extension module behind the Python package `remargin`.
//!
//! Converts Python objects to requests of the library, and its results to Python objects. Nothing is computed here.
//! Every call releases the interpreter lock while the library works. Every 40 ms the calling thread checks for Ctrl-C
//! and calls the progress callback, see [`work`].

mod audit;
mod errors;
mod market;
mod parts;
mod recalculate;
mod reports;
mod request;
mod rules;
mod run;
mod snapshots;
mod table;
mod work;

use pyo3::prelude::*;

#[pymodule]
fn _remargin(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<table::Table>()?;
    module.add_class::<market::Market>()?;
    module.add_class::<rules::Rules>()?;
    module.add_class::<recalculate::Result>()?;
    module.add_class::<parts::PartLimits>()?;
    module.add_class::<parts::Summing>()?;
    module.add_function(wrap_pyfunction!(parts::attributes, module)?)?;
    module.add_function(wrap_pyfunction!(recalculate::recalculate, module)?)?;
    module.add_function(wrap_pyfunction!(recalculate::recalculate_snapshot, module)?)?;
    module.add_function(wrap_pyfunction!(run::run, module)?)?;
    module.add_function(wrap_pyfunction!(run::explain, module)?)?;
    module.add_function(wrap_pyfunction!(run::simulate, module)?)?;
    module.add_function(wrap_pyfunction!(run::partition, module)?)?;
    module.add_function(wrap_pyfunction!(run::bucket_of, module)?)?;
    module.add_function(wrap_pyfunction!(reports::stress, module)?)?;
    module.add_function(wrap_pyfunction!(reports::compare_rules, module)?)?;
    module.add_function(wrap_pyfunction!(reports::compare_runs, module)?)?;
    module.add_function(wrap_pyfunction!(reports::distances, module)?)?;
    module.add_function(wrap_pyfunction!(reports::read_table, module)?)?;
    module.add_function(wrap_pyfunction!(audit::check, module)?)?;
    module.add_function(wrap_pyfunction!(audit::verify, module)?)?;
    module.add_function(wrap_pyfunction!(audit::reconcile, module)?)?;
    module.add_function(wrap_pyfunction!(snapshots::generate, module)?)?;
    module.add_function(wrap_pyfunction!(snapshots::import_okx, module)?)?;
    Ok(())
}
