//! What a finished run says of itself, read back: its manifest, and what it was asked for.

use super::MANIFEST;
use crate::market::scenario::Scenario;
use crate::request::{DistanceScope, OutputRequest, SnapshotRequest};
use crate::rules::{self, LoadedRules};
use crate::snapshot::Expectations;
use crate::source::Format;
use crate::{Error, Invalid, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What a run or a stress was asked for, as far as its results depend on it and its rules do not say it. Paths are
/// absolute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Folder of the snapshot.
    pub snapshot: String,
    /// A table of price scenarios beside the snapshot's own tables.
    pub shocks: Option<String>,
    /// How tables are written.
    pub format: Format,
    /// Whose distances from liquidation are searched.
    pub distance: DistanceScope,
    /// The snapshot may be older than the rules.
    pub allow_rules_date: bool,
    /// With `report.html`.
    #[serde(default)]
    pub report: bool,
    /// What the snapshot was held to besides its form.
    #[serde(default)]
    pub expectations: Expectations,
    /// What only a stress is asked for; absent for a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stress: Option<StressPart>,
}

impl Request {
    /// What is recorded of a request. In full, so that a new field is not forgotten: it belongs into the record if a byte
    /// of an output depends on it.
    pub(crate) fn of(
        snapshot: &SnapshotRequest,
        output: &OutputRequest,
        shocks: Option<&Path>,
        distance: DistanceScope,
        stress: Option<StressPart>,
    ) -> Result<Self> {
        let SnapshotRequest { dir, expectations, allow_rules_date, max_rejects: _, memory_limit: _ } = snapshot;
        let OutputRequest { dir: _, format, force: _, report, command_line: _ } = output;
        Ok(Self {
            snapshot: absolute(dir)?,
            shocks: shocks.map(absolute).transpose()?,
            format: *format,
            distance,
            allow_rules_date: *allow_rules_date,
            report: *report,
            expectations: expectations.clone(),
            stress,
        })
    }

    /// The snapshot that was asked for.
    pub(crate) fn snapshot_request(&self) -> SnapshotRequest {
        SnapshotRequest::new(&self.snapshot)
            .with_expectations(self.expectations.clone())
            .with_rules_date_allowed(self.allow_rules_date)
    }

    /// The output that was asked for, in another folder, which must not exist.
    pub(crate) fn output_request(&self, dir: PathBuf) -> OutputRequest {
        OutputRequest::new(dir).with_format(self.format).with_report(self.report)
    }
}

/// What only a stress is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StressPart {
    /// How much is written of each account.
    pub detail: String,
    /// The axes of a grid, as on the command line.
    pub grid: Vec<String>,
    /// Single scenarios.
    pub scenarios: Vec<Scenario>,
    /// Named sets.
    pub presets: Vec<String>,
}

/// The manifest of a finished run, as far as anything depends on it. A manifest may hold more.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Recorded {
    /// Version of the program.
    pub remargin: String,
    /// Valuation time.
    pub as_of: String,
    /// The rules.
    pub rules: RecordedRules,
    /// Files that were read.
    pub inputs: Vec<RecordedFile>,
    /// Files that were written, the manifest apart.
    pub outputs: Vec<RecordedFile>,
    /// What was asked for. Manifests of early versions lack it.
    pub request: Option<Request>,
}

/// The rules of a run, in full.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RecordedRules {
    /// Name of the set.
    pub name: String,
    /// Hash of its values.
    pub hash: String,
    /// Every value.
    pub values: Vec<RecordedValue>,
}

/// One value of the rules.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RecordedValue {
    /// Dotted key.
    pub key: String,
    /// The value as TOML.
    pub value: String,
    /// Where the run had it from; the page of the run says so.
    #[serde(default)]
    pub source: String,
}

/// A file of a run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RecordedFile {
    /// An output's name; an input's path, from the folder of the snapshot on or absolute.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows, if it holds a table.
    pub rows: Option<u64>,
    /// Its hash.
    pub blake3: String,
}

impl Recorded {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is not there or is not a manifest.
    pub fn read(manifest: &Path) -> Result<Self> {
        read_json(manifest, "the `manifest.json` of a finished run")
    }

    /// Reads the manifest of the run in `dir`.
    ///
    /// # Errors
    /// Those of [`Recorded::read`].
    pub fn of_run(dir: &Path) -> Result<Self> {
        Self::read(&dir.join(MANIFEST))
    }

    /// The rules, loaded again. `manifest` is named in errors.
    ///
    /// # Errors
    /// [`Error::Invalid`] if they are no set of rules, or another one than the recorded hash says.
    pub fn rules(&self, manifest: &Path) -> Result<LoadedRules> {
        let values = self.rules.values.iter();
        let text: String = values.flat_map(|line| [line.key.as_str(), " = ", line.value.as_str(), "\n"]).collect();
        let mut loaded = rules::load_recorded(&text, manifest)?;
        if loaded.hash == self.rules.hash {
            for value in &mut loaded.values {
                if let Some(recorded) = self.rules.values.iter().find(|recorded| recorded.key == value.key) {
                    value.source.clone_from(&recorded.source);
                }
            }
            return Ok(loaded);
        }
        Err(Invalid::new("the rules in the manifest are not those that the run had")
            .file(manifest)
            .column("rules.hash")
            .value(&self.rules.hash)
            .expected(format!("`{}`, the hash of the values that stand there", loaded.hash))
            .into())
    }

    /// Where an input is now, if the snapshot is in the folder `snapshot`.
    #[must_use]
    pub fn input_path(input: &RecordedFile, snapshot: &Path) -> PathBuf {
        snapshot.join(&input.path)
    }
}

/// Reads a JSON file of a finished run.
///
/// # Errors
/// [`Error::Invalid`] if it is not there or is something else than `expected`.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path, expected: &str) -> Result<T> {
    let invalid = |problem: String| Invalid::new(problem).file(path).expected(expected);
    let bytes = fs::read(path).map_err(|err| match err.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => invalid("not there".to_owned()),
        _ => invalid(format!("the file cannot be read: {err}")),
    })?;
    let mut json = serde_json::Deserializer::from_slice(&bytes);
    let value = serde_path_to_error::deserialize(&mut json)
        .map_err(|err| invalid(err.inner().to_string()).column(err.path().to_string()))?;
    json.end().map_err(|err| invalid(err.to_string()))?;
    Ok(value)
}

/// A path that means the same from every working folder.
///
/// # Errors
/// [`Error::Io`] if there is no working folder; [`Error::Runtime`] if the path is not text.
pub(crate) fn absolute(path: &Path) -> Result<String> {
    let full = std::path::absolute(path).map_err(|err| Error::io("find", path, err))?;
    full.into_os_string().into_string().map_err(|full| {
        Error::Runtime(format!("the path `{}` is not text, so the manifest cannot hold it", full.display()))
    })
}
