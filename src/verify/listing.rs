//! Which files an output folder holds: those that its command always writes, and no others.

use super::{Difference, Findings};
use crate::page::REPORT;
use crate::publish::recorded::{Recorded, Request};
use crate::publish::{MANIFEST, SIGNATURE};
use crate::request::DistanceScope;
use crate::source::Format;
use crate::stress::{Detail, Distributed};
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::path::Path;

/// Files beside the outputs that are not in the manifest: itself, its signature, and the page of `remargin report`.
const BESIDE: [&str; 3] = [MANIFEST, SIGNATURE, REPORT];

/// The files that a run or a stress writes if it was asked for this.
pub(super) fn written(request: &Request) -> Result<BTreeSet<String>> {
    let table = |name: &str| format!("{name}.{}", request.format.extension());
    let at_risk = if request.format == Format::Arrow { "at_risk.arrow" } else { "at_risk.parquet" };
    let mut files: BTreeSet<String> = [table("rejects"), "rejects.csv".to_owned(), "summary.json".to_owned()].into();
    if let Some(stress) = &request.stress {
        files.extend(["scenarios", "migration", "largest", "hedges", "worst"].map(table));
        match stress.detail.parse()? {
            Detail::All => files.extend(["accounts", "risk_units", "at_risk"].map(table)),
            Detail::AtRisk => files.extend(["at_risk"].map(table)),
            Detail::None => {}
        }
        match stress.distribution.parse()? {
            Distributed::Accounts => files.extend(["distribution", "tail", "accounts_distribution"].map(table)),
            Distributed::Book => files.extend(["distribution", "tail"].map(table)),
            Distributed::None => {}
        }
    } else {
        files.extend(["accounts", "risk_units"].map(table));
        files.extend([at_risk.to_owned(), "at_risk.csv".to_owned()]);
    }
    if request.distance != DistanceScope::None {
        files.insert(table("distances"));
    }
    if !request.by.is_empty() {
        files.extend(["groups", "group_units", "account_groups"].map(table));
    }
    if request.net_by.is_some() {
        files.insert(table("netting"));
    }
    if request.limits.is_some() {
        files.insert(table("breaches"));
    }
    if request.report {
        files.insert(REPORT.to_owned());
    }
    Ok(files)
}

/// Compares the manifest's list with the request and with the folder. Returns the names of foreign files.
pub(super) fn check(run: &Path, recorded: &Recorded, findings: &mut Findings) -> Result<Vec<String>> {
    let listed: BTreeSet<&str> = recorded.outputs.iter().map(|file| file.path.as_str()).collect();
    let in_list = |file: &str, found: &str, expected: &str| Difference {
        file: MANIFEST.into(),
        column: "outputs".into(),
        found: format!("`{file}` {found}"),
        expected: expected.into(),
        ..Difference::default()
    };
    if listed.len() < recorded.outputs.len() {
        findings.differ(in_list("outputs", "has a name twice", "each file once"));
    }
    let summary = || BTreeSet::from(["summary.json".to_owned()]);
    let expected = recorded.request.as_ref().map_or_else(|| Ok(summary()), written)?;
    findings.compared += expected.len() as u64;
    for file in expected.iter().filter(|file| !listed.contains(file.as_str())) {
        findings.differ(in_list(file, "is not listed", "every file that such a run writes"));
    }
    if recorded.request.is_some() {
        for file in listed.iter().filter(|file| !expected.contains(**file)) {
            findings.differ(in_list(file, "is listed", "only files that such a run writes"));
        }
    }
    let mut foreign = Vec::new();
    for entry in std::fs::read_dir(run).map_err(|err| Error::io("read", run, err))? {
        let name = entry.map_err(|err| Error::io("read", run, err))?.file_name().to_string_lossy().into_owned();
        if !listed.contains(name.as_str()) && !BESIDE.contains(&name.as_str()) {
            foreign.push(name);
        }
    }
    foreign.sort();
    for name in &foreign {
        findings.differ(Difference {
            file: name.clone(),
            column: "file".into(),
            found: "a file or folder that is not in the manifest".into(),
            expected: "only what the run wrote; move it elsewhere".into(),
            ..Difference::default()
        });
    }
    Ok(foreign)
}
