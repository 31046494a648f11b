//! A snapshot to fill in.

use crate::common::e2e::{remargin, succeeds};

/// What is written is a valid snapshot: every row of every table is used, every account margined, and nothing is
/// written over what is there.
#[test]
fn a_snapshot_to_fill_in_can_be_margined_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    succeeds(dir, &["init", "book"]);
    let answer = succeeds(dir, &["check", "book", "--format", "json"]).stdout;
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let tables = answer["tables"].as_array().unwrap();
    assert_eq!(tables.len(), 8);
    for table in tables {
        assert!(table["rows_in"].as_u64() > Some(1) && table["rows_in"] == table["rows_used"], "{table}");
    }
    assert_eq!(answer["accounts"], 2);
    let run = succeeds(dir, &["run", "book", "-o", "run", "--summary", "json"]);
    let summary: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&summary["accounts"]["margined"], &summary["accounts"]["by_status"]["healthy"]),
        (&2.into(), &2.into())
    );
    let stress = succeeds(dir, &["stress", "book", "-o", "stress"]);
    assert!(stress.stderr.contains("2 accounts in 3 scenarios"), "{}", stress.stderr);
    let again = remargin(dir, &["init", "book"]);
    assert!(again.code == Some(2) && again.stderr.contains("book"), "{again:?}");
}
