//! Pre-trade checks: margin with operations applied, and the largest amount that passes.
//!
//! ```text
//! snapshot ---> market, book --------------+
//!                                          v
//! operations -> Resolver -> Operation -> Checker: account before and after, changed units, verdict,
//!               (or refusal)             |       largest amount in whole lots
//!                                          v
//!                              Row, with a sentence -> checks, check_units (or JSON lines)
//! ```
//!
//! Each operation is checked against the snapshot alone, as if the operations before it had not happened. Operations of
//! one `group` are applied together, in a canonical order: their order in the file does not matter.

pub mod amount;
pub mod check;
pub mod columns;
mod desk;
pub mod fields;
mod groups;
mod leg;
pub mod limits;
mod lines;
pub mod operation;
mod request;
pub mod tables;
mod words;

pub use desk::Desk;
pub use groups::REMEMBERED_OPERATIONS;
pub use lines::answer_lines;
pub use operation::MOST_GROUP_OPERATIONS;
pub use request::{LimitRequest, SimulateRequest};

use crate::progress::Progress;
use crate::publish::OutputFolder;
use crate::publish::hashed::write_bytes;
use crate::publish::manifest::{self, Provenance, Timings};
use crate::rules::LoadedRules;
use crate::snapshot::{self, Expectations, LoadOptions, Snapshot};
use crate::tables::rejects;
use crate::{Error, Result, engine};
use check::Answer;
use operation::{Operation, Refusal, Resolver};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tables::CheckTables;

/// Number of operations by result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckCounts {
    /// All operations.
    pub operations: u64,
    /// By verdict: `pass`, `adjust`, `reject`.
    pub by_verdict: BTreeMap<&'static str, u64>,
    /// Invalid operations by reason.
    pub invalid: BTreeMap<&'static str, u64>,
}

impl CheckCounts {
    fn add(&mut self, other: &Self) {
        self.operations += other.operations;
        for (mine, theirs) in [(&mut self.by_verdict, &other.by_verdict), (&mut self.invalid, &other.invalid)] {
            for (name, count) in theirs {
                *mine.entry(name).or_default() += count;
            }
        }
    }
}

/// Result of a simulation.
#[derive(Debug, Clone)]
pub struct SimulateOutcome {
    /// Operations by verdict.
    pub counts: CheckCounts,
    /// So many rows of the snapshot are broken, more than
    /// [`SnapshotRequest::max_rejects`](crate::request::SnapshotRequest::max_rejects) accepts.
    pub too_many_rejects: Option<u64>,
    /// Wall time of each stage.
    pub timings: Timings,
}

/// An operation and its answer.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    /// The operation.
    pub operation: &'a Operation,
    /// The answer of its group and the operation's index in it, or why there is no answer.
    pub answer: Result<(Arc<Answer>, usize), Refusal>,
    /// The answer as a sentence, or why there is no answer.
    pub why: String,
}

/// Checks operations and searches limits on a snapshot, and writes the output folder.
///
/// ```
/// use remargin::progress::Silent;
/// use remargin::simulate::{SimulateRequest, run};
/// let dir = tempfile::tempdir().unwrap();
/// let operations = dir.path().join("operations.csv");
/// let withdraw = "op_id,account_id,kind,ccy,qty\n1,A00000001,transfer_out,USDT,1\n";
/// std::fs::write(&operations, withdraw).unwrap();
/// let rules = remargin::rules::load(None, &[])?;
/// let request = SimulateRequest::new("data/sample", dir.path().join("out"), rules).with_operations(operations);
/// let outcome = run(&request, &Silent)?;
/// assert_eq!(outcome.counts.operations, 1);
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// Those of [`crate::run::run`]; [`Error::Usage`] if nothing is requested;
/// [`Error::Invalid`] for an unreadable table of operations. A broken operation gives a row with
/// a reason, not an error.
pub fn run(request: &SimulateRequest, progress: &dyn Progress) -> Result<SimulateOutcome> {
    let mut inputs: Vec<&Path> =
        std::iter::once(&request.snapshot.dir).chain(&request.operations).map(PathBuf::as_path).collect();
    inputs.extend(request.rules.read_from());
    let folder = OutputFolder::create(&request.output.dir, request.output.force, &inputs)?;
    let mut timings = Timings::default();

    let clock = Instant::now();
    let mut snapshot = load(
        &request.snapshot.dir,
        &request.rules,
        request.snapshot.allow_rules_date,
        &request.snapshot.expectations,
        progress,
    )?;
    let mut operations = Vec::new();
    if let Some(path) = &request.operations {
        let resolver = Resolver::new(&snapshot);
        let (resolved, files) = snapshot::read_operations(path, |asked| resolver.resolve(asked), progress)?;
        snapshot.inputs.extend(files);
        operations = resolved;
    }
    timings.read = clock.elapsed();

    let clock = Instant::now();
    let priced = engine::price(&snapshot.market, &request.rules.rules);
    timings.price = clock.elapsed();

    let clock = Instant::now();
    let mut outputs = Vec::new();
    let desk = Desk::new(&snapshot, &priced);
    let mut counts = CheckCounts::default();
    if request.operations.is_some() {
        progress.stage("simulate", "operations", operations.len() as u64);
        let (encoders, mut tables) = CheckTables::create(folder.path(), request.output.format)?;
        let checked = desk.check(
            operations,
            progress,
            |rows| encoders.encode(rows, &snapshot, &desk.unit_names),
            |part, counted| {
                counts.add(&counted);
                tables.append(part)
            },
        );
        checked.map_err(|error| match (error, &request.operations) {
            (Error::Invalid(invalid), Some(path)) if invalid.file.is_none() => invalid.file(path).into(),
            (error, _) => error,
        })?;
        outputs.extend(tables.finish()?);
    }
    outputs.extend(desk.write_limits(&request.limits, folder.path(), request.output.format, progress)?);
    timings.compute = clock.elapsed();

    let clock = Instant::now();
    outputs.extend(rejects::write(folder.path(), &snapshot.rejects, request.output.format)?);
    let summary = tables::summary(&snapshot, &request.rules, &counts)?;
    outputs.push(write_bytes(folder.path(), "summary.json", &summary)?);
    progress.check()?;
    timings.finish = clock.elapsed();
    let provenance = Provenance::new(&request.snapshot, &request.output, &request.rules, &snapshot, &timings, None);
    manifest::write(&folder, &provenance, &outputs)?;
    folder.publish()?;
    let too_many_rejects = snapshot.too_many_rejects(request.snapshot.max_rejects);
    Ok(SimulateOutcome { counts, too_many_rejects, timings })
}

/// Reads a snapshot and checks that the rules are not newer.
///
/// # Errors
/// Those of [`snapshot::load`]; [`Error::Invalid`] if the snapshot is older than the rules.
pub fn load(
    dir: &Path,
    rules: &LoadedRules,
    allow_rules_date: bool,
    expectations: &Expectations,
    progress: &dyn Progress,
) -> Result<Snapshot> {
    let mut expectations = expectations.clone();
    expectations.read_before.extend(rules.file.clone());
    let expectations = &expectations;
    let options = LoadOptions { default_spot_offset: rules.rules.default_spot_offset, expectations, progress };
    let snapshot = snapshot::load(dir, &options)?;
    if !allow_rules_date {
        rules.check_date(snapshot.as_of_ns)?;
    }
    Ok(snapshot)
}
