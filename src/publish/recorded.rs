//! The manifest of a finished run and its request, read back.

use super::MANIFEST;
use super::identity::{Parts, asked};
use crate::book::Grouping;
use crate::market::scenario::Scenario;
use crate::request::{DistanceScope, OutputRequest, SnapshotRequest};
use crate::rules::{self, LoadedRules};
use crate::snapshot::Expectations;
use crate::source::{self, Format, LARGEST_JSON};
use crate::{Error, Invalid, Result, store};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The request of a run or a stress: everything that determines its results, except the rules. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Folder of the snapshot.
    pub snapshot: String,
    /// A table of price scenarios in addition to the snapshot's own tables.
    pub shocks: Option<String>,
    /// How tables are written.
    pub format: Format,
    /// The accounts whose distances from liquidation are searched.
    pub distance: DistanceScope,
    /// The snapshot may be older than the rules.
    pub allow_rules_date: bool,
    /// Whether `report.html` was written.
    #[serde(default)]
    pub report: bool,
    /// What the run is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Expected properties of the snapshot.
    #[serde(default)]
    pub expectations: Expectations,
    /// How accounts are put together, as on the command line; absent if not at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// The grouping whose groups are also margined as one account each, one of `by`; absent if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net_by: Option<String>,
    /// The file of limits, as it was read; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<String>,
    /// The earlier run that a run is compared with; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousPart>,
    /// The part of the request that only a stress has; absent for a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stress: Option<StressPart>,
}

impl Request {
    /// What is recorded of a request. In full, so that a new field is not forgotten: it belongs into the record if a
    /// byte of an output depends on it.
    pub(crate) fn of(
        snapshot: &SnapshotRequest,
        output: &OutputRequest,
        shocks: Option<&Path>,
        distance: DistanceScope,
        groups: &[Grouping],
        stress: Option<StressPart>,
    ) -> Result<Self> {
        let SnapshotRequest { dir, expectations, allow_rules_date, max_rejects: _, memory_limit: _ } = snapshot;
        let OutputRequest { dir: _, format, force: _, report, label, command_line: _ } = output;
        Ok(Self {
            snapshot: absolute(dir)?,
            shocks: shocks.map(absolute).transpose()?,
            format: *format,
            distance,
            allow_rules_date: *allow_rules_date,
            report: *report,
            label: label.clone(),
            expectations: expectations.clone(),
            by: groups.iter().map(ToString::to_string).collect(),
            net_by: None,
            limits: None,
            previous: None,
            stress,
        })
    }

    /// The snapshot that was asked for.
    pub(crate) fn snapshot_request(&self) -> SnapshotRequest {
        SnapshotRequest::new(&self.snapshot)
            .with_expectations(self.expectations.clone())
            .with_rules_date_allowed(self.allow_rules_date)
    }

    /// How accounts are put together.
    ///
    /// # Errors
    /// [`Error::Usage`] if a grouping cannot be read.
    pub fn groups(&self) -> Result<Vec<Grouping>> {
        self.by.iter().map(|by| by.parse()).collect()
    }

    /// The output that was asked for, in another folder, which must not exist.
    pub(crate) fn output_request(&self, dir: PathBuf) -> OutputRequest {
        OutputRequest::new(dir).with_format(self.format).with_report(self.report).with_label(self.label.clone())
    }
}

/// The earlier run that a run is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PreviousPart {
    /// Its folder.
    pub run: String,
    /// What it has computed; null of a run of an early version.
    pub identity: Option<String>,
}

impl PreviousPart {
    /// Its folder, if the run is there and is the same.
    #[must_use]
    pub fn find(&self) -> Option<PathBuf> {
        let dir = PathBuf::from(&self.run);
        let found = Recorded::of_run(&dir).ok()?;
        (found.identity == self.identity).then_some(dir)
    }
}

/// The part of the request that only a stress has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StressPart {
    /// How much is written of each account, as on the command line.
    pub detail: String,
    /// Whose distributions over the scenarios are written, as on the command line. Early versions wrote none.
    #[serde(default = "no_distribution")]
    pub distribution: String,
    /// The guarantee fund that was asked about, USD.
    #[serde(default)]
    pub fund_usd: Option<f64>,
    /// The axes of a grid, as on the command line.
    pub grid: Vec<String>,
    /// Single scenarios.
    pub scenarios: Vec<Scenario>,
    /// Named sets of scenarios.
    pub presets: Vec<String>,
}

fn no_distribution() -> String {
    "none".to_owned()
}

