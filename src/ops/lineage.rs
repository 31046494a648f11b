//! A run as events of OpenLineage: what was read, what was written, and how it ended.
//!
//! One JSON object a line: `START`, and then `COMPLETE`, `FAIL` or, after a signal, `ABORT`. The two events of an
//! attempt have the same `runId`. It is a UUID of version 7, made anew for every attempt: two attempts at the same work
//! are two runs. What they have in common is the identity, in the facet `remargin_run`.

use super::{Attempt, Finished};
use crate::snapshot::InputFile;
use crate::{Error, Result};
use serde_json::{Value, json};
use std::path::Path;

/// The specification that the events follow.
const EVENT_SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const RUN_FACET: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet";
const ENGINE: &str =
    "https://openlineage.io/spec/facets/1-1-1/ProcessingEngineRunFacet.json#/$defs/ProcessingEngineRunFacet";
const ERROR: &str = "https://openlineage.io/spec/facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet";
const VERSION: &str =
    "https://openlineage.io/spec/facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet";
const READ: &str = "https://openlineage.io/spec/facets/1-0-0/InputStatisticsInputDatasetFacet.json#/$defs/\
                    InputStatisticsInputDatasetFacet";
const WRITTEN: &str = "https://openlineage.io/spec/facets/1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/\
                       OutputStatisticsOutputDatasetFacet";

/// How each line begins.
pub const BEGINS: &str = "{\"eventType\":";

/// Namespace of the jobs.
const NAMESPACE: &str = "remargin";
/// Namespace of files, as the specification names it.
const FILES: &str = "file";

/// What the events of one attempt have in common.
#[derive(Debug, Clone)]
pub struct Lineage {
    /// The UUID of the attempt.
    pub run_id: String,
    /// `run` or `stress`.
    pub command: &'static str,
    /// What tells the job from others.
    pub job: String,
    /// Folder of the snapshot, absolute.
    pub snapshot: String,
    /// Folder of the results, absolute.
    pub out: String,
}

/// A UUID of version 7: the time in milliseconds, and 74 bits of a hash over `seed`, which must differ between
/// attempts.
#[must_use]
pub fn run_id(started_ns: i64, seed: &[u8]) -> String {
    let ms = u64::try_from(started_ns / 1_000_000).unwrap_or(0);
    let hash = blake3::hash(seed);
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&hash.as_bytes()[..10]);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

impl Lineage {
    /// The event that the attempt begins. Which files are read is known at its end.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the time is out of range.
    pub fn start(&self, at_ns: i64) -> Result<String> {
        self.event("START", at_ns, &[], (Vec::new(), Vec::new()))
    }

    /// The event that it wrote its results, with all files and their hashes.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the time is out of range.
    pub fn complete(&self, attempt: &Attempt, finished: &Finished) -> Result<String> {
        let published = finished.published;
        let run = json!({
            "_producer": producer(),
            "_schemaURL": RUN_FACET,
            "identity": published.identity,
            "asOf": published.as_of,
            "rules": published.rules.name,
            "rulesHash": published.rules.hash,
            "exitCode": attempt.exit_code,
            "snapshot": self.snapshot,
            "out": self.out,
        });
        let inputs = published.inputs.iter().map(|file| self.input(file)).collect();
        let outputs = published.outputs.iter().map(|file| {
            let size = (file.rows, file.bytes);
            let name = Path::new(&self.out).join(&file.name).display().to_string();
            dataset(&name, &file.blake3, "outputFacets", "outputStatistics", WRITTEN, size)
        });
        self.event("COMPLETE", attempt.ended_ns, &[("remargin_run", run)], (inputs, outputs.collect()))
    }

    /// The event that it wrote no results: `ABORT` after a signal, else `FAIL`.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the time is out of range.
    pub fn failed(&self, attempt: &Attempt, error: &Error) -> Result<String> {
        let kind = if matches!(error, Error::Interrupted) { "ABORT" } else { "FAIL" };
        let run = json!({
            "_producer": producer(),
            "_schemaURL": RUN_FACET,
            "exitCode": attempt.exit_code,
            "snapshot": self.snapshot,
            "out": self.out,
        });
        let message = json!({
            "_producer": producer(),
            "_schemaURL": ERROR,
            "message": error.to_string(),
            "programmingLanguage": "RUST",
        });
        let facets = [("remargin_run", run), ("errorMessage", message)];
        self.event(kind, attempt.ended_ns, &facets, (Vec::new(), Vec::new()))
    }

    fn input(&self, file: &InputFile) -> Value {
        let name = Path::new(&self.snapshot).join(&file.path).display().to_string();
        dataset(&name, &file.blake3, "inputFacets", "inputStatistics", READ, (file.rows, file.bytes))
    }

    fn event(
        &self,
        kind: &str,
        at_ns: i64,
        facets: &[(&str, Value)],
        (inputs, outputs): (Vec<Value>, Vec<Value>),
    ) -> Result<String> {
        let engine = json!({
            "_producer": producer(),
            "_schemaURL": ENGINE,
            "name": "remargin",
            "version": env!("CARGO_PKG_VERSION"),
        });
        let mut of_run = serde_json::Map::from_iter([("processing_engine".to_owned(), engine)]);
        of_run.extend(facets.iter().map(|(name, facet)| ((*name).to_owned(), facet.clone())));
        let event = json!({
            "eventType": kind,
            "eventTime": crate::cells::time::timestamp(at_ns)?,
            "run": { "runId": self.run_id, "facets": of_run },
            "job": { "namespace": NAMESPACE, "name": format!("{}.{}", self.job, self.command), "facets": {} },
            "inputs": inputs,
            "outputs": outputs,
            "producer": producer(),
            "schemaURL": EVENT_SCHEMA,
        });
        Ok(event.to_string())
    }
}

/// A file with its hash as its version, its size and its rows.
fn dataset(path: &str, hash: &str, of: &str, name: &str, schema: &str, (rows, bytes): (Option<u64>, u64)) -> Value {
    let mut statistics = json!({ "_producer": producer(), "_schemaURL": schema });
    if let Some(fields) = statistics.as_object_mut() {
        fields.extend(rows.map(|rows| ("rowCount".to_owned(), rows.into())));
        fields.insert("size".to_owned(), bytes.into());
    }
    json!({
        "namespace": FILES,
        "name": path,
        "facets": {
            "version": { "_producer": producer(), "_schemaURL": VERSION, "datasetVersion": format!("blake3:{hash}") },
        },
        of: { name: statistics },
    })
}

/// Who says so.
fn producer() -> String {
    format!("{}/tree/v{}", env!("CARGO_PKG_REPOSITORY"), env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_of_version_7() {
        let id = run_id(1_768_464_000_123_456_789, b"one");
        assert_eq!(&id[..13], "019bc0ab-247b", "the milliseconds");
        let parts: Vec<&str> = id.split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id}");
        assert!(parts[2].starts_with('7') && "89ab".contains(&parts[3][..1]), "{id}");
        assert_ne!(id, run_id(1_768_464_000_123_456_789, b"two"));
        assert_eq!(run_id(-5, b"").len(), 36);
    }
}
