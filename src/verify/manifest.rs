//! What a manifest says of itself: of which kind of work it is, and what it says twice.

use super::Findings;
use crate::book::Grouping;
use crate::cells::text::in_a_line;
use crate::publish::MANIFEST;
use crate::publish::recorded::{Recorded, Request};
use crate::stress::{Axis, Detail, Distributed, Preset};
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
    check_words(&request, manifest)?;
    Ok((recorded, request))
}

/// Refuses words of the request that no command line could have had.
///
/// # Errors
/// [`Error::Invalid`] with the manifest and the key.
fn check_words(request: &Request, manifest: &Path) -> Result<()> {
    let word = |key: String, text: &str, read: fn(&str) -> Result<()>| {
        read(text).map_err(|error| {
            let said = error.to_string();
            let problem = said.lines().next().unwrap_or("it cannot be read").to_owned();
            let invalid = Invalid::new(problem).file(manifest).column(format!("request.{key}")).value(in_a_line(text));
            Error::from(invalid.expected("what a run or a stress writes there"))
        })
    };
    let many = |key: &str, texts: &[String], read: fn(&str) -> Result<()>| {
        texts.iter().enumerate().try_for_each(|(place, text)| word(format!("{key}[{place}]"), text, read))
    };
    many("by", &request.by, |text| text.parse::<Grouping>().map(drop))?;
    if let Some(by) = &request.net_by {
        word("net_by".to_owned(), by, |text| text.parse::<Grouping>().map(drop))?;
    }
    let Some(stress) = &request.stress else { return Ok(()) };
    word("stress.detail".to_owned(), &stress.detail, |text| text.parse::<Detail>().map(drop))?;
    word("stress.distribution".to_owned(), &stress.distribution, |text| text.parse::<Distributed>().map(drop))?;
    many("stress.grid", &stress.grid, |text| text.parse::<Axis>().map(drop))?;
    many("stress.presets", &stress.presets, |text| text.parse::<Preset>().map(drop))
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

    #[test]
    fn words_that_nobody_could_have_asked_for_are_named() {
        let stress = |key: &str, word: serde_json::Value| {
            let mut stress = json!({
                "detail": "all", "distribution": "book", "grid": ["BTC=-10%..10%/5%"], "scenarios": [], "presets": [],
            });
            stress[key] = word;
            json!({ "stress": stress })
        };
        for (part, key, words) in [
            (stress("detail", json!("some")), Some("request.stress.detail"), "no detail `some`"),
            (stress("distribution", json!("")), Some("request.stress.distribution"), "no distribution"),
            (stress("grid", json!(["BTC=1%", "BTC"])), Some("request.stress.grid[1]"), "cannot read the scenario"),
            (stress("presets", json!(["crash"])), Some("request.stress.presets[0]"), "no preset `crash`"),
            (json!({ "by": ["desk", "desk,"] }), Some("request.by[1]"), "names no attributes"),
            (json!({ "net_by": "account_id" }), Some("request.net_by"), "cannot be grouped"),
            (stress("detail", json!("none")), None, ""),
        ] {
            let mut request = json!({
                "snapshot": "book", "shocks": null, "format": "csv", "distance": "none", "allow_rules_date": false,
            });
            request.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
            let request: Request = serde_json::from_value(request).unwrap();
            match (check_words(&request, Path::new("out/manifest.json")), key) {
                (Ok(()), None) => {}
                (Err(Error::Invalid(invalid)), Some(key)) => {
                    assert_eq!(invalid.column.as_deref(), Some(key));
                    assert_eq!(invalid.file.as_deref(), Some(Path::new("out/manifest.json")));
                    assert!(invalid.problem.contains(words), "{words}: {invalid}");
                }
                (other, _) => panic!("{part}: {other:?}"),
            }
        }
    }

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
