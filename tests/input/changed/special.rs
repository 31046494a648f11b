//! Things that are no files, in the place of files: refused with exit 3, and nothing waits for them.
#![cfg(unix)]

use super::versions::write_snapshot;
use crate::common::e2e::succeeds;
use remargin::source::Format;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Far longer than any of these commands takes.
const LONGEST: Duration = Duration::from_mins(1);

/// Exit code and stderr; a command that waits for ever fails the test.
fn ends(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let errors = dir.join("stderr");
    let mut child = Command::new(env!("CARGO_BIN_EXE_remargin"))
        .current_dir(dir)
        .args(args)
        .env_remove("REMARGIN_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&errors).unwrap())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() > LONGEST {
            child.kill().unwrap();
            panic!("{args:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    (status.code(), fs::read_to_string(errors).unwrap())
}

#[derive(Clone, Copy, Debug)]
enum Special {
    Pipe,
    Folder,
    Device,
    Loop,
}

const ALL: [Special; 4] = [Special::Pipe, Special::Folder, Special::Device, Special::Loop];

impl Special {
    fn put(self, path: &Path) {
        if path.symlink_metadata().is_ok() {
            fs::remove_file(path).unwrap();
        }
        match self {
            Self::Pipe => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
            Self::Folder => fs::create_dir(path).unwrap(),
            Self::Device => symlink("/dev/zero", path).unwrap(),
            Self::Loop => symlink(path, path).unwrap(),
        }
    }
}

fn refused(dir: &Path, args: &[&str], name: &str) {
    let (code, errors) = ends(dir, args);
    assert_eq!(code, Some(3), "{args:?}: {errors}");
    // A folder named like a Parquet file is a folder of parts.
    let words = ["not a regular file", "cannot be read", "holds no parts", "nobody writes to the pipe"];
    assert!(words.iter().any(|word| errors.contains(word)), "{args:?}: {errors}");
    assert!(errors.contains(name), "{args:?}: {errors}");
    assert!(!dir.join("out").exists(), "{args:?}");
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().to_path_buf();
    write_snapshot(&dir.join("snapshot"), Format::Csv, 0);
    (place, dir)
}

#[test]
fn in_the_folder_of_a_snapshot() {
    for special in ALL {
        for name in ["snapshot.toml", "checksums", "marks.csv", "positions.csv", "accounts.parquet", "orders.arrow"] {
            let (_place, dir) = place();
            special.put(&dir.join("snapshot").join(name));
            refused(&dir, &["check", "snapshot"], name);
            refused(&dir, &["run", "snapshot", "--out", "out"], name);
        }
        let (_place, dir) = place();
        fs::create_dir(dir.join("snapshot/accounts")).unwrap();
        special.put(&dir.join("snapshot/accounts/part.parquet"));
        refused(&dir, &["run", "snapshot", "--out", "out"], "part.parquet");
        refused(&dir, &["partition", "snapshot", "--buckets", "2", "--out", "out"], "part.parquet");
    }
}

#[test]
fn named_on_the_command_line() {
    for special in [Special::Pipe, Special::Device, Special::Loop] {
        let (_place, dir) = place();
        for name in ["rules.toml", "shocks.csv", "ops.csv", "ops.jsonl", "answer.json"] {
            special.put(&dir.join(name));
        }
        refused(&dir, &["run", "snapshot", "--rules", "rules.toml", "--out", "out"], "rules.toml");
        refused(&dir, &["run", "snapshot", "--shocks", "shocks.csv", "--out", "out"], "shocks.csv");
        refused(&dir, &["stress", "snapshot", "--shocks", "shocks.csv", "--out", "out"], "shocks.csv");
        refused(&dir, &["simulate", "snapshot", "--ops", "ops.csv", "--out", "out"], "ops.csv");
        refused(&dir, &["simulate", "snapshot", "--ops", "ops.jsonl"], "ops.jsonl");
        fs::create_dir(dir.join("answers")).unwrap();
        special.put(&dir.join("answers/account.json"));
        refused(&dir, &["import", "okx", "answers", "--out", "out"], "account.json");
    }
}

#[test]
fn in_the_folder_of_a_run() {
    for special in ALL {
        let (_place, dir) = place();
        succeeds(&dir, &["run", "snapshot", "--quiet", "--out", "first"]);
        for (name, args) in [
            ("manifest.json", &["verify", "first"] as &[&str]),
            ("manifest.json", &["replay", "first"]),
            ("summary.json", &["compare", "first", "second", "--out", "out"]),
        ] {
            let _ = fs::remove_dir_all(dir.join("second"));
            let kept = dir.join("kept");
            fs::copy(dir.join("first").join(name), &kept).unwrap();
            succeeds(&dir, &["run", "snapshot", "--quiet", "--out", "second"]);
            special.put(&dir.join("first").join(name));
            refused(&dir, args, name);
            match special {
                Special::Folder => fs::remove_dir(dir.join("first").join(name)).unwrap(),
                _ => fs::remove_file(dir.join("first").join(name)).unwrap(),
            }
            fs::rename(kept, dir.join("first").join(name)).unwrap();
        }
    }
}

#[test]
fn files_that_are_too_large_are_not_read() {
    let (_place, dir) = place();
    let large = |name: &str| fs::File::create(dir.join(name)).unwrap().set_len(2 << 30).unwrap();
    for (name, args) in [
        ("rules.toml", &["run", "snapshot", "--rules", "rules.toml", "--out", "out"] as &[&str]),
        ("shocks.csv", &["stress", "snapshot", "--shocks", "shocks.csv", "--out", "out"]),
        ("snapshot/checksums", &["run", "snapshot", "--out", "out"]),
        ("snapshot/snapshot.toml", &["run", "snapshot", "--out", "out"]),
    ] {
        large(name);
        let (code, errors) = ends(&dir, args);
        assert_eq!(code, Some(3), "{name}: {errors}");
        assert!(errors.contains("too large") && errors.contains("MiB"), "{name}: {errors}");
    }
}

#[test]
fn links_to_files_are_followed() {
    let (_place, dir) = place();
    let real = dir.join("real.csv");
    fs::rename(dir.join("snapshot/positions.csv"), &real).unwrap();
    symlink(&real, dir.join("snapshot/positions.csv")).unwrap();
    succeeds(&dir, &["run", "snapshot", "--quiet", "--out", "out"]);
    assert!(dir.join("out/manifest.json").exists());
}
