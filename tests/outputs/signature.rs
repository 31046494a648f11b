//! `remargin sign` and `remargin verify --pubkey`.

use crate::common::e2e::{entries, generate, json, remargin, succeeds};
use serde_json::{Value, json};
use std::fs;

#[test]
fn a_signed_run_verifies_until_anything_changes() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 12, 3.0, 5, "csv");
    succeeds(dir, &["run", "snapshot", "--out", "out", "--quiet"]);
    succeeds(dir, &["sign", "--generate-key", "risk.key", "--quiet"]);
    succeeds(dir, &["sign", "--generate-key", "other.key", "--quiet"]);
    let verified = |key: &str, code: i32| -> Value {
        let outcome = remargin(dir, &["verify", "out", "--pubkey", key, "--format", "json"]);
        assert_eq!(outcome.code, Some(code), "{}{}", outcome.stdout, outcome.stderr);
        serde_json::from_str(&outcome.stdout).unwrap()
    };
    let found = verified("risk.key.pub", 1);
    assert_eq!(found["differences"][0]["column"], "signature");
    assert!(found["differences"][0]["found"].as_str().unwrap().contains("no signature"), "{found:#}");

    succeeds(dir, &["sign", "out", "--key", "risk.key"]);
    let found = verified("risk.key.pub", 0);
    assert_eq!(found["signature"]["problem"], Value::Null);
    assert_eq!(found["outputs"]["not_named"], json!([]));
    assert!(succeeds(dir, &["verify", "out"]).stdout.ends_with("agrees\n"), "the signature is no foreign file");
    let key = fs::read_to_string(dir.join("risk.key.pub")).unwrap().lines().nth(1).unwrap().to_owned();
    let text = succeeds(dir, &["verify", "out", "-P", &key, "--sample", "0"]).stdout;
    assert!(text.contains(&format!("signature  by {key}")), "{text}");
    let found = verified("other.key.pub", 1);
    assert!(found["signature"]["problem"].as_str().unwrap().contains("another key"), "{found:#}");

    // What nothing can derive again: the signature alone covers it.
    let file = dir.join("out/manifest.json");
    let bytes = fs::read(&file).unwrap();
    for (pointer, value) in
        [("/command_line", json!(["run"])), ("/threads", json!(77)), ("/timings_seconds/read", json!(0))]
    {
        let mut manifest = json(&file);
        *manifest.pointer_mut(pointer).unwrap() = value;
        fs::write(&file, manifest.to_string()).unwrap();
        succeeds(dir, &["verify", "out"]);
        let found = verified("risk.key.pub", 1);
        assert_eq!(found["differing"], 1, "{found:#}");
        assert!(found["signature"]["problem"].as_str().unwrap().contains("not what was signed"), "{found:#}");
        fs::write(&file, &bytes).unwrap();
    }
    verified("risk.key.pub", 0);

    // Nobody vouches for what the run did not write.
    let table = dir.join("out/at_risk.csv");
    let text = fs::read(&table).unwrap();
    for changed in [Some("account_id\n"), None] {
        match changed {
            Some(text) => fs::write(&table, text).unwrap(),
            None => fs::remove_file(&table).unwrap(),
        }
        let refused = remargin(dir, &["sign", "out", "--key", "risk.key"]);
        assert_eq!(refused.code, Some(3), "{}", refused.stderr);
        assert!(refused.stderr.contains("at_risk.csv"), "{}", refused.stderr);
    }
    fs::write(&table, text).unwrap();

    // `--force` replaces a signed run: its signature is one of its own files.
    succeeds(dir, &["run", "snapshot", "--out", "out", "--force", "--quiet"]);
    assert!(!entries(&dir.join("out")).contains(&"manifest.json.minisig".to_owned()));
}

#[test]
fn what_cannot_sign_says_why() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    succeeds(dir, &["sign", "--generate-key", "risk.key", "--quiet"]);
    fs::create_dir(dir.join("empty")).unwrap();
    fs::write(dir.join("odd.key"), "no key\n").unwrap();
    for (args, code, says) in [
        (&["sign", "empty", "--key", "risk.key"] as &[&str], 3, "manifest.json"),
        (&["sign", "empty", "--key", "odd.key"], 3, "manifest.json"),
        (&["sign", "empty"], 2, "--key"),
        (&["sign", "--key", "risk.key"], 2, "DIR"),
        (&["sign", "--generate-key", "risk.key"], 1, "risk.key"),
        (&["verify", "empty", "--pubkey", "absent.pub"], 3, "absent.pub"),
        (&["verify", "empty", "-P", "RWQnot"], 3, "public key"),
    ] {
        let outcome = remargin(dir, args);
        assert_eq!(outcome.code, Some(code), "{args:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(says), "{args:?}: {}", outcome.stderr);
    }
    assert_eq!(entries(&dir.join("empty")), [] as [&str; 0]);
}

#[cfg(unix)]
#[test]
fn a_secret_key_that_others_may_read_is_said() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 5, 2.0, 5, "csv");
    succeeds(dir, &["run", "snapshot", "--out", "out", "--quiet", "--no-report"]);
    succeeds(dir, &["sign", "--generate-key", "risk.key", "--quiet"]);
    for (mode, is_said) in [(0o600, false), (0o400, false), (0o644, true), (0o620, true)] {
        fs::set_permissions(dir.join("risk.key"), fs::Permissions::from_mode(mode)).unwrap();
        let said = succeeds(dir, &["sign", "out", "--key", "risk.key"]).stderr;
        assert_eq!(said.contains("others than its owner can read the secret key"), is_said, "{mode:o}: {said}");
    }
}
