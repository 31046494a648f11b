//! The parameters of the model.

use crate::errors;
use crate::recalculate::json;
use crate::request::choose;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use remargin::rules;
use remargin::rules::{LoadedRules, Mark, RuleValue, Shown};
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

/// `{"risk_unit": "merged"}` as `risk_unit=merged`, `{"mr1.price.moves": [..]}` as TOML. Dictionaries may be nested:
/// `{"mr4": {"floor": {"major": 0.012}}}` is `mr4.floor.major=0.012`.
fn settings(set: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<String>> {
    let mut found = Vec::new();
    if let Some(set) = set {
        gather("", set, &mut found)?;
    }
    Ok(found)
}

fn gather(above: &str, set: &Bound<'_, PyDict>, found: &mut Vec<String>) -> PyResult<()> {
    for (key, value) in set.iter() {
        let key: String = key.extract()?;
        let key = if above.is_empty() { key } else { format!("{above}.{key}") };
        match value.cast::<PyDict>() {
            Ok(inner) => gather(&key, inner, found)?,
            Err(_) => found.push(format!("{key}={}", literal(&value)?)),
        }
    }
    Ok(())
}

/// Numbers, lists and booleans are written the same in JSON and TOML; words are not quoted. Dates are words.
fn literal(value: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(word) = value.extract::<String>() {
        return Ok(word);
    }
    if value.hasattr("isoformat")? {
        return value.call_method0("isoformat")?.extract();
    }
    let text: String = value.py().import("json")?.call_method1("dumps", (value,))?.extract()?;
    Ok(text.replace("Infinity", "inf"))
}

/// One value of a set as it is pickled: key, value, source, mark and its note.
type Pickled = (String, String, String, Option<(String, String)>);

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

    /// The rules that a snapshot names, else the built-in set.
    #[classmethod]
    fn of_snapshot(_class: &Bound<'_, PyType>, py: Python<'_>, snapshot: PathBuf) -> PyResult<Self> {
        Self::or_of_snapshot(py, None, &snapshot).map(Self)
    }

    /// A set of its own name over a built-in one, as a file with `extends` is.
    #[classmethod]
    #[pyo3(signature = (base, values, *, name = None))]
    fn extends(
        _class: &Bound<'_, PyType>,
        py: Python<'_>,
        base: &str,
        values: &Bound<'_, PyDict>,
        name: Option<&str>,
    ) -> PyResult<Self> {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let name = name.map(|name| format!("name = {}\n", quoted(name))).unwrap_or_default();
        let text = format!("extends = {}\n{name}", quoted(base));
        let loaded = rules::load_text(&text, &settings(Some(values))?);
        loaded.map(|rules| Self(Arc::new(rules))).map_err(|error| errors::raise(py, &error))
    }

    /// Other values over these; what is not named keeps its value and its origin.
    fn set(&self, py: Python<'_>, values: &Bound<'_, PyDict>) -> PyResult<Self> {
        let adjusted = rules::adjust(&self.0.values, &settings(Some(values))?);
        let mut adjusted = adjusted.map_err(|error| errors::raise(py, &error))?;
        // Where they were read from, a snapshot that names the same file must not find it changed.
        adjusted.file.clone_from(&self.0.file);
        Ok(Self(Arc::new(adjusted)))
    }

    /// Every value with its mark and origin, as `remargin rules show` prints it: text, or JSON as data.
    #[pyo3(signature = (format = "text"))]
    fn show<'py>(&self, py: Python<'py>, format: &str) -> PyResult<Bound<'py, PyAny>> {
        if choose("format", format, &[("text", false), ("json", true)])? {
            return json(py, &rules::to_json(&self.0, Shown::All).to_string());
        }
        Ok(rules::show(&self.0, Shown::All).into_pyobject(py)?.into_any())
    }

    /// Where each value comes from.
    #[getter]
    fn origins<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let origins = PyDict::new(py);
        self.0.values.iter().try_for_each(|value| origins.set_item(&value.key, &value.source))?;
        Ok(origins)
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

    /// A pickle has the values with their marks and origins.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Vec<Pickled>,))> {
        let pickled = |value: &RuleValue| {
            let mark = value.mark.as_ref().map(|mark| (mark.mark.clone(), mark.note.clone()));
            (value.key.clone(), value.value.clone(), value.source.clone(), mark)
        };
        let values = self.0.values.iter().map(pickled).collect();
        Ok((py.get_type::<Self>().getattr("_from_values")?, (values,)))
    }

    #[classmethod]
    fn _from_values(_class: &Bound<'_, PyType>, py: Python<'_>, values: Vec<Pickled>) -> PyResult<Self> {
        let value = |(key, value, source, mark): Pickled| {
            let mark = mark.map(|(mark, note)| Mark { mark, note });
            RuleValue { key, value, source, mark }
        };
        let values: Vec<_> = values.into_iter().map(value).collect();
        let loaded = rules::adjust(&values, &[]);
        loaded.map(|rules| Self(Arc::new(rules))).map_err(|error| errors::raise(py, &error))
    }

    /// For notebooks: every value with its mark and origin.
    fn _repr_html_(this: Bound<'_, Self>) -> PyResult<String> {
        this.py().import("remargin._html")?.call_method1("rules", (this,))?.extract()
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
