//! A book that is margined in parts, as on Spark: limits beside the tables of a part, and what is summed up in order.

use crate::table::{Source, Table};
use crate::{errors, request, work};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use remargin::batches::{InOrder, Limited, LimitsOf, Rows};
use remargin::limits::{Command, Limits};
use remargin::stress::Distributed;
use remargin::{Error, totals::limit_summary::LimitSummary};
use std::path::PathBuf;

/// Limits for a book in parts. Can be pickled.
#[pyclass(frozen, module = "remargin._remargin")]
pub struct PartLimits {
    limits: LimitsOf,
    file: PathBuf,
    is_stress: bool,
}

impl PartLimits {
    fn of(py: Python<'_>, text: String, file: PathBuf, is_stress: bool) -> PyResult<Self> {
        let command = if is_stress { Command::Stress } else { Command::Run };
        let limits = Limits::parse(text, &file).and_then(|limits| LimitsOf::new(limits, command));
        limits.map(|limits| Self { limits, file, is_stress }).map_err(|error| errors::raise(py, &error))
    }
}

/// Of each limit how many figures were compared, are beyond it, and are missing.
type Counts = Vec<(u64, u64, u64)>;

/// Breaches, and what was counted.
type Found = (Table, Counts);

fn found(limited: Limited) -> Found {
    let counts = |limit: &LimitSummary| (limit.checked, limit.breaches, limit.without_figure);
    let each = limited.each.iter().map(counts).collect();
    (Table(limited.breaches), each)
}

#[pymethods]
impl PartLimits {
    /// Reads a file of limits for a run, or for a stress.
    #[new]
    fn new(py: Python<'_>, file: PathBuf, is_stress: bool) -> PyResult<Self> {
        let read = Limits::read(&file).map_err(|error| errors::raise(py, &error))?;
        Self::of(py, read.text().to_owned(), file, is_stress)
    }

    /// The groupings that rules name.
    #[getter]
    fn by(&self) -> Vec<String> {
        let groupings = self.limits.limits().all().iter().filter_map(|limit| limit.rule.scope.grouping());
        groupings.map(ToString::to_string).collect()
    }

    /// Name, severity and rule of each limit.
    #[getter]
    fn each(&self) -> Vec<(String, String, String)> {
        let each = self.limits.limits().all().iter();
        each.map(|limit| (limit.name.clone(), limit.severity.to_string(), limit.rule.to_string())).collect()
    }

    /// BLAKE3 hash of the file, hex.
    #[getter]
    fn blake3(&self) -> &str {
        self.limits.limits().blake3()
    }

    /// True if some limit is about more than one account.
    #[getter]
    fn need_all_accounts(&self) -> bool {
        self.limits.need_all_accounts()
    }

    /// Compares the figures of the tables `accounts`, `risk_units` and `worst`, by their names.
    fn of_accounts(&self, py: Python<'_>, tables: &Bound<'_, PyDict>) -> PyResult<Found> {
        let mut sources = Vec::new();
        for (name, table) in tables {
            sources.push((name.extract::<String>()?, Source::new("limits", &table)?));
        }
        let compared = work::run(py, Some(1), None, |progress| {
            let read = |(name, source): (String, Source)| Ok::<_, Error>((name, source.read()?));
            let tables: Vec<(String, Rows)> = sources.into_iter().map(read).collect::<Result<_, _>>()?;
            let named: Vec<(&str, Rows)> = tables.iter().map(|(name, rows)| (name.as_str(), rows.clone())).collect();
            self.limits.of_accounts(&named, progress)
        });
        compared.map(found)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (String, PathBuf, bool))> {
        let rebuild = py.get_type::<Self>().getattr("_of_text")?;
        Ok((rebuild, (self.limits.limits().text().to_owned(), self.file.clone(), self.is_stress)))
    }

    #[classmethod]
    fn _of_text(
        _class: &Bound<'_, PyType>,
        py: Python<'_>,
        text: String,
        file: PathBuf,
        is_stress: bool,
    ) -> PyResult<Self> {
        Self::of(py, text, file, is_stress)
    }
}

/// What is to be said of all accounts of a book in parts, summed up account by account in order of their ids.
#[pyclass(module = "remargin._remargin")]
pub struct Summing(Option<InOrder>);

/// Tables by name.
type Tables = Vec<(&'static str, Table)>;

#[pymethods]
impl Summing {
    /// `weights` has the days and the weight of each scenario, of a stress alone.
    #[new]
    #[pyo3(signature = (by, scenarios, units, *, distribution = "none", weights = Vec::new(), limits = None))]
    fn new(
        py: Python<'_>,
        by: Vec<String>,
        scenarios: Vec<String>,
        units: Vec<String>,
        distribution: &str,
        weights: Vec<(f64, Option<f64>)>,
        limits: Option<&Bound<'_, PartLimits>>,
    ) -> PyResult<Self> {
        let groups = request::groups(py, &by)?;
        let made = || {
            let distribution: Distributed = distribution.parse()?;
            let mut summing = InOrder::new(&groups, &scenarios, &units)?;
            if distribution != Distributed::None {
                summing = summing.with_stress(distribution, &weights)?;
            }
            match limits {
                Some(limits) => summing.with_limits(limits.get().limits.clone()),
                None => Ok(summing),
            }
        };
        made().map(|summing| Self(Some(summing))).map_err(|error: Error| errors::raise(py, &error))
    }

    /// Adds the accounts that follow.
    fn add(&mut self, py: Python<'_>, terms: &Bound<'_, PyAny>) -> PyResult<()> {
        let rows = Source::new("group_terms", terms)?;
        let Some(summing) = &mut self.0 else { return Err(finished(py)) };
        let added = py.detach(|| rows.read()?.batches().iter().try_for_each(|batch| summing.add(batch)));
        added.map_err(|error| errors::raise(py, &error))
    }

    /// The tables by name, among them `breaches` if there are limits, and what was counted of each limit.
    fn finish(&mut self, py: Python<'_>) -> PyResult<(Tables, Counts)> {
        let Some(summing) = self.0.take() else { return Err(finished(py)) };
        let summed = work::run(py, Some(1), None, |_| summing.finish())?;
        let mut tables = vec![("groups", Table(summed.groups)), ("group_units", Table(summed.group_units))];
        if let Some(stress) = summed.stress {
            let names = ["scenarios", "distribution", "tail"];
            tables.extend(names.into_iter().zip(stress.map(Table)));
        }
        let mut counts = Vec::new();
        if let Some(limited) = summed.limits {
            let (breaches, each) = found(limited);
            tables.push(("breaches", breaches));
            counts = each;
        }
        Ok((tables, counts))
    }
}

fn finished(py: Python<'_>) -> PyErr {
    errors::raise(py, &Error::Runtime("the book is summed up already".to_owned()))
}

/// The columns of `accounts` of a grouping.
#[pyfunction]
pub fn attributes(py: Python<'_>, by: Vec<String>) -> PyResult<Vec<String>> {
    let mut all = Vec::new();
    for grouping in request::groups(py, &by)? {
        for name in grouping.attributes() {
            if !all.contains(name) {
                all.push(name.clone());
            }
        }
    }
    Ok(all)
}
