//! The library's errors as Python exceptions: the same messages, with the location as attributes.

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use remargin::{Error, Invalid};

/// The exception for an error.
pub fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let mut kind = error;
    while let Error::Hinted { error, .. } = kind {
        kind = error;
    }
    let class = match kind {
        Error::Usage(_) | Error::Refused { .. } => "UsageError",
        Error::Invalid(_) => "InvalidInput",
        Error::Io { .. } => "FileError",
        Error::Memory(_) => "MemoryLimitError",
        Error::Interrupted => return PyKeyboardInterrupt::new_err(error.to_string()),
        // A failure at run time, and kinds of errors that later versions add.
        _ => "RemarginError",
    };
    let invalid = if let Error::Invalid(invalid) = kind { Some(&**invalid) } else { None };
    named(py, class, &error.to_string(), invalid)
}

/// An exception of `remargin.errors` by its name.
pub fn named(py: Python<'_>, class: &str, message: &str, invalid: Option<&Invalid>) -> PyErr {
    let make = || {
        let exception = py.import("remargin.errors")?.getattr(class)?.call1((message,))?;
        if let Some(invalid) = invalid {
            exception.setattr("problem", &invalid.problem)?;
            exception.setattr("file", invalid.file.as_ref().map(|file| file.display().to_string()))?;
            exception.setattr("table", &invalid.table)?;
            exception.setattr("column", &invalid.column)?;
            exception.setattr("row", invalid.row)?;
            exception.setattr("value", &invalid.value)?;
            exception.setattr("expected", &invalid.expected)?;
            let remedy = || invalid.remedy.map(|remedy| remedy.to_string());
            exception.setattr("hint", invalid.hint.clone().or_else(remedy))?;
        }
        Ok::<_, PyErr>(PyErr::from_value(exception))
    };
    make().unwrap_or_else(|error| error)
}
