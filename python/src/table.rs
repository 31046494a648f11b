//! Tables in and out through the Arrow `PyCapsule` interface.

use crate::errors;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, StructArray};
use arrow_cast::display::array_value_to_string;
use arrow_schema::{DataType, Field};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList};
use pyo3_arrow::ffi::{ArrayIterator, to_schema_pycapsule, to_stream_pycapsule};
use pyo3_arrow::input::AnyRecordBatch;
use remargin::batches::Rows;
use remargin::{Error, Invalid};
use std::sync::Arc;

/// A table from the caller, not read yet.
pub struct Source {
    name: &'static str,
    object: Py<PyAny>,
}

impl Source {
    /// Takes any object with the interface, a `LazyFrame` of polars, or columns by their names.
    pub fn new(name: &'static str, object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = object.py();
        let speaks = |method: &str| object.hasattr(method);
        if speaks("__arrow_c_stream__")? || speaks("__arrow_c_array__")? {
            return Ok(Self { name, object: object.clone().unbind() });
        }
        let made = py.import("remargin._tables")?.call_method1("to_arrow", (object,)).map_err(|error| {
            // Ctrl-C and its like are not about the table.
            if !error.is_instance_of::<PyException>(py) {
                return error;
            }
            let invalid = named(name, format!("the table cannot be read: {}", error.value(py)));
            errors::raise(py, &invalid.into())
        })?;
        if made.is_none() {
            let kind = object.get_type().name()?.to_string();
            let invalid = named(name, "not a table that Arrow can read".to_owned()).value(kind).expected(
                "an object with `__arrow_c_stream__`: a table of pyarrow, polars, pandas 2.2 or DuckDB; \
                 or columns by name: `{\"account_id\": [...], ...}`",
            );
            return Err(errors::raise(py, &invalid.into()));
        }
        Ok(Self { name, object: made.unbind() })
    }

    /// Reads it. Streams are opened one after another, because a `DuckDB` connection can have only one. The interpreter
    /// lock is held only while a stream is opened; a producer that needs it takes it itself.
    pub fn read(self) -> Result<Rows, Error> {
        let failed = |problem: String| named(self.name, format!("the table cannot be read: {problem}"));
        let open = |py: Python<'_>| self.object.bind(py).extract::<AnyRecordBatch>()?.into_reader();
        let reader = Python::attach(open).map_err(|error| failed(error.to_string()))?;
        let schema = reader.schema();
        let batches = reader.collect::<Result<Vec<_>, _>>();
        Rows::new(schema, batches.map_err(|error| failed(error.to_string()))?)
    }
}

fn named(table: &str, problem: String) -> Invalid {
    Invalid::new(problem).table(table)
}

/// A table. Every Arrow library accepts it: `pyarrow.table(t)`, `polars.DataFrame(t)`.
#[pyclass(frozen, module = "remargin")]
pub struct Table(pub Rows);

impl Table {
    fn field(&self) -> Arc<Field> {
        Arc::new(Field::new_struct("", self.0.schema().fields().clone(), false))
    }
}

#[pymethods]
impl Table {
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let arrays: Vec<_> =
            self.0.batches().iter().map(|batch| Ok(Arc::new(StructArray::from(batch.clone())) as ArrayRef)).collect();
        Ok(to_stream_pycapsule(py, Box::new(ArrayIterator::new(arrays, self.field())), requested_schema)?)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        Ok(to_schema_pycapsule(py, self.0.schema().as_ref())?)
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn num_rows(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn column_names(&self) -> Vec<String> {
        self.0.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    fn to_pyarrow(this: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        this.py().import("pyarrow")?.call_method1("table", (this,))
    }

    fn to_polars(this: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        this.py().import("polars")?.call_method1("DataFrame", (this,))
    }

    fn to_pandas(this: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        Self::to_pyarrow(this)?.call_method0("to_pandas")
    }

    /// The rows as dictionaries, the first `limit` of them; no library is needed for it.
    #[pyo3(signature = (limit = None))]
    fn to_pylist<'py>(&self, py: Python<'py>, limit: Option<usize>) -> PyResult<Bound<'py, PyList>> {
        let rows = PyList::empty(py);
        let schema = self.0.schema();
        let mut left = limit.unwrap_or(usize::MAX);
        for batch in self.0.batches() {
            let columns: Vec<_> = schema.fields().iter().zip(batch.columns()).collect();
            for row in 0..batch.num_rows().min(left) {
                let cells = PyDict::new(py);
                for (field, column) in &columns {
                    cells.set_item(field.name(), cell(py, column, row)?)?;
                }
                rows.append(cells)?;
            }
            left = left.saturating_sub(batch.num_rows());
        }
        Ok(rows)
    }

    /// For notebooks: the first rows.
    fn _repr_html_(this: Bound<'_, Self>) -> PyResult<String> {
        this.py().import("remargin._html")?.call_method1("table", (this,))?.extract()
    }

    fn __repr__(&self) -> String {
        let short = |kind: &DataType| match kind {
            DataType::Utf8 => "string".to_owned(),
            DataType::Float64 => "double".to_owned(),
            kind => kind.to_string().to_lowercase(),
        };
        let columns = self.0.schema().fields().iter();
        let columns: Vec<String> =
            columns.map(|field| format!("{}: {}", field.name(), short(field.data_type()))).collect();
        format!("remargin.Table({} rows; {})", self.0.len(), columns.join(", "))
    }
}

/// One cell as Python has it: text, a number, a flag, `None`; whatever else a table may hold as text.
fn cell<'py>(py: Python<'py>, column: &ArrayRef, row: usize) -> PyResult<Bound<'py, PyAny>> {
    if column.is_null(row) {
        return Ok(py.None().into_bound(py));
    }
    match column.data_type() {
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).into_bound_py_any(py),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into_bound_py_any(py),
        DataType::Boolean => column.as_boolean().value(row).into_bound_py_any(py),
        DataType::Utf8 => column.as_string::<i32>().value(row).into_bound_py_any(py),
        _ => {
            let shown = array_value_to_string(column, row);
            let failed = |error| errors::raise(py, &Error::Runtime(format!("a cell cannot be shown: {error}")));
            shown.map_err(failed)?.into_bound_py_any(py)
        }
    }
}
