//! The parameters of the model.

use crate::errors;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use remargin::rules;
use remargin::rules::LoadedRules;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Checked rules.
#[pyclass(frozen, module = "remargin")]
pub struct Rules(pub Arc<LoadedRules>);

impl Rules {
    /// The given rules, else the built-in set.
    pub fn or_built_in(py: Python<'_>, given: Option<&Bound<'_, Self>>) -> PyResult<Arc<LoadedRules>> {
        if let Some(given) = given {
            return Ok(Arc::clone(&given.get().0));
        }
        rules::load(None, &[]).map(Arc::new).map_err(|error| errors::raise(py, &error))
    }

    /// The given rules, else those that the snapshot names, else the built-in set.
    pub fn or_of_snapshot(
        py: Python<'_>,
        given: Option<&Bound<'_, Self>>,
        snapshot: &Path,
    ) -> PyResult<Arc<LoadedRules>> {
        if let Some(given) = given {
            return Ok(Arc::clone(&given.get().0));
        }
        let named = remargin::snapshot::rules_of(snapshot).and_then(|file| rules::load(file.as_deref(), &[]));
        named.map(Arc::new).map_err(|error| errors::raise(py, &error))
    }
}

/// `{"risk_unit": "merged"}` as `risk_unit=merged`, `{"mr1.price.moves": [..]}` as TOML.
fn settings(set: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<String>> {
    let Some(set) = set else { return Ok(Vec::new()) };
    let setting = |(key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        // Numbers, lists and booleans are written the same in JSON and TOML; words are not quoted.
        let value = match value.extract::<String>() {
            Ok(word) => word,
            Err(_) => value.py().import("json")?.call_method1("dumps", (value,))?.extract()?,
        };
        Ok(format!("{}={value}", key.extract::<String>()?))
    };
    set.iter().map(setting).collect()
}

#[pymethods]
impl Rules {
    #[new]
    #[pyo3(signature = (file = None, *, set = None))]
    fn new(py: Python<'_>, file: Option<PathBuf>, set: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let loaded = rules::load(file.as_deref(), &settings(set)?);
        loaded.map(|rules| Self(Arc::new(rules))).map_err(|error| errors::raise(py, &error))
    }

    /// Rules from the text of a rules file.
    #[classmethod]
    #[pyo3(signature = (text, *, set = None))]
    fn from_toml(
        _class: &Bound<'_, PyType>,
        py: Python<'_>,
        text: &str,
        set: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let loaded = rules::load_text(text, &settings(set)?);
        loaded.map(|rules| Self(Arc::new(rules))).map_err(|error| errors::raise(py, &error))
    }

    #[getter]
    fn name(&self) -> &str {
        &self.0.rules.name
    }

    #[getter]
    fn hash(&self) -> &str {
        &self.0.hash
    }

    #[getter]
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let values = PyDict::new(py);
        self.0.values.iter().try_for_each(|value| values.set_item(&value.key, &value.value))?;
        Ok(values)
    }

    fn to_toml(&self) -> String {
        self.0.canonical()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((py.get_type::<Self>().getattr("from_toml")?, (self.0.canonical(),)))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().0.hash == self.0.hash)
    }

    fn __hash__(&self) -> u64 {
        u64::from_str_radix(&self.0.hash[..16], 16).unwrap_or_default()
    }

    fn __repr__(&self) -> String {
        format!("remargin.Rules({}, {})", self.0.rules.name, &self.0.hash[..12])
    }
}
