//! Runs on a disk that fails: every operation in turn, in every way, must leave the old state or the whole new one.

use super::*;
use crate::generate::{GenerateRequest, generate};
use crate::progress::Silent;
use crate::publish::recorded::Recorded;
use crate::publish::{FailureMode, Fault, Op};
use crate::source::Format;
use crate::{rules, verify};
use std::collections::BTreeMap;
use std::fs;

type Files = BTreeMap<String, Vec<u8>>;

/// The bytes of every file of a folder but the manifest, which names times; `None` if there is no folder.
fn content(folder: &Path) -> Option<Files> {
    let mut files = Files::new();
    for entry in fs::read_dir(folder).ok()? {
        let path = entry.unwrap().path();
        files.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap());
    }
    let manifest = files.remove("manifest.json");
    assert!(manifest.is_some(), "{} has no manifest", folder.display());
    let recorded = Recorded::of_run(folder).unwrap();
    let named: Vec<&str> = recorded.outputs.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(named.len(), files.len(), "{named:?}");
    for file in &recorded.outputs {
        assert_eq!(blake3::hash(&files[&file.path]).to_hex().as_str(), file.blake3, "{}", file.path);
    }
    Some(files)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A small book, a place to run to, and what stands there before and after a run.
struct Trial {
    root: tempfile::TempDir,
    format: Format,
    old: Files,
    new: Files,
}

impl Trial {
    fn new(format: Format) -> Self {
        let root = tempfile::tempdir().unwrap();
        let request = GenerateRequest {
            accounts: 8,
            positions_per_account: 3.0,
            seed: 5,
            out: root.path().join("book"),
            format: Format::Parquet,
            force: false,
        };
        generate(&request, &Silent).unwrap();
        let mut trial = Self { root, format, old: Files::new(), new: Files::new() };
        let old = trial.request("old", &["risk_unit=merged"]);
        run(&old, &Silent).unwrap();
        trial.old = content(&old.output.dir).unwrap();
        let new = trial.request("new", &[]);
        run(&new, &Silent).unwrap();
        trial.new = content(&new.output.dir).unwrap();
        assert_ne!(trial.old, trial.new);
        trial
    }

    fn request(&self, out: &str, set: &[&str]) -> RunRequest {
        let set: Vec<String> = set.iter().map(ToString::to_string).collect();
        let output = OutputRequest::new(self.root.path().join(out)).with_format(self.format).with_force(true);
        RunRequest::new(self.root.path().join("book"), output, rules::load(None, &set).unwrap())
            .with_distance(crate::request::DistanceScope::AtRisk)
    }

    fn place(&self) -> PathBuf {
        self.root.path().join("place")
    }

    /// Runs to `place/deep/out`, over an old run if there is one.
    fn run(
        &self,
        over_old: bool,
        fails: Option<(usize, FailureMode)>,
        exchange: bool,
    ) -> (Result<RunOutcome>, Vec<(Op, PathBuf)>) {
        let deep = self.place().join("deep");
        if over_old {
            fs::create_dir_all(deep.join("out")).unwrap();
            let old = self.root.path().join("old");
            for name in names(&old) {
                fs::copy(old.join(&name), deep.join("out").join(&name)).unwrap();
            }
        } else {
            fs::create_dir_all(self.place()).unwrap();
        }
        let fault = Fault::below(&self.place(), fails, exchange);
        let outcome = run(&self.request("place/deep/out", &[]), &Silent);
        (outcome, fault.seen())
    }

    fn out(&self) -> PathBuf {
        self.place().join("deep/out")
    }

    /// Every operation of a run fails once in this way.
    fn every_operation(&self, over_old: bool, how: FailureMode, exchange: bool) {
        let (outcome, all) = self.run(over_old, None, exchange);
        outcome.unwrap();
        assert_eq!(content(&self.out()).as_ref(), Some(&self.new));
        fs::remove_dir_all(self.place()).unwrap();
        assert!(all.len() > 30, "{}", all.len());
        let mut failures = 0;
        for number in 0..all.len() {
            let (outcome, seen) = self.run(over_old, Some((number, how)), exchange);
            let (op, path) = &seen[number];
            let what = format!("{op:?} of `{}`, number {number}, {how:?}, over old: {over_old}", path.display());
            let failed = outcome.is_err();
            failures += usize::from(failed);
            let keeps_old = *op == Op::SyncDir && *path == self.place().join("deep");
            self.check_state(&outcome, over_old, how, exchange, &what);
            // One failed operation does not keep the rest from being cleared away, but for an old run that is still
            // needed.
            let left = if self.place().join("deep").exists() { names(&self.place().join("deep")) } else { Vec::new() };
            if failed && how != FailureMode::Killed && !keeps_old {
                assert!(left.iter().all(|name| name == "out"), "{what}: {left:?}");
            }

            // Whatever is left, the next run is as good as any.
            run(&self.request("place/deep/out", &[]), &Silent).unwrap();
            assert_eq!(content(&self.out()).as_ref(), Some(&self.new), "{what}");
            assert_eq!(names(&self.place().join("deep")), ["out"], "{what}");
            fs::remove_dir_all(self.place()).unwrap();
        }
        assert_eq!(failures > 20, how != FailureMode::Short, "{failures} of {} failed", all.len());
    }

