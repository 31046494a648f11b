//! The three formats of tables, in and out.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// How a table is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Parquet.
    #[default]
    Parquet,
    /// Arrow IPC file, not compressed: readers may map it into memory.
    Arrow,
    /// CSV with a header line.
    Csv,
}

impl Format {
    /// The extension of a file.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Csv => "csv",
        }
    }
}

impl std::str::FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        [Self::Parquet, Self::Arrow, Self::Csv]
            .into_iter()
            .find(|format| format.extension() == name)
            .ok_or_else(|| Error::Usage(format!("no table format `{name}`: expected `parquet`, `arrow` or `csv`")))
    }
}