/// The manifest of a finished run. Unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Recorded {
    /// Version of the program.
    pub remargin: String,
    /// What was computed, as one hash. Manifests of early versions have none.
    #[serde(default)]
    pub identity: Option<String>,
    /// What the user called the run.
    #[serde(default)]
    pub label: Option<String>,
    /// How the program was called; empty if a library wrote the run.
    #[serde(default)]
    pub command_line: Vec<String>,
    /// The folder of the snapshot, as it was given. A comparison has none.
    #[serde(default)]
    pub snapshot: Option<String>,
    /// Valuation time.
    pub as_of: String,
    /// The rules.
    pub rules: RecordedRules,
    /// Input files.
    pub inputs: Vec<RecordedFile>,
    /// Output files, without the manifest.
    pub outputs: Vec<RecordedFile>,
    /// The request. Manifests of early versions have none.
    pub request: Option<Request>,
}

/// The rules of a run, complete.
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
    /// The source of the value, shown on the run's page.
    #[serde(default)]
    pub source: String,
    /// How far it is to be trusted.
    #[serde(default)]
    pub mark: Option<rules::Mark>,
}

/// A file of a run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RecordedFile {
    /// Name of an output; path of an input, relative to the snapshot folder or absolute.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows, if it is a table.
    pub rows: Option<u64>,
    /// Its hash.
    pub blake3: String,
}

impl Recorded {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it does not exist or is not a manifest.
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

    /// The rules, loaded again. Errors name `manifest`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if they are not a set of rules, or do not have the recorded hash.
    pub fn rules(&self, manifest: &Path) -> Result<LoadedRules> {
        let values = self.rules.values.iter();
        let text: String = values.flat_map(|line| [line.key.as_str(), " = ", line.value.as_str(), "\n"]).collect();
        let mut loaded = rules::load_recorded(&text, manifest)?;
        if loaded.hash == self.rules.hash {
            for value in &mut loaded.values {
                if let Some(recorded) = self.rules.values.iter().find(|recorded| recorded.key == value.key) {
                    value.source.clone_from(&recorded.source);
                    value.mark.clone_from(&recorded.mark);
                }
            }
            return Ok(loaded);
        }
        Err(Invalid::new("the rules in the manifest are not the rules of the run")
            .file(manifest)
            .column("rules.hash")
            .value(&self.rules.hash)
            .expected(format!("`{}`, the hash of the values in the manifest", loaded.hash))
            .into())
    }

    /// The identity of the run, from what else the manifest says; `None` without a request.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the library fails.
    pub fn identity_again(&self) -> Result<Option<String>> {
        let Some(request) = &self.request else { return Ok(None) };
        let parts = Parts {
            remargin: &self.remargin,
            as_of: &self.as_of,
            rules: [&self.rules.name, &self.rules.hash],
            values: self.rules.values.iter().map(|of| (of.key.as_str(), of.value.as_str(), of.mark.as_ref())).collect(),
            request: asked(request)?,
            inputs: self.inputs.iter().map(|of| (of.path.as_str(), of.bytes, of.blake3.as_str())).collect(),
        };
        Ok(Some(parts.identity()))
    }

    /// The current path of an input, if the snapshot is in the folder `snapshot`.
    #[must_use]
    pub fn input_path(input: &RecordedFile, snapshot: &Path) -> PathBuf {
        let path = Path::new(&input.path);
        if store::is_url(path) { path.to_path_buf() } else { snapshot.join(path) }
    }
}

/// Reads a JSON file of a finished run.
///
/// # Errors
/// [`Error::Invalid`] if it does not exist or is not what `expected` says.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path, expected: &str) -> Result<T> {
    let invalid = |problem: String| Invalid::new(problem).file(path).expected(expected);
    let bytes = match source::read_if_there(path, LARGEST_JSON) {
        Ok(bytes) => bytes.ok_or_else(|| invalid("does not exist".to_owned()))?,
        Err(Error::Invalid(fault)) if fault.expected.is_none() => return Err(fault.expected(expected).into()),
        Err(error) => return Err(error),
    };
    // The message has line and column. To tell the path of the field too would take a second reader for every type.
    serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()).into())
}

/// An absolute path, valid in every working folder; a URL is one.
///
/// # Errors
/// [`Error::Io`] if there is no working folder; [`Error::Runtime`] if the path is not valid text.
pub(crate) fn absolute(path: &Path) -> Result<String> {
    if store::is_url(path) {
        return store::Location::of(path).map(|location| location.to_string());
    }
    super::absolute(path)?.into_os_string().into_string().map_err(|full| {
        Error::Runtime(format!(
            "the path `{}` is not valid text, so it cannot be written to the manifest",
            full.display()
        ))
    })
}
