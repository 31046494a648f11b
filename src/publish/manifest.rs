//! Provenance and contents of a run: `manifest.json`, written last.
//!
//! The only output with times, paths and threads. All other outputs are the same bytes on every machine.

use super::MANIFEST;
use super::hashed::write_bytes;
use super::identity::{Parts, asked};
use super::json::json;
use super::recorded::Request;
use super::{OutputFile, OutputFolder};
use crate::Result;
use crate::cells::time::timestamp;
use crate::request::{OutputRequest, SnapshotRequest};
use crate::rules::{LoadedRules, Mark, RuleValue, RulesId};
use crate::snapshot::{InputFile, Snapshot};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Wall time of each stage of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Reading and checking the snapshot.
    pub read: Duration,
    /// Pricing the instruments.
    pub price: Duration,
    /// Computing and encoding accounts and risk units, appending included.
    pub compute: Duration,
    /// The part of [`Timings::compute`] spent on appending to files.
    pub append: Duration,
    /// Everything after the last account: at-risk list, rejects, summary, hashes, syncing.
    pub finish: Duration,
}

impl Timings {
    /// From the first file read to the last file written.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.read + self.price + self.compute + self.finish
    }
}

/// The content of the manifest besides the outputs.
pub(crate) struct Provenance<'a> {
    pub(crate) label: Option<&'a str>,
    pub(crate) command_line: &'a [String],
    pub(crate) snapshot_dir: &'a Path,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) rules: &'a LoadedRules,
    pub(crate) timings: &'a Timings,
    /// The request, for a replay; `None` for a simulation, whose answers are not margins.
    pub(crate) request: Option<Request>,
}

impl<'a> Provenance<'a> {
    pub(crate) fn new(
        asked: &'a SnapshotRequest,
        output: &'a OutputRequest,
        rules: &'a LoadedRules,
        snapshot: &'a Snapshot,
        timings: &'a Timings,
        request: Option<Request>,
    ) -> Self {
        let (label, command_line) = (output.label.as_deref(), &output.command_line);
        Self { label, command_line, snapshot_dir: &asked.dir, snapshot, rules, timings, request }
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Manifest<'a> {
    /// Version of the program.
    remargin: &'static str,
    /// What was computed, as one hash over inputs, rules, request and version; the same on every machine. Absent of a
    /// simulation.
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<&'a str>,
    /// What the user called the run; absent if nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    /// How the program was called; empty if a library wrote the run.
    command_line: &'a [String],
    /// Valuation time, RFC 3339 in UTC.
    as_of: String,
    /// Folder of the snapshot, as it was given.
    snapshot: String,
    /// The rules, complete.
    rules: ManifestRules<'a>,
    /// Every file that was read.
    inputs: Vec<ManifestFile<'a>>,
    /// Every file that was written, the manifest apart.
    outputs: Vec<ManifestFile<'a>>,
    /// Threads that computed.
    threads: usize,
    /// Wall time of each stage, seconds.
    timings_seconds: ManifestTimings,
    /// The request, for a replay; absent of a simulation.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a Request>,
    /// Of a run at a URL: the name, below the URL, under which its files are. Absent of a run in a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    files_in: Option<&'a str>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ManifestRules<'a> {
    #[serde(flatten)]
    id: RulesId,
    /// Every value, in the order of the set.
    values: Vec<ManifestValue<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ManifestValue<'a> {
    /// Dotted key.
    key: &'a str,
    /// The value as TOML.
    value: &'a str,
    /// `built-in NAME`, `file PATH` or `--set`.
    source: &'a str,
    /// How far the figure is to be trusted; absent of one of the user's own without a mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<&'a Mark>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ManifestFile<'a> {
    /// Name of an output; path of an input, relative to the folder of the snapshot or absolute.
    path: String,
    /// Its size.
    bytes: u64,
    /// Its rows, if it is a table.
    rows: Option<u64>,
    /// Its hash, hex.
    blake3: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ManifestTimings {
    read: f64,
    price: f64,
    compute: f64,
    /// The part of `compute` spent on appending to files.
    compute_of_which_append: f64,
    finish: f64,
    total: f64,
}

impl From<&Timings> for ManifestTimings {
    fn from(timings: &Timings) -> Self {
        let ms = |time: Duration| time.as_micros() as f64 / 1e6;
        Self {
            read: ms(timings.read),
            price: ms(timings.price),
            compute: ms(timings.compute),
            compute_of_which_append: ms(timings.append),
            finish: ms(timings.finish),
            total: ms(timings.total()),
        }
    }
}

/// What the manifest of a finished run says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What was computed, as one hash; the same on every machine.
    pub identity: String,
    /// Valuation time, RFC 3339 in UTC.
    pub as_of: String,
    /// Which rules.
    pub rules: RulesId,
    /// Folder of the snapshot, as it was given.
    pub snapshot: PathBuf,
    /// Every file that was read.
    pub inputs: Vec<InputFile>,
    /// Every file that was written, the manifest apart.
    pub outputs: Vec<OutputFile>,
}

impl Provenance<'_> {
    /// The identity of the run; none of a simulation.
    ///
    /// # Errors
    /// [`crate::Error::Runtime`] if the library fails.
    pub(crate) fn identity(&self) -> Result<Option<String>> {
        let Some(request) = &self.request else { return Ok(None) };
        let inputs: Vec<(String, &InputFile)> =
            self.snapshot.inputs.iter().map(|file| (file.path.display().to_string(), file)).collect();
        let parts = Parts {
            remargin: env!("CARGO_PKG_VERSION"),
            as_of: &timestamp(self.snapshot.as_of_ns)?,
            rules: [&self.rules.rules.name, &self.rules.hash],
            values: self.rules.values.iter().map(|of| (of.key.as_str(), of.value.as_str(), of.mark.as_ref())).collect(),
            request: asked(request)?,
            inputs: inputs.iter().map(|(path, file)| (path.as_str(), file.bytes, file.blake3.as_str())).collect(),
        };
        Ok(Some(parts.identity()))
    }
}

