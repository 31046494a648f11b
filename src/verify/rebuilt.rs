//! Every output of a run, compared with the same output computed again.

use super::again::Again;
use super::replay::first_difference;
use super::{Difference, Findings, cells};
use crate::page::REPORT;
use crate::progress::Progress;
use crate::publish::MANIFEST;
use crate::publish::recorded::{Recorded, RecordedFile};
use crate::results::hash_file;
use crate::source::{self, LARGEST_JSON};
use crate::{Error, Invalid, Result, report};
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

/// Outputs that were computed again by the program that runs now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// Outputs of the run, the manifest aside.
    pub outputs: u64,
    /// Outputs that have the same bytes.
    pub same: u64,
    /// Version of this program. Only the version that wrote a run is sure to write the same bytes.
    pub remargin: String,
    /// Folder of the earlier run that is not there any more, or is another now: what the run says of it is taken over,
    /// and not compared. Null if it was compared again, or there was none.
    pub taken_over: Option<String>,
}

/// Compares all outputs of the run in `run`, whose hashes agree with `recorded`, and what its manifest says of them.
pub(super) fn compare(
    run: &Path,
    recorded: &Recorded,
    again: &Again,
    findings: &mut Findings,
    progress: &dyn Progress,
) -> Result<Rebuilt> {
    let written = &again.written;
    let mut same = 0;
    for now in &written.outputs {
        let Some(then) = named(&recorded.outputs, &now.path) else { continue };
        let before = findings.differing;
        if now.blake3 != then.blake3 {
            output(&now.path, [&run.join(&now.path), &again.dir.join(&now.path)], findings, progress)?;
        }
        rows("outputs", then, now, findings);
        same += u64::from(findings.differing == before);
    }
    findings.equal(MANIFEST, "as_of", &recorded.as_of, &written.as_of);
    findings.equal(MANIFEST, "rules.name", &recorded.rules.name, &written.rules.name);
    findings.equal(MANIFEST, "rules.hash", &recorded.rules.hash, &written.rules.hash);
    inputs(recorded, written, findings);
    let previous = recorded.request.as_ref().and_then(|request| request.previous.as_ref());
    let taken_over = previous.filter(|earlier| earlier.find().is_none()).map(|earlier| earlier.run.clone());
    Ok(Rebuilt { outputs: written.outputs.len() as u64, same, remargin: written.remargin.clone(), taken_over })
}

fn named<'a>(files: &'a [RecordedFile], path: &str) -> Option<&'a RecordedFile> {
    files.iter().find(|file| file.path == path)
}

fn rows(list: &str, found: &RecordedFile, expected: &RecordedFile, findings: &mut Findings) {
    let text = |rows: Option<u64>| rows.map_or_else(|| "null".to_owned(), |rows| rows.to_string());
    findings.equal(MANIFEST, &format!("{list}.{}.rows", found.path), &text(found.rows), &text(expected.rows));
}

/// What the manifest says of the inputs.
fn inputs(recorded: &Recorded, written: &Recorded, findings: &mut Findings) {
    let difference = |path: &str, found: &str, expected: &str| Difference {
        file: MANIFEST.into(),
        column: format!("inputs.{path}"),
        found: found.into(),
        expected: expected.into(),
        ..Difference::default()
    };
    for now in &written.inputs {
        if let Some(then) = named(&recorded.inputs, &now.path) {
            rows("inputs", then, now, findings);
            findings.equal(MANIFEST, &format!("inputs.{}.bytes", now.path), &then.bytes, &now.bytes);
            findings.equal(MANIFEST, &format!("inputs.{}.blake3", now.path), &then.blake3, &now.blake3);
        } else {
            findings.differ(difference(&now.path, "not listed", "every file that such a run reads"));
        }
    }
    for then in recorded.inputs.iter().filter(|then| named(&written.inputs, &then.path).is_none()) {
        findings.differ(difference(&then.path, "listed", "only files that such a run reads"));
    }
}

