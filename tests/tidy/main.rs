//! Reads the tree and holds it to the rules of the house: who may use what, who may touch files, which folders know
//! each other, how long a file may be, what documents may say. Each check is a function over text, tried on planted
//! violations.

mod bans;
mod circles;
mod documents;
mod reading;
mod text;

use reading::{blank, test_modules, without_tests};
use std::collections::BTreeSet;
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
    /// The file that declares it does so behind `#[cfg(test)]`.
    is_test: bool,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let code = without_tests(&blank(text));
        Self { path: path.to_owned(), text: text.to_owned(), code, is_test: false }
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
            || self.is_test
    }

    /// The files of the modules that it declares behind `#[cfg(test)]`.
    fn test_files(&self) -> Vec<String> {
        let folder = ["/mod.rs", "/lib.rs", "/main.rs", ".rs"].iter().find_map(|end| self.path.strip_suffix(end));
        let folder = folder.unwrap_or(&self.path);
        test_modules(&blank(&self.text)).iter().map(|name| format!("{folder}/{name}.rs")).collect()
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
    let read = |file: &PathBuf| Source::new(&relative(file), &fs::read_to_string(file).unwrap());
    mark_tests(files.iter().map(read).collect())
}

fn mark_tests(mut sources: Vec<Source>) -> Vec<Source> {
    let tests: BTreeSet<String> = sources.iter().flat_map(Source::test_files).collect();
    for source in &mut sources {
        source.is_test = tests.contains(&source.path);
    }
    sources
}

fn assert_clean(breaches: &[Breach]) {
    let list: Vec<String> = breaches.iter().map(ToString::to_string).collect();
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), list.join("\n"));
}

#[test]
fn files_of_tests_are_known() {
    // One line a case: file that declares, its text, another file, whether that is a test.
    for (path, text, other, expected) in [
        ("src/a/mod.rs", "#[cfg(test)]\nmod changes;", "src/a/changes.rs", true),
        ("src/a/mod.rs", "#[cfg(test)]\nmod other;\nmod changes;", "src/a/changes.rs", false),
        ("src/a/mod.rs", "#[cfg(test)]\nuse x::Y;\nmod changes;", "src/a/changes.rs", false),
        ("src/a/mod.rs", "// #[cfg(test)]\nmod changes;", "src/a/changes.rs", false),
        ("src/a.rs", "#[cfg(test)]\npub(crate) mod changes;", "src/a/changes.rs", true),
        ("src/lib.rs", "#[cfg(test)]\nmod changes;", "src/changes.rs", true),
        ("src/lib.rs", "#[cfg(test)]\nmod changes;", "src/a/changes.rs", false),
        ("src/a/mod.rs", "mod fixture;", "src/a/fixture.rs", true),
    ] {
        let sources = mark_tests(vec![Source::new(path, text), Source::new(other, "")]);
        assert_eq!(sources[1].is_test_code(), expected, "{path}: {text}, {other}");
    }
}
