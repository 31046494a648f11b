//! Reads the tree and holds it to the rules of the house: who may use what, who may touch files, which folders know
//! each other, how long a file may be, what documents may say. Each check is a function over text, tried on planted
//! violations.

mod bans;
mod circles;
mod documents;
mod reading;
mod text;

use reading::{blank, without_tests};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A breach: where, and of which rule.
#[derive(Debug, PartialEq)]
struct Breach {
    file: String,
    line: usize,
    rule: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.rule)
    }
}

/// A source file: its path from the root with `/`, its text, and its code without comments, literals and tests.
struct Source {
    path: String,
    text: String,
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let code = without_tests(&blank(text));
        Self { path: path.to_owned(), text: text.to_owned(), code }
    }

    fn is_in(&self, modules: &[&str]) -> bool {
        modules.iter().any(|module| {
            let folder = format!("src/{module}/");
            self.path.starts_with(&folder) || self.path == format!("src/{module}.rs")
        })
    }

    /// Test helpers live in files of their own where a module has many tests.
    fn is_test_code(&self) -> bool {
        ["tests/", "benches/"].iter().any(|folder| self.path.starts_with(folder))
            || ["tests.rs", "fixture.rs"].iter().any(|name| self.path.ends_with(name))
    }

    fn breach(&self, line: usize, rule: impl Into<String>) -> Breach {
        Breach { file: self.path.clone(), line, rule: rule.into() }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            files_below(&entry, extension, found);
        } else if entry.extension().is_some_and(|found| found == extension) {
            found.push(entry);
        }
    }
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches"] {
        files_below(&root().join(folder), "rs", &mut files);
    }
    assert!(files.len() > 20, "the source tree is not where this test looks: {files:?}");
    let relative = |file: &Path| file.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
    files.iter().map(|file| Source::new(&relative(file), &fs::read_to_string(file).unwrap())).collect()
}

fn assert_clean(breaches: &[Breach]) {
    let list: Vec<String> = breaches.iter().map(ToString::to_string).collect();
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), list.join("\n"));
}
