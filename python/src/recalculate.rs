//! Margins of a book in Python's memory.

use crate::market::{self, Market};
use crate::rules::Rules;
use crate::table::{Source, Table};
use crate::{errors, request, work};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use remargin::Error;
use remargin::batches;
use remargin::batches::{FolderRequest, GroupTables, Recalculated, Request, Rows, Scenarios};
use remargin::market::scenario::Scenario;
use remargin::stress;
use remargin::stress::{Axis, Distributed, Preset};
use std::path::PathBuf;
use std::sync::Arc;

/// The result of a recalculation.
#[pyclass(frozen, module = "remargin")]
pub struct Result(Recalculated);

#[pymethods]
impl Result {
    #[getter]
    fn accounts(&self) -> Table {
        Table(self.0.accounts.clone())
    }

    #[getter]
    fn risk_units(&self) -> Table {
        Table(self.0.risk_units.clone())
    }

    #[getter]
    fn at_risk(&self) -> Table {
        Table(self.0.at_risk.clone())
    }

    #[getter]
    fn rejects(&self) -> Table {
        Table(self.0.rejects.clone())
    }

    #[getter]
    fn groups(&self) -> Option<Table> {
        self.of_groups(|tables| &tables.groups)
    }

    #[getter]
    fn group_units(&self) -> Option<Table> {
        self.of_groups(|tables| &tables.group_units)
    }

    #[getter]
    fn account_groups(&self) -> Option<Table> {
        self.of_groups(|tables| &tables.account_groups)
    }

    /// What each account adds to its groups and to the book, for `Summing`.
    #[getter]
    fn _group_terms(&self) -> Option<Table> {
        self.0.groups.as_ref()?.terms.clone().map(Table)
    }

    /// The worst scenario of each account, if figures over the scenarios were asked for.
    #[getter]
    fn _worst(&self) -> Option<Table> {
        self.0.stress.as_ref().map(|(worst, _)| Table(worst.clone()))
    }

    /// The figures of each account over the scenarios, if they were asked for.
    #[getter]
    fn _accounts_distribution(&self) -> Option<Table> {
        self.0.stress.as_ref().and_then(|(_, accounts)| accounts.clone()).map(Table)
    }

    #[getter]
    fn _scenarios(&self) -> Vec<String> {
        self.0.scenario_names.clone()
    }

    /// Of each scenario the days that pass and its weight.
    #[getter]
    fn _weights(&self) -> Vec<(f64, Option<f64>)> {
        self.0.scenario_weights.clone()
    }

    #[getter]
    fn _units(&self) -> Vec<String> {
        self.0.unit_names.clone()
    }

    /// Loads every table into `DuckDB`.
    #[pyo3(signature = (database = None, *, schema = None))]
    fn to_duckdb<'py>(
        this: Bound<'py, Self>,
        database: Option<Bound<'py, PyAny>>,
        schema: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        this.py().import("remargin._warehouse")?.call_method1("result_to_duckdb", (this, database, schema))
    }

    #[getter]
    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let text = self.0.summary.to_json().map_err(|error| errors::raise(py, &error))?;
        json(py, &String::from_utf8_lossy(&text))
    }

    /// For notebooks: who stands where, and the first accounts.
    fn _repr_html_(this: Bound<'_, Self>) -> PyResult<String> {
        this.py().import("remargin._html")?.call_method1("result", (this,))?.extract()
    }

    fn __repr__(&self) -> String {
        let Recalculated { accounts, risk_units, at_risk, rejects, groups, .. } = &self.0;
        let lengths = [accounts, risk_units, at_risk, rejects].map(Rows::len);
        let [accounts, risk_units, at_risk, rejects] = lengths;
        let groups = groups.as_ref().map_or_else(String::new, |tables| format!(", groups: {}", tables.groups.len()));
        format!(
            "remargin.Result(accounts: {accounts}, risk_units: {risk_units}, at_risk: {at_risk}, rejects: \
             {rejects}{groups})"
        )
    }
}

impl Result {
    fn of_groups(&self, table: impl Fn(&GroupTables) -> &Rows) -> Option<Table> {
        self.0.groups.as_ref().map(|tables| Table(table(tables).clone()))
    }
}

/// JSON as a Python object.
pub fn json<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (text,))
}

/// Scenarios as given in Python; `T` is the table `shocks`, before or after it is read.
pub struct Given<T> {
    pub shocks: Option<T>,
    pub axes: Vec<Axis>,
    pub single: Vec<Scenario>,
    pub presets: Vec<Preset>,
}

impl Given<Rows> {
    fn borrow(&self) -> Scenarios<'_> {
        let Self { shocks, axes, single, presets } = self;
        Scenarios { shocks: shocks.as_ref(), axes, single, presets }
    }
}

