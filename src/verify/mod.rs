//! Whether a finished run still is what it says: `remargin verify`.
//!
//! ```text
//! manifest.json -- outputs, inputs ------- hashed again                       files
//! folder --------- names ----------------- against the manifest, and what such a run always writes   listing
//! snapshot, rules, scenarios of the manifest
//!                  -- the whole run, computed again ---- every output, cell by cell                   again, rebuilt
//! summary.json --- counts and totals ----- against the manifest, the tables and the snapshot     counts
//! snapshot, rules, scenarios of the manifest
//!                  -- a sample of accounts, by the reference model ---- every column of accounts, risk_units   sample
//! ```
//!
//! The run is computed again by the model that wrote it, to the last bit: an edited cell is found wherever it stands.
//! The sample is derived by another model, which shares no formula with the first: it finds faults of the program.
//! [`replay`] compares bytes alone.
//!
//! Nothing here trusts the run: what is compared is read from its files. An input that has another hash than the run
//! noted is a difference, and nothing is derived from it then.

mod again;
mod cells;
mod counts;
mod files;
mod listing;
mod manifest;
mod origin;
mod rebuilt;
pub mod replay;
mod sample;
mod tables;
mod text;

use crate::memory::MemoryLimit;
use crate::progress::Progress;
use crate::publish::recorded::{Recorded, Request, absolute};
use crate::publish::{MANIFEST, SIGNATURE, with_run};
use crate::results;
use crate::rules::LoadedRules;
use crate::store::is_url;
use crate::{Error, Result};
use again::Again;
use origin::Origin;
pub use rebuilt::Rebuilt;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What to verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyRequest {
    /// Folder of the finished run, or its URL.
    pub run: PathBuf,
    /// Where the snapshot is now, if not where the run found it.
    pub snapshot: Option<PathBuf>,
    /// Whether to compute the whole run again and to compare every output. Without it only the sample is compared.
    pub rebuild: bool,
    /// Which accounts to derive again with the reference model.
    pub sample: Sample,
    /// Decides which accounts are in a sample.
    pub seed: u64,
    /// How much memory may be resident. Results do not depend on it.
    pub memory_limit: MemoryLimit,
    /// Where the run is computed again, in a folder that is removed afterwards.
    pub temp: PathBuf,
}

impl VerifyRequest {
    /// Verifies the run in a folder against the snapshot where the run found it: computes it again, and derives 1,000
    /// accounts with the reference model.
    pub fn new(run: impl Into<PathBuf>) -> Self {
        let (run, temp, memory_limit) = (run.into(), std::env::temp_dir(), MemoryLimit::of_machine());
        Self { run, snapshot: None, rebuild: true, sample: Sample::Accounts(1000), seed: 0, memory_limit, temp }
    }
}

/// Which accounts are derived again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// Every account.
    All,
    /// So many.
    Accounts(usize),
}

/// What was found. It agrees if there is no difference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verification {
    /// The folder.
    pub run: String,
    /// Version of the program that wrote it.
    pub remargin: String,
    /// Valuation time.
    pub as_of: String,
    /// Name of the rules.
    pub rules: String,
    /// The signature of the manifest; null if it was not asked for.
    pub signature: Option<Signature>,
    /// Files that the run wrote.
    pub outputs: FilesChecked,
    /// Files that it read.
    pub inputs: FilesChecked,
    /// Outputs that were computed again; null if none was.
    pub rebuilt: Option<Rebuilt>,
    /// Counts and totals that were compared.
    pub counts: u64,
    /// What was derived again; null if nothing was.
    pub derived: Option<Derived>,
    /// Why nothing was derived, if that is as it should be.
    pub not_derived: Option<String>,
    /// Differences in all.
    pub differing: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
}

/// The signature of a manifest, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signature {
    /// The public key that should have signed, in base 64.
    pub key: String,
    /// Why the signature does not hold; null if it does.
    pub problem: Option<String>,
    /// What the signer said beside it, signed too.
    pub comment: Option<String>,
}

/// Files that were hashed again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FilesChecked {
    /// Files that the manifest names.
    pub named: u64,
    /// Files that are there and have their hash.
    pub same: u64,
    /// Bytes that were hashed.
    pub bytes: u64,
    /// Files that are there no more; an absent output is a difference, an absent input is not.
    pub absent: Vec<String>,
    /// Files in the folder that the manifest does not name; each is a difference.
    pub not_named: Vec<String>,
}

/// How much was derived again by the reference model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Derived {
    /// Accounts of the sample.
    pub accounts: u64,
    /// Accounts of the run.
    pub of_accounts: u64,
    /// Scenarios of each, the base case included.
    pub scenarios: u64,
    /// Risk units of these accounts, in all scenarios.
    pub risk_units: u64,
    /// Figures that were compared.
    pub figures: u64,
}

