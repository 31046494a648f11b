//! The identity of a run: one hash that says what was computed, the same on every machine.
//!
//! Equal identities mean equal requests: the same version, rules, inputs and flags that a byte of an output depends on.
//! Paths, times, threads and memory limits are not part of it.

use crate::rules::Mark;
use crate::store::is_url;
use crate::{Error, Result};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;

/// What the identity of a run is made of.
pub(crate) struct Parts<'a> {
    /// Version of the program.
    pub remargin: &'a str,
    /// Valuation time.
    pub as_of: &'a str,
    /// Name and hash of the rules.
    pub rules: [&'a str; 2],
    /// Every value of the rules: its key, its text, its mark. Where it comes from may be a path.
    pub values: Vec<(&'a str, &'a str, Option<&'a Mark>)>,
    /// What was asked for, as the manifest has it.
    pub request: Value,
    /// The files that were read: path, size, hash.
    pub inputs: Vec<(&'a str, u64, &'a str)>,
}

/// A request as [`Parts`] take it.
///
/// # Errors
/// [`Error::Runtime`] if the library fails.
pub(crate) fn asked(request: &impl Serialize) -> Result<Value> {
    serde_json::to_value(request).map_err(|err| Error::Runtime(format!("cannot form the identity of the run: {err}")))
}

/// What stands for the path of a file outside the snapshot.
const OUTSIDE: &str = "outside the snapshot";

impl Parts<'_> {
    /// The identity, 64 hexadecimal digits: BLAKE3 of a JSON text without blanks. Inputs are taken in byte order of
    /// their names, whatever the order in which they were read.
    pub(crate) fn identity(&self) -> String {
        let mut request = self.request.clone();
        if let Some(fields) = request.as_object_mut() {
            fields.remove("snapshot");
            let shocks = fields.get("shocks").is_some_and(Value::is_string);
            fields.insert("shocks".to_owned(), shocks.into());
            if let Some(previous) = fields.get_mut("previous").and_then(Value::as_object_mut) {
                previous.remove("run");
            }
        }
        let mut inputs: Vec<_> = self.inputs.iter().map(|&(path, bytes, hash)| (place(path), bytes, hash)).collect();
        inputs.sort();
        let text = json!({
            "remargin": self.remargin,
            "as_of": self.as_of,
            "rules": self.rules,
            "values": self.values,
            "request": request,
            "inputs": inputs,
        });
        blake3::hash(text.to_string().as_bytes()).to_hex().to_string()
    }
}

/// The path of an input below the snapshot, with `/` between its names on every system.
fn place(path: &str) -> String {
    if Path::new(path).is_absolute() || path.starts_with('/') || is_url(Path::new(path)) {
        return OUTSIDE.to_owned();
    }
    path.replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(change: impl Fn(&mut Value)) -> Value {
        let mut request = json!({
            "snapshot": "/a/book", "shocks": null, "format": "parquet", "distance": "none", "allow_rules_date": false,
        });
        change(&mut request);
        request
    }

    fn of(request: &Value, inputs: Vec<(&str, u64, &str)>) -> String {
        let (rules, values, request) = (["set", "ab"], vec![("mr4.rate", "0.1", None)], request.clone());
        Parts { remargin: "1.0.0", as_of: "2026-01-15T08:00:00Z", rules, values, request, inputs }.identity()
    }

    #[test]
    fn paths_do_not_count_and_all_else_does() {
        let inputs = || vec![("marks.csv", 7, "aa"), ("positions.csv", 9, "bb")];
        let plain = of(&request(|_| ()), inputs());
        assert_eq!(plain.len(), 64);
        assert_eq!(of(&request(|to| to["snapshot"] = json!("/b/moved")), inputs()), plain);
        let turned = vec![("positions.csv", 9, "bb"), ("marks.csv", 7, "aa")];
        assert_eq!(of(&request(|_| ()), turned), plain);
        for change in [
            ("format", json!("csv")),
            ("distance", json!("all")),
            ("allow_rules_date", json!(true)),
            ("report", json!(true)),
            ("label", json!("desk B")),
            ("shocks", json!("/a/shocks.csv")),
        ] {
            assert_ne!(of(&request(|to| to[change.0] = change.1.clone()), inputs()), plain, "{}", change.0);
        }
        let earlier = |run: &str, identity: &str| {
            let part = json!({"run": run, "identity": identity});
            of(&request(|to| to["previous"] = part.clone()), inputs())
        };
        assert_ne!(earlier("/a", "11"), plain);
        assert_eq!(earlier("/a", "11"), earlier("/b", "11"));
        assert_ne!(earlier("/a", "11"), earlier("/a", "22"));
        for other in [("marks.csv", 8, "aa"), ("marks.csv", 7, "ab"), ("marks.parquet", 7, "aa")] {
            assert_ne!(of(&request(|_| ()), vec![other, ("positions.csv", 9, "bb")]), plain, "{other:?}");
        }
        let at_url = vec![("s3://a/marks.csv", 7, "aa"), ("positions.csv", 9, "bb")];
        assert_eq!(
            of(&request(|_| ()), at_url),
            of(&request(|_| ()), vec![("/b/x", 7, "aa"), ("positions.csv", 9, "bb")])
        );
        // Scenarios from two places, with the same bytes.
        let shocked = |path: &'static str| {
            of(&request(|to| to["shocks"] = json!(path)), [inputs(), vec![(path, 5, "cc")]].concat())
        };
        assert_eq!(shocked("/a/shocks.csv"), shocked("/elsewhere/moves.csv"));
    }
}
