//! The extension module behind the Python package `remargin`.
//!
//! Python objects become the library's requests here and its results Python objects; nothing is computed. Every call
//! releases the interpreter lock while the library works, and looks every few hundredths of a second whether the user
//! pressed Ctrl-C and what to tell the progress callback, see [`work`].

mod errors;
mod market;
mod recalculate;
mod rules;
mod run;
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
    module.add_function(wrap_pyfunction!(recalculate::recalculate, module)?)?;
    module.add_function(wrap_pyfunction!(recalculate::recalculate_snapshot, module)?)?;
    module.add_function(wrap_pyfunction!(run::run, module)?)?;
    module.add_function(wrap_pyfunction!(run::explain, module)?)?;
    module.add_function(wrap_pyfunction!(run::simulate, module)?)?;
    module.add_function(wrap_pyfunction!(run::partition, module)?)?;
    module.add_function(wrap_pyfunction!(run::bucket_of, module)?)?;
    Ok(())
}
