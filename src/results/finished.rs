//! The manifest of a finished run, and the unmargined accounts of its summary.

use crate::error::Remedy;
use crate::snapshot::{Expectations, InputFile, Table};
use crate::source::{self, LARGEST_JSON};
use crate::{Invalid, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A finished run, from its manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedRun {
    /// Folder of the run.
    pub dir: PathBuf,
    /// Version of the program that wrote it.
    pub version: String,
    /// Valuation time, RFC 3339 in UTC.
    pub as_of: String,
    /// Folder of the snapshot, as given on the command line of the run.
    pub snapshot: PathBuf,
    /// Name of the rules.
    pub rules_name: String,
    /// Hash of the rules.
    pub rules_hash: String,
    /// Every parameter as a line of TOML, in order.
    pub rules_text: String,
    /// The input files.
    pub inputs: Vec<InputFile>,
    /// The unmargined accounts in byte order, each with the code of its reason.
    pub unmargined: BTreeMap<String, String>,
    /// What its snapshot was held to.
    pub expectations: Expectations,
    /// How its accounts are put together; empty if not at all.
    pub by: Vec<String>,
}

#[derive(Deserialize)]
struct Manifest {
    remargin: String,
    as_of: String,
    snapshot: PathBuf,
    rules: Rules,
    inputs: Vec<Input>,
    #[serde(default)]
    request: Option<Request>,
}

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    expectations: Expectations,
    #[serde(default)]
    by: Vec<String>,
}

#[derive(Deserialize)]
struct Rules {
    name: String,
    hash: String,
    values: Vec<Value>,
}

#[derive(Deserialize)]
struct Value {
    key: String,
    value: String,
}

#[derive(Deserialize)]
struct Input {
    path: PathBuf,
    bytes: u64,
    rows: Option<u64>,
    blake3: String,
}

#[derive(Deserialize)]
struct Summary {
    unmargined: Vec<Account>,
}

#[derive(Deserialize)]
struct Account {
    account_id: String,
    reason: String,
}

/// Reads the manifest and summary of the run in the folder `dir`.
///
/// # Errors
/// [`crate::Error::Invalid`] if `dir` is not a finished run, or its manifest or summary cannot be read.
pub fn read_finished(dir: &Path) -> Result<FinishedRun> {
    let manifest: Manifest = read(dir, "manifest.json")?;
    let summary: Summary = read(dir, "summary.json")?;
    let line = |Value { key, value }: &Value| format!("{key} = {value}\n");
    let input = |Input { path, bytes, rows, blake3 }| InputFile { path, bytes, rows, blake3 };
    let Request { expectations, by } =
        manifest.request.unwrap_or_else(|| Request { expectations: Expectations::NONE, by: Vec::new() });
    Ok(FinishedRun {
        dir: dir.to_path_buf(),
        version: manifest.remargin,
        as_of: manifest.as_of,
        snapshot: manifest.snapshot,
        rules_name: manifest.rules.name,
        rules_hash: manifest.rules.hash,
        rules_text: manifest.rules.values.iter().map(line).collect(),
        inputs: manifest.inputs.into_iter().map(input).collect(),
        expectations,
        by,
        unmargined: summary.unmargined.into_iter().map(|account| (account.account_id, account.reason)).collect(),
    })
}

fn read<T: DeserializeOwned>(dir: &Path, name: &str) -> Result<T> {
    let file = dir.join(name);
    let expected = "the folder of a finished `remargin run`";
    let Some(bytes) = source::read_if_there(&file, LARGEST_JSON)? else {
        return Err(Invalid::new(format!("the run has no `{name}`")).file(dir).expected(expected).into());
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        Invalid::new(format!("not the `{name}` of a run: {error}")).file(&file).expected(expected).into()
    })
}

impl FinishedRun {
    /// The current folder of the run's snapshot: `moved_to` if given, else the path recorded in the run, relative to
    /// the working folder or to the folder that contains the run.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] if it does not exist.
    pub fn find_snapshot(&self, moved_to: Option<&Path>) -> Result<PathBuf> {
        let beside = self.dir.parent().map(|parent| parent.join(&self.snapshot));
        let named = [Some(self.snapshot.clone()), beside];
        let candidates = match moved_to {
            Some(place) => vec![place.to_path_buf()],
            None => named.into_iter().flatten().collect(),
        };
        for place in &candidates {
            if source::is_file(&place.join(crate::snapshot::MANIFEST))? {
                return Ok(place.clone());
            }
        }
        Err(Invalid::new(format!("the snapshot of the run `{}` does not exist any more", self.dir.display()))
            .file(moved_to.unwrap_or(&self.snapshot))
            .expected("the snapshot folder of the run, with its `snapshot.toml`")
            .remedy(Remedy::SnapshotsMoved)
            .into())
    }

    /// Checks that a snapshot is byte for byte the one of the run.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] with the first file that has changed, is new or is missing.
    pub fn check_inputs(&self, dir: &Path, inputs: &[InputFile]) -> Result<()> {
        let problem = |what: &str, file: &Path| {
            Invalid::new(format!("{what} since the run `{}` was made", self.dir.display())).file(dir.join(file))
        };
        for now in inputs {
            let Some(then) = self.inputs.iter().find(|input| input.path == now.path) else {
                return Err(problem("a file of the snapshot is new", &now.path).value(now.blake3.as_str()).into());
            };
            if then.blake3 != now.blake3 {
                let changed = problem("a file of the snapshot has changed", &now.path);
                return Err(changed.value(now.blake3.as_str()).expected(format!("BLAKE3 {}", then.blake3)).into());
            }
        }
        // A run may also have read scenarios. The base case does not depend on them.
        let of_snapshot = |path: &Path| {
            let first = path.iter().next().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let stem = first.split('.').next().unwrap_or_default();
            let tables = Table::ALL.map(Table::name);
            path.is_relative() && (tables.contains(&stem) || ["snapshot", "orders"].contains(&stem))
        };
        let is_missing =
            |input: &&InputFile| of_snapshot(&input.path) && !inputs.iter().any(|now| now.path == input.path);
        match self.inputs.iter().find(is_missing) {
            Some(input) => Err(problem("a file of the snapshot is missing", &input.path).into()),
            None => Ok(()),
        }
    }
}