/// Two values that should agree.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Difference {
    /// The file that holds the value.
    pub file: String,
    /// The row, from 1; null where the value is not in a row.
    pub row: Option<u64>,
    /// The column, or the dotted key.
    pub column: String,
    /// The account.
    pub account: Option<String>,
    /// The scenario.
    pub scenario: Option<String>,
    /// The risk unit.
    pub risk_unit: Option<String>,
    /// What stands there.
    pub found: String,
    /// What should.
    pub expected: String,
    /// The greatest difference that would have passed; zero where only equality does.
    pub tolerance: f64,
}

impl Verification {
    /// True if nothing differs.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.differing == 0
    }

    /// Adds the signature, which is a difference if it does not hold.
    #[must_use]
    pub fn with_signature(mut self, signature: Signature) -> Self {
        if let Some(problem) = &signature.problem {
            self.differing += 1;
            let wrong = Difference {
                file: SIGNATURE.into(),
                column: "signature".into(),
                found: problem.clone(),
                expected: format!("a signature of `{MANIFEST}` by the key {}", signature.key),
                ..Difference::default()
            };
            self.differences.insert(0, wrong);
        }
        self.signature = Some(signature);
        self
    }
}

/// Differences that are kept, of each part of the work.
const KEPT: usize = 1000;

/// Gathers what differs and counts what was compared.
#[derive(Debug, Default)]
struct Findings {
    compared: u64,
    differing: u64,
    differences: Vec<Difference>,
}

impl Findings {
    fn differ(&mut self, difference: Difference) {
        self.differing += 1;
        if self.differences.len() < KEPT {
            self.differences.push(difference);
        }
    }

    fn take(&mut self, later: Self) {
        self.compared += later.compared;
        self.differing += later.differing;
        let room = KEPT.saturating_sub(self.differences.len());
        self.differences.extend(later.differences.into_iter().take(room));
    }

    /// Two values that must be equal.
    fn equal<T: PartialEq + ToString>(&mut self, file: &str, column: &str, found: &T, expected: &T) {
        self.compared += 1;
        if found != expected {
            let (found, expected) = (found.to_string(), expected.to_string());
            self.differ(Difference {
                file: file.into(),
                column: column.into(),
                found,
                expected,
                ..Difference::default()
            });
        }
    }

    /// Two figures that must be closer than `tolerance`. NaN differs from everything.
    fn close(&mut self, file: &str, column: &str, found: f64, expected: f64, tolerance: f64) {
        self.compared += 1;
        let close = (found - expected).abs() <= tolerance;
        if !close {
            let (found, expected) = (format!("{found:?}"), format!("{expected:?}"));
            let (file, column) = (file.to_owned(), column.to_owned());
            self.differ(Difference { file, column, found, expected, tolerance, ..Difference::default() });
        }
    }
}

/// Verifies a finished run. One at a URL is brought to a folder below [`VerifyRequest::temp`] first.
///
/// ```
/// use remargin::progress::Silent;
/// use remargin::run::{RunRequest, run};
/// use remargin::verify::{VerifyRequest, verify};
/// let dir = tempfile::tempdir().unwrap();
/// let out = dir.path().join("out");
/// run(&RunRequest::new("data/sample", &out, remargin::rules::load(None, &[])?), &Silent)?;
/// assert!(verify(&VerifyRequest::new(&out), &Silent)?.agrees());
/// std::fs::write(out.join("rejects.parquet"), "changed").unwrap();
/// assert!(!verify(&VerifyRequest::new(&out), &Silent)?.agrees());
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// [`Error::Invalid`] if the folder is no finished run, or the snapshot cannot be read any more although its hashes
/// agree; [`Error::Usage`] if accounts are to be derived and the snapshot is not there; [`Error::Interrupted`].
pub fn verify(request: &VerifyRequest, progress: &dyn Progress) -> Result<Verification> {
    with_run(&request.run, &request.temp, |run| {
        if run == request.run {
            return verify_here(request, progress);
        }
        let mut found = verify_here(&VerifyRequest { run: run.to_path_buf(), ..request.clone() }, progress)?;
        let (here, url) = (run.display().to_string(), request.run.display().to_string());
        found.run.clone_from(&url);
        for difference in &mut found.differences {
            difference.file = difference.file.replace(&here, &url);
        }
        Ok(found)
    })
}