    fn check_state(&self, outcome: &Result<RunOutcome>, over_old: bool, how: FailureMode, exchange: bool, what: &str) {
        let deep = self.place().join("deep");
        let left: Vec<String> = if deep.exists() { names(&deep) } else { Vec::new() };
        let known = ["out", ".out.remargin-lock", ".out.remargin-partial", ".out.remargin-old"];
        assert!(left.iter().all(|name| known.contains(&name.as_str())), "{what}: {left:?}");
        let state = content(&self.out());
        match outcome {
            Ok(_) => assert_eq!(state.as_ref(), Some(&self.new), "{what}"),
            Err(error) => {
                assert_eq!(error.exit_code(), 1, "{what}: {error}");
                assert!(error.to_string().contains('`'), "{what}: {error} names no file");
                let said = if how == FailureMode::Full { "no storage space" } else { "error" };
                assert!(how == FailureMode::Killed || error.to_string().contains(said), "{what}: {error}");
            }
        }
        match state {
            Some(files) if over_old => assert!(files == self.old || files == self.new, "{what}: something else"),
            Some(files) => assert!(files == self.new, "{what}: something else"),
            // Where names cannot be changed in one step a kill may hit between two steps.
            None if over_old => {
                assert!(how == FailureMode::Killed && !exchange, "{what}: the old run is gone");
                assert_eq!(content(&deep.join(".out.remargin-old")).as_ref(), Some(&self.old), "{what}");
            }
            None => assert!(outcome.is_err(), "{what}"),
        }
        if how == FailureMode::Short {
            assert!(outcome.is_ok(), "{what}");
            assert_eq!(left, ["out"], "{what}");
        }
    }
}

#[test]
fn a_full_disk_leaves_the_old_state_or_the_new_one() {
    let trial = Trial::new(Format::Parquet);
    trial.every_operation(false, FailureMode::Full, true);
    trial.every_operation(true, FailureMode::Full, true);
}

#[test]
fn a_broken_disk_leaves_the_old_state_or_the_new_one() {
    let trial = Trial::new(Format::Arrow);
    trial.every_operation(true, FailureMode::Broken, true);
    trial.every_operation(true, FailureMode::Broken, false);
}

#[test]
fn short_writes_change_nothing() {
    Trial::new(Format::Csv).every_operation(false, FailureMode::Short, true);
}

#[test]
fn a_run_that_is_killed_leaves_the_old_state_or_the_new_one() {
    let trial = Trial::new(Format::Parquet);
    trial.every_operation(false, FailureMode::Killed, true);
    trial.every_operation(true, FailureMode::Killed, true);
    trial.every_operation(true, FailureMode::Killed, false);
}

/// Bytes first, then the folder, then the name, then the folder that holds the name; only then the old run goes.
#[test]
fn everything_is_on_the_medium_before_it_has_its_name() {
    let trial = Trial::new(Format::Parquet);
    let (outcome, seen) = trial.run(true, None, true);
    outcome.unwrap();
    let place = |wanted: Op, path: &Path| seen.iter().rposition(|(op, found)| *op == wanted && found == path);
    let deep = trial.place().join("deep");
    let building = deep.join(".out.remargin-partial");
    let renamed = place(Op::Rename, &building).unwrap();
    let folder_synced = place(Op::SyncDir, &building).unwrap();
    assert!(folder_synced < renamed);
    let created: Vec<&PathBuf> = seen
        .iter()
        .filter(|(op, path)| *op == Op::Create && path.starts_with(&building))
        .map(|(_, path)| path)
        .collect();
    assert_eq!(created.len(), trial.new.len() + 1, "{created:?}");
    for path in created {
        let synced = place(Op::Sync, path).unwrap();
        assert!(place(Op::Write, path).unwrap() < synced && synced < folder_synced, "{}", path.display());
    }
    let parent_synced = place(Op::SyncDir, &deep).unwrap();
    assert!(renamed < parent_synced && parent_synced < place(Op::Remove, &building).unwrap());
}

/// What the tests above call a whole state is one that `verify` accepts.
#[test]
fn verify_accepts_what_a_faultless_run_left() {
    let trial = Trial::new(Format::Csv);
    let new = trial.root.path().join("new");
    let request = verify::VerifyRequest { sample: verify::Sample::All, ..verify::VerifyRequest::new(new) };
    let found = verify::verify(&request, &Silent).unwrap();
    assert!(found.agrees(), "{}", found.to_text());
    assert_eq!(found.derived.unwrap().accounts, 8);
}