/// One output whose bytes differ: by cell, by key, or else by the first byte.
fn output(name: &str, files: [&Path; 2], findings: &mut Findings, progress: &dyn Progress) -> Result<()> {
    let before = findings.differing;
    let outcome = match cells::table_of(name) {
        Some(table) => cells::compare(table, files, findings, progress),
        None if name == "summary.json" => json(name, files, findings),
        None => Ok(()),
    };
    match outcome {
        Ok(()) if findings.differing > before => {}
        Ok(()) => {
            let [found, expected] = files;
            let at = first_difference(found, expected)?;
            let at = at.map_or_else(String::new, |at| format!(", first at byte {at}"));
            findings.differ(bytes(name, &format!("other bytes{at}"), "the bytes of the output computed again"));
        }
        Err(error) => unreadable(name, error, findings)?,
    }
    Ok(())
}

fn bytes(name: &str, found: &str, expected: &str) -> Difference {
    Difference {
        file: name.into(),
        column: "file".into(),
        found: found.into(),
        expected: expected.into(),
        ..Difference::default()
    }
}

/// An output that cannot be read is a difference, not a failure.
fn unreadable(name: &str, error: Error, findings: &mut Findings) -> Result<()> {
    if !matches!(error, Error::Invalid(_)) {
        return Err(error);
    }
    let text = error.to_string();
    findings.differ(bytes(name, text.lines().next().unwrap_or("unreadable"), "a file as the run wrote it"));
    Ok(())
}

fn json(name: &str, [found, expected]: [&Path; 2], findings: &mut Findings) -> Result<()> {
    let read = |path: &Path| {
        let text = source::read(path, LARGEST_JSON)?;
        let not_json = |error| Error::from(Invalid::new(format!("not JSON: {error}")).file(path));
        serde_json::from_slice::<Value>(&text).map_err(not_json)
    };
    leaves(name, "", &read(found)?, &read(expected)?, findings);
    Ok(())
}

/// Compares two JSON values leaf by leaf. Keys in another order are no difference.
fn leaves(name: &str, key: &str, found: &Value, expected: &Value, findings: &mut Findings) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let below = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
            let keys = expected.keys().chain(found.keys().filter(|key| !expected.contains_key(*key)));
            for part in keys {
                match (found.get(part), expected.get(part)) {
                    (Some(found), Some(expected)) => leaves(name, &below(part), found, expected, findings),
                    (found, expected) => leaf(name, &below(part), found, expected, findings),
                }
            }
        }
        (Value::Array(found), Value::Array(expected)) => {
            for place in 0..found.len().max(expected.len()) {
                let key = format!("{key}[{place}]");
                match (found.get(place), expected.get(place)) {
                    (Some(found), Some(expected)) => leaves(name, &key, found, expected, findings),
                    (found, expected) => leaf(name, &key, found, expected, findings),
                }
            }
        }
        _ => leaf(name, key, Some(found), Some(expected), findings),
    }
}

fn leaf(name: &str, key: &str, found: Option<&Value>, expected: Option<&Value>, findings: &mut Findings) {
    let text = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    findings.equal(name, key, &text(found), &text(expected));
}

/// Compares the page in the folder, listed or added later by `remargin report`, with the page that the files of the run
/// give.
pub(super) fn page(run: &Path, findings: &mut Findings, progress: &dyn Progress) -> Result<()> {
    let file = run.join(REPORT);
    let Some((_, found)) = hash_file(&file, progress)? else { return Ok(()) };
    match report::page_of(run, progress) {
        Ok(page) => {
            let expected = blake3::hash(&page).to_hex().to_string();
            findings.compared += 1;
            if found != expected {
                let expected = "the page that `remargin report` makes of the files of this run";
                findings.differ(bytes(REPORT, "another page", expected));
            }
            Ok(())
        }
        Err(error) => unreadable(REPORT, error, findings),
    }
}
