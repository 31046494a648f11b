//! What a manifest says of itself: of which kind of work it is, and what it says twice.

use super::Findings;
use crate::publish::MANIFEST;
use crate::publish::recorded::{Recorded, Request};
use crate::{Error, Invalid, Result};
use std::path::{Component, Path, PathBuf};

const HINT: &str = "a simulation, a comparison and a partition are not computed again: `remargin sign` signs them, and \
                    `minisign -V` checks that";

/// The manifest of a run or a stress.
///
/// # Errors
/// [`Error::Invalid`] if it is none, or that of something else.
pub(super) fn read(manifest: &Path) -> Result<(Recorded, Request)> {
    let expected = "the folder of a finished run or stress";
    let recorded = Recorded::read(manifest).map_err(|error| match error {
        // A comparison and a partition have no rules of their own.
        Error::Invalid(fault) if fault.problem.starts_with("missing field") => {
            Invalid { expected: Some(expected.to_owned()), ..*fault }.hint(HINT).into()
        }
        other => other,
    })?;
    let Some(request) = recorded.request.clone() else {
        let invalid = Invalid::new("the manifest does not say what was asked for").file(manifest).column("request");
        return Err(invalid.expected(expected).hint(HINT).into());
    };
    Ok((recorded, request))
}

/// Compares what a manifest says twice.
pub(super) fn check(recorded: &Recorded, request: &Request, findings: &mut Findings) {
    if let Some(given) = &recorded.snapshot {
        // What was given may have been relative to a folder that nobody knows any more.
        let plain: PathBuf = Path::new(given).components().filter(|part| *part != Component::CurDir).collect();
        if !Path::new(&request.snapshot).ends_with(&plain) {
            findings.equal(MANIFEST, "snapshot", given, &request.snapshot);
        }
    }
    if !recorded.command_line.is_empty() {
        let given = recorded.command_line.iter().any(|word| word == "--allow-rules-date");
        findings.equal(MANIFEST, "request.allow_rules_date", &request.allow_rules_date, &given);
    }
}

/// Compares the identity with that of what else the manifest says. It follows from the rest, so it is looked at last:
/// what was changed below it is named first. Early versions wrote none.
///
/// # Errors
/// [`Error::Runtime`] if the library fails.
pub(super) fn check_identity(recorded: &Recorded, findings: &mut Findings) -> Result<()> {
    if let (Some(found), Some(expected)) = (&recorded.identity, recorded.identity_again()?) {
        findings.equal(MANIFEST, "identity", found, &expected);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn differing(snapshot: &str, asked: &str, command_line: &[&str], allowed: bool) -> Vec<String> {
        let recorded = json!({
            "remargin": "0.1.0", "command_line": command_line, "snapshot": snapshot, "as_of": "", "inputs": [],
            "outputs": [], "rules": { "name": "", "hash": "", "values": [] },
            "request": {
                "snapshot": asked, "shocks": null, "format": "csv", "distance": "none", "allow_rules_date": allowed,
            },
        });
        let recorded: Recorded = serde_json::from_value(recorded).unwrap();
        let mut findings = Findings::default();
        check(&recorded, recorded.request.as_ref().unwrap(), &mut findings);
        findings.differences.into_iter().map(|difference| difference.column).collect()
    }

    #[test]
    fn what_is_said_twice_agrees() {
        let with = ["remargin", "run", "book", "--allow-rules-date"];
        for (snapshot, asked, command_line, allowed, expected) in [
            ("book", "/data/book", &with[..3], false, None),
            ("./book/", "/data/book", &with[..3], false, None),
            (".", "/data/book", &with[..3], false, None),
            ("/data/book", "/data/book", &with[..], true, None),
            ("../book", "/data/x/../book", &[], true, None),
            ("/data/other", "/data/book", &[], false, Some("snapshot")),
            ("other", "/data/book", &[], false, Some("snapshot")),
            ("book", "/data/book", &with[..3], true, Some("request.allow_rules_date")),
            ("book", "/data/book", &with[..], false, Some("request.allow_rules_date")),
        ] {
            let found = differing(snapshot, asked, command_line, allowed);
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{snapshot} {command_line:?}");
        }
    }
}