/// As [`verify`], of a run in a folder of this machine.
fn verify_here(request: &VerifyRequest, progress: &dyn Progress) -> Result<Verification> {
    let manifest = request.run.join(MANIFEST);
    let (recorded, mut asked) = manifest::read(&manifest)?;
    let rules = recorded.rules(&manifest)?;
    let dir = request.snapshot.clone().unwrap_or_else(|| PathBuf::from(&asked.snapshot));

    let mut findings = Findings::default();
    progress.stage("hash", "bytes", recorded.outputs.iter().chain(&recorded.inputs).map(|file| file.bytes).sum());
    let mut outputs = files::outputs(&request.run, &recorded, &mut findings, progress)?;
    let damaged = findings.differing > 0;
    let inputs = files::inputs(&dir, &recorded, &mut findings, progress)?;
    let changed = findings.differing > 0;
    manifest::check(&recorded, &asked, &mut findings);
    let contradicts = !changed && findings.differing > 0;
    outputs.not_named = listing::check(&request.run, &recorded, &mut findings)?;

    let mut found = Found::default();
    if changed {
        let what = if damaged { "an output" } else { "an input" };
        found.not_derived = Some(format!("{what} is not the file that the run noted"));
        if !damaged {
            found.count(request, &recorded, None, &mut findings, progress)?;
        }
    } else if contradicts {
        found.not_derived = Some("the manifest contradicts itself".to_owned());
        found.count(request, &recorded, None, &mut findings, progress)?;
    } else if request.sample == Sample::Accounts(0) && !request.rebuild {
        found.not_derived = Some("not asked for".to_owned());
        rebuilt::page(&request.run, &mut findings, progress)?;
        found.count(request, &recorded, None, &mut findings, progress)?;
    } else {
        if let Some(absent) = inputs.absent.first() {
            return Err(underivable(&manifest, absent, &dir));
        }
        asked.snapshot = absolute(&dir)?;
        found.derive(request, &recorded, &asked, rules, &mut findings, progress)?;
    }
    manifest::check_identity(&recorded, &mut findings)?;
    let Found { rebuilt, counts, derived, not_derived } = found;
    let Findings { differing, mut differences, .. } = findings;
    for difference in &mut differences {
        let of_table = |name: &str| name.rsplit_once('.').is_some_and(|(stem, _)| stem == difference.file);
        if let Some(file) = recorded.outputs.iter().find(|file| of_table(&file.path)) {
            difference.file.clone_from(&file.path);
        }
    }
    Ok(Verification {
        run: request.run.display().to_string(),
        remargin: recorded.remargin,
        as_of: recorded.as_of,
        rules: recorded.rules.name,
        signature: None,
        outputs,
        inputs,
        rebuilt,
        counts,
        derived,
        not_derived,
        differing,
        differences,
    })
}

/// What is found behind the hashes.
#[derive(Default)]
struct Found {
    rebuilt: Option<Rebuilt>,
    counts: u64,
    derived: Option<Derived>,
    not_derived: Option<String>,
}

impl Found {
    /// Computes the run again, reconciles its counts, and derives the sample. Outputs that differ end it: what else is
    /// compared would say the same in other words.
    fn derive(
        &mut self,
        request: &VerifyRequest,
        recorded: &Recorded,
        asked: &Request,
        rules: LoadedRules,
        findings: &mut Findings,
        progress: &dyn Progress,
    ) -> Result<()> {
        let before = findings.differing;
        if request.rebuild {
            let again =
                Again::compute(&request.run, asked, rules.clone(), &request.temp, request.memory_limit, progress)?;
            self.rebuilt = Some(rebuilt::compare(&request.run, recorded, &again, findings, progress)?);
        }
        rebuilt::page(&request.run, findings, progress)?;
        if request.rebuild && findings.differing > before {
            self.not_derived = Some("the run computed again differs already".to_owned());
            return Ok(());
        }
        let dir = Path::new(&asked.snapshot);
        let (origin, mut book) = Origin::read(dir, asked, rules, request, progress)?;
        // Accounts first: a count that differs may only follow from one of them.
        if request.sample == Sample::Accounts(0) {
            self.not_derived = Some("not asked for".to_owned());
        } else if results::has_result(&request.run, "accounts")? {
            self.derived = Some(sample::check(request, &origin, &mut book, findings, progress)?);
        } else {
            self.not_derived = Some("the stress kept no table `accounts`; with detail `all` it does".to_owned());
        }
        self.count(request, recorded, Some(&origin), findings, progress)
    }

    fn count(
        &mut self,
        request: &VerifyRequest,
        recorded: &Recorded,
        origin: Option<&Origin>,
        findings: &mut Findings,
        progress: &dyn Progress,
    ) -> Result<()> {
        let before = findings.compared;
        counts::check(&request.run, recorded, origin, findings, progress)?;
        self.counts = findings.compared - before;
        Ok(())
    }
}

fn underivable(manifest: &Path, absent: &str, dir: &Path) -> Error {
    let manifest = manifest.display();
    let (why, remedy) = if Path::new(absent).is_absolute() || is_url(Path::new(absent)) {
        let why = format!("the scenarios came from `{absent}`, which is not there: what came out of a pipe is gone");
        (why, "scenarios in a file can be read again")
    } else {
        let why = format!("the input `{absent}` is not in `{}`", dir.display());
        (why, "--snapshot DIR names the snapshot where it is now")
    };
    Error::Usage(format!("no account of `{manifest}` can be derived again: {why}"))
        .hint(format!("{remedy}; --sample 0 checks hashes and counts only"))
}