/// Writes the manifest of an otherwise complete folder.
pub(crate) fn write(folder: &OutputFolder, from: &Provenance, outputs: &[OutputFile]) -> Result<Published> {
    let (identity, as_of) = (from.identity()?, timestamp(from.snapshot.as_of_ns)?);
    let manifest = Manifest {
        remargin: env!("CARGO_PKG_VERSION"),
        identity: identity.as_deref(),
        label: from.label,
        command_line: from.command_line,
        as_of: as_of.clone(),
        snapshot: from.snapshot_dir.display().to_string(),
        rules: rules(from.rules),
        inputs: from.snapshot.inputs.iter().map(input).collect(),
        outputs: outputs.iter().map(output).collect(),
        threads: rayon::current_num_threads(),
        timings_seconds: ManifestTimings::from(from.timings),
        request: from.request.as_ref(),
        files_in: None,
    };
    write_bytes(folder.path(), MANIFEST, &json(MANIFEST, &manifest)?)?;
    Ok(Published {
        identity: identity.unwrap_or_default(),
        as_of,
        rules: RulesId { name: from.rules.rules.name.clone(), hash: from.rules.hash.clone() },
        snapshot: from.snapshot_dir.to_path_buf(),
        inputs: from.snapshot.inputs.clone(),
        outputs: outputs.to_vec(),
    })
}

pub(crate) fn rules<'a>(loaded: &'a LoadedRules) -> ManifestRules<'a> {
    let value = |RuleValue { key, value, source, mark }: &'a RuleValue| {
        let mark = mark.as_ref();
        ManifestValue { key, value, source, mark }
    };
    ManifestRules {
        id: RulesId { name: loaded.rules.name.clone(), hash: loaded.hash.clone() },
        values: loaded.values.iter().map(value).collect(),
    }
}

pub(crate) fn input(file: &InputFile) -> ManifestFile<'_> {
    let path = file.path.display().to_string();
    ManifestFile { path, bytes: file.bytes, rows: file.rows, blake3: &file.blake3 }
}

pub(crate) fn output(file: &OutputFile) -> ManifestFile<'_> {
    ManifestFile { path: file.name.clone(), bytes: file.bytes, rows: file.rows, blake3: &file.blake3 }
}
