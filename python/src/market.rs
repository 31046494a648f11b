//! A market: prices and contracts at one time, checked once and used for any number of books.

use crate::table::{Source, Table};
use crate::{errors, work};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDateTime, PyType};
use remargin::batches::{MarkCheck, MarketRows, Rows};
use remargin::progress::Silent;
use remargin::{Error, snapshot};
use std::path::PathBuf;
use std::sync::Arc;

/// Prices and contracts at one time.
#[pyclass(frozen, module = "remargin")]
pub struct Market(pub Arc<MarketRows>);

/// A time: text with an offset, or an aware `datetime`.
fn nanoseconds(as_of: &Bound<'_, PyAny>) -> PyResult<i64> {
    let py = as_of.py();
    let text: String = match as_of.cast::<PyDateTime>() {
        Ok(time) => time.call_method0("isoformat")?.extract()?,
        Err(_) => as_of.str()?.extract()?,
    };
    snapshot::parse_time(&text).map_err(|error| errors::raise(py, &error))
}

/// Valuation time, the tables as IPC streams, and the check of the prices.
type Pickled<'py> = (i64, Vec<Bound<'py, PyBytes>>, String);

/// `off`, or a share such as `50%`.
pub fn mark_check(py: Python<'_>, text: &str) -> PyResult<MarkCheck> {
    text.parse().map_err(|error| errors::raise(py, &error))
}

#[pymethods]
impl Market {
    #[new]
    #[pyo3(signature = (as_of, instruments, marks, indices, *, mark_check = "50%"))]
    fn new(
        py: Python<'_>,
        as_of: &Bound<'_, PyAny>,
        instruments: &Bound<'_, PyAny>,
        marks: &Bound<'_, PyAny>,
        indices: &Bound<'_, PyAny>,
        mark_check: &str,
    ) -> PyResult<Self> {
        let mark_check = self::mark_check(py, mark_check)?;
        let as_of_ns = nanoseconds(as_of)?;
        let [instruments, marks, indices] = [("instruments", instruments), ("marks", marks), ("indices", indices)]
            .map(|(name, table)| Source::new(name, table));
        let (instruments, marks, indices) = (instruments?, marks?, indices?);
        let read = work::run(py, None, None, move |progress| {
            MarketRows::new(as_of_ns, [instruments.read()?, marks.read()?, indices.read()?], mark_check, progress)
        });
        read.map(|rows| Self(Arc::new(rows)))
    }

    /// The market of a snapshot in a folder.
    #[classmethod]
    #[pyo3(signature = (snapshot, *, mark_check = "50%"))]
    fn open(_class: &Bound<'_, PyType>, py: Python<'_>, snapshot: PathBuf, mark_check: &str) -> PyResult<Self> {
        let mark_check = self::mark_check(py, mark_check)?;
        let read = work::run(py, None, None, move |progress| MarketRows::open(&snapshot, mark_check, progress));
        read.map(|rows| Self(Arc::new(rows)))
    }

    #[getter]
    fn as_of<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let datetime = py.import("datetime")?;
        let utc = datetime.getattr("timezone")?.getattr("utc")?;
        let epoch = datetime.getattr("datetime")?.call1((1970, 1, 1, 0, 0, 0, 0, utc))?;
        let past = datetime.getattr("timedelta")?.call1((0, 0, self.0.as_of_ns() / 1_000))?;
        epoch.add(past)
    }

    #[getter]
    fn as_of_ns(&self) -> i64 {
        self.0.as_of_ns()
    }

    #[getter]
    fn instruments(&self) -> Table {
        Table(self.0.rows()[0].clone())
    }

    #[getter]
    fn marks(&self) -> Table {
        Table(self.0.rows()[1].clone())
    }

    #[getter]
    fn indices(&self) -> Table {
        Table(self.0.rows()[2].clone())
    }

    /// A pickle contains the tables as Arrow IPC streams.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Pickled<'py>)> {
        let rebuild = py.get_type::<Self>().getattr("_from_ipc")?;
        let tables = self.0.rows().iter().map(|rows| {
            let bytes = to_ipc(rows).map_err(|error| errors::raise(py, &error))?;
            Ok(PyBytes::new(py, &bytes))
        });
        Ok((rebuild, (self.0.as_of_ns(), tables.collect::<PyResult<_>>()?, self.0.mark_check().to_string())))
    }

    #[classmethod]
    fn _from_ipc(
        _class: &Bound<'_, PyType>,
        py: Python<'_>,
        as_of_ns: i64,
        tables: [Vec<u8>; 3],
        mark_check: &str,
    ) -> PyResult<Self> {
        let mark_check = self::mark_check(py, mark_check)?;
        let read = py.detach(|| {
            let [instruments, marks, indices] = tables.map(|bytes| from_ipc(&bytes));
            MarketRows::new(as_of_ns, [instruments?, marks?, indices?], mark_check, &Silent)
        });
        read.map(|rows| Self(Arc::new(rows))).map_err(|error| errors::raise(py, &error))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let as_of: String = self.as_of(py)?.call_method0("isoformat")?.extract()?;
        let [instruments, marks, indices] = self.0.rows().each_ref().map(Rows::len);
        Ok(format!("remargin.Market({as_of}; {instruments} instruments, {marks} marks, {indices} indices)"))
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Runtime(format!("cannot pickle a market: {error}"))
}

fn to_ipc(rows: &Rows) -> Result<Vec<u8>, Error> {
    let mut writer = StreamWriter::try_new(Vec::new(), rows.schema()).map_err(failed)?;
    rows.batches().iter().try_for_each(|batch| writer.write(batch)).map_err(failed)?;
    writer.into_inner().map_err(failed)
}

fn from_ipc(bytes: &[u8]) -> Result<Rows, Error> {
    let reader = StreamReader::try_new(bytes, None).map_err(failed)?;
    let schema = reader.schema();
    Rows::new(schema, reader.collect::<Result<_, _>>().map_err(failed)?)
}
