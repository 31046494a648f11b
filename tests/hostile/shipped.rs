//! The test data that the arrow, parquet and csv crates ship, as every table of a snapshot.

use crate::common::folder::{Folder, TABLES};
use crate::{Outcome, assert_quiet, judge, prepare};
use std::fs;
use std::path::{Path, PathBuf};

/// Files of these kinds in the sources of these crates, wherever cargo has put them.
fn shipped() -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo"))).unwrap_or_default();
    let mut files = Vec::new();
    for registry in fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten() {
        for package in fs::read_dir(registry.path()).into_iter().flatten().flatten() {
            let name = package.file_name().to_string_lossy().into_owned();
            if ["arrow-", "parquet-", "csv-"].iter().any(|crate_name| name.starts_with(crate_name)) {
                gather(&package.path(), &mut files);
            }
        }
    }
    files.sort();
    files
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, files);
        } else if ["parquet", "arrow", "csv"].iter().any(|kind| path.extension().is_some_and(|found| found == *kind)) {
            files.push(path);
        }
    }
}

#[test]
fn test_data_of_the_crates_is_refused() {
    prepare();
    let files = shipped();
    println!("{} files", files.len());
    for file in &files {
        for (table, _) in TABLES {
            let folder = Folder::new();
            let kind = file.extension().unwrap().to_string_lossy();
            folder.remove(&format!("{table}.csv"));
            fs::copy(file, folder.path().join(format!("{table}.{kind}"))).unwrap();
            match judge(&format!("{} as {table}", file.display()), || folder.load()) {
                Outcome::Refused(problem) => assert!(problem.contains(table), "{}: {problem}", file.display()),
                Outcome::Loaded(_) => panic!("{} was taken for {table}", file.display()),
            }
        }
    }
    assert_quiet();
}