impl Given<Source> {
    pub fn read(self) -> std::result::Result<Given<Rows>, Error> {
        let Self { shocks, axes, single, presets } = self;
        Ok(Given { shocks: shocks.map(Source::read).transpose()?, axes, single, presets })
    }

    /// A table `shocks`, or one or several of: a scenario as text, a grid (`grid BTC=-50%..50%/10%`), a preset.
    pub fn new(py: Python<'_>, scenarios: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let (mut shocks, mut words): (_, Vec<String>) = (None, Vec::new());
        match scenarios {
            None => {}
            Some(text) if text.is_instance_of::<PyString>() => words = vec![text.extract()?],
            Some(list) if list.is_instance_of::<PyList>() => words = list.extract()?,
            Some(table) => shocks = Some(Source::new("shocks", table)?),
        }
        let (mut axes, mut single, mut presets) = (Vec::new(), Vec::new(), Vec::new());
        for text in words {
            let parsed = if let Some(grid) = text.strip_prefix("grid ") {
                stress::parse_axes(grid).map(|more| axes.extend(more))
            } else if let Ok(preset) = text.parse::<Preset>() {
                presets.push(preset);
                Ok(())
            } else {
                stress::parse_scenario(&text).map(|scenario| single.push(scenario))
            };
            parsed.map_err(|error| errors::raise(py, &error))?;
        }
        Ok(Self { shocks, axes, single, presets })
    }
}

#[pyfunction]
#[pyo3(signature = (
    positions, balances, market, rules = None, accounts = None, scenarios = None, *,
    orders = None, by = Vec::new(), group_terms = false, distribution = "none", allow_rules_date = false,
    threads = None, progress = None
))]
pub fn recalculate<'py>(
    py: Python<'py>,
    positions: &Bound<'py, PyAny>,
    balances: &Bound<'py, PyAny>,
    market: &Bound<'py, Market>,
    rules: Option<&Bound<'py, Rules>>,
    accounts: Option<&Bound<'py, PyAny>>,
    scenarios: Option<&Bound<'py, PyAny>>,
    orders: Option<&Bound<'py, PyAny>>,
    by: Vec<String>,
    group_terms: bool,
    distribution: &str,
    allow_rules_date: bool,
    threads: Option<usize>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Result> {
    let rules = Rules::or_built_in(py, rules)?;
    let market = Arc::clone(&market.get().0);
    let scenarios = Given::new(py, scenarios)?;
    let groups = request::groups(py, &by)?;
    let distribution: Distributed = distribution.parse().map_err(|error| errors::raise(py, &error))?;
    let positions = Source::new("positions", positions)?;
    let balances = Source::new("balances", balances)?;
    let accounts = accounts.map(|accounts| Source::new("accounts", accounts)).transpose()?;
    let orders = orders.map(|orders| Source::new("orders", orders)).transpose()?;
    let done = work::run(py, threads, progress, move |progress| {
        let (positions, balances) = (positions.read()?, balances.read()?);
        let accounts = accounts.map(Source::read).transpose()?;
        let orders = orders.map(Source::read).transpose()?;
        let scenarios = scenarios.read()?;
        batches::recalculate(
            &Request {
                market: &market,
                positions: &positions,
                balances: &balances,
                accounts: accounts.as_ref(),
                orders: orders.as_ref(),
                rules: &rules,
                scenarios: scenarios.borrow(),
                groups: &groups,
                group_terms,
                distribution,
                allow_rules_date,
            },
            progress,
        )
    });
    done.map(Result)
}

#[pyfunction]
#[pyo3(signature = (
    snapshot, rules = None, scenarios = None, *, by = Vec::new(), group_terms = false, distribution = "none",
    allow_rules_date = false, mark_check = "50%", threads = None, progress = None
))]
pub fn recalculate_snapshot<'py>(
    py: Python<'py>,
    snapshot: PathBuf,
    rules: Option<&Bound<'py, Rules>>,
    scenarios: Option<&Bound<'py, PyAny>>,
    by: Vec<String>,
    group_terms: bool,
    distribution: &str,
    allow_rules_date: bool,
    mark_check: &str,
    threads: Option<usize>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Result> {
    let rules = Rules::or_of_snapshot(py, rules, &snapshot)?;
    let scenarios = Given::new(py, scenarios)?;
    let mark_check = market::mark_check(py, mark_check)?;
    let groups = request::groups(py, &by)?;
    let distribution: Distributed = distribution.parse().map_err(|error| errors::raise(py, &error))?;
    let done = work::run(py, threads, progress, move |progress| {
        let scenarios = scenarios.read()?;
        let request = FolderRequest {
            scenarios: scenarios.borrow(),
            groups: &groups,
            group_terms,
            distribution,
            allow_rules_date,
            mark_check,
            ..FolderRequest::new(&snapshot, &rules)
        };
        batches::recalculate_snapshot(&request, progress)
    });
    done.map(Result)
}
