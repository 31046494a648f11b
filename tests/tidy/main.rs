//! Reads the source tree and holds it to the rules of the house: who may use what, who may touch files, how long a
//! file may be. Each check is a function over text, tried on planted violations below.

mod reading;

use reading::{below, blank, names, without_tests};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file and longest line.
const MAX_LINES: usize = 600;
const MAX_WIDTH: usize = 120;

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

// ---- the rules ----

/// A part of the tree and the names it must not use.
struct Ban {
    modules: &'static [&'static str],
    names: &'static [&'static str],
    reason: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        modules: &["margin"],
        names: &[
            "polars",
            "arrow",
            "parquet",
            "csv",
            "rayon",
            "tracing",
            "std::fs",
            "std::io",
            "std::time",
            "std::env",
            "std::thread",
            "std::process",
            "std::net",
            "fs",
            "io",
            "env",
            "thread",
            "File",
            "Instant",
            "SystemTime",
            "print!",
            "println!",
            "eprint!",
            "eprintln!",
            "dbg!",
            "jiff",
            "serde",
            "serde_json",
            "toml",
        ],
        reason: "margin is pure: no table format, file, clock, thread, log or environment",
    },
    Ban {
        modules: &["margin"],
        names: &[
            "crate::figures",
            "crate::snapshot",
            "crate::rules",
            "crate::engine",
            "crate::reference",
            "crate::tables",
            "crate::totals",
            "crate::publish",
            "crate::run",
            "crate::generate",
            "crate::import",
            "crate::reconcile",
            "crate::progress",
        ],
        reason: "dependencies point one way: margin knows nobody above it",
    },
    Ban {
        modules: &["reference"],
        names: &["crate::engine", ".apply", ".rates"],
        reason: "the reference model shares no formula code with the fast one",
    },
    Ban {
        modules: &[
            "snapshot",
            "source",
            "formats",
            "cells",
            "results",
            "rules",
            "cli",
            "report",
            "page",
            "figures",
            "tables",
            "totals",
            "publish",
            "distance",
            "run",
            "stress",
            "simulate",
            "bench",
            "import",
            "reconcile",
            "verify",
            "compare",
            "batches",
        ],
        names: &[".unwrap", ".expect", "panic!"],
        reason: "what comes from outside must end in an error, not in a panic",
    },
    Ban {
        modules: &[
            "snapshot",
            "source",
            "formats",
            "cells",
            "results",
            "rules",
            "report",
            "page",
            "figures",
            "tables",
            "totals",
            "publish",
            "write",
            "generate",
            "import",
            "reconcile",
            "compare",
            "engine",
            "margin",
            "market",
            "book",
            "reference",
            "distance",
            "run",
            "stress",
            "simulate",
            "bench",
            "verify",
            "batches",
            "partition",
        ],
        names: &["print!", "println!", "eprint!", "eprintln!", "dbg!"],
        reason: "the library never writes to the terminal",
    },
    Ban {
        modules: &["snapshot", "rules", "source", "formats", "cells", "results"],
        names: &[
            "fs::write",
            "std::fs::write",
            "fs::create_dir_all",
            "std::fs::create_dir_all",
            "fs::create_dir",
            "fs::rename",
            "std::fs::rename",
            "fs::remove_file",
            "fs::remove_dir_all",
            "fs::copy",
            "File::create",
            "fs::File::create",
            "std::fs::File::create",
        ],
        reason: "only `publish`, `write` and `import` write files",
    },
];

/// Modules that may touch files at all.
const FILE_MODULES: &[&str] = &[
    "snapshot",
    "source",
    "formats",
    "cells",
    "results",
    "rules",
    "publish",
    "write",
    "generate",
    "bench",
    "import",
    "memory",
    "verify",
    "partition",
];
const FILE_NAMES: &[&str] = &["std::fs", "fs", "File", "OpenOptions", "tempfile"];

/// What the reference model may know of `margin`: parameters, and the types in which results are compared.
const SHARED_WITH_REFERENCE: &[&str] = &[
    "rules",
    "tiers::Tiers",
    "tiers::BorrowTiers",
    "AccountMargin",
    "UnitMargin",
    "VolState",
    "Status",
    "unit_margin::UnitMargin",
    "unit_margin::VolState",
    "orders::Traded",
    "requirement::AccountMargin",
    "requirement::Status",
];

fn check_names(source: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    if source.is_test_code() {
        return breaches;
    }
    for (line, name) in names(&source.code) {
        for ban in BANS.iter().filter(|ban| source.is_in(ban.modules)) {
            if ban.names.iter().any(|banned| below(&name, banned)) {
                breaches.push(source.breach(line, format!("`{name}`: {}", ban.reason)));
            }
        }
        if ["todo!", "unimplemented!"].contains(&name.as_str()) {
            breaches.push(source.breach(line, format!("`{name}`: nothing is left for later in silence")));
        }
        if !source.is_in(FILE_MODULES) && FILE_NAMES.iter().any(|banned| below(&name, banned)) {
            breaches.push(source.breach(line, format!("`{name}`: only {} touch files", FILE_MODULES.join(", "))));
        }
        let of_margin = name.strip_prefix("crate::margin::").or(name.strip_prefix("margin::"));
        if let Some(used) = of_margin.filter(|_| source.is_in(&["reference"]))
            && !SHARED_WITH_REFERENCE.iter().any(|shared| below(used, shared))
        {
            breaches.push(source.breach(line, format!("`{name}`: the reference model shares types only")));
        }
    }
    breaches
}

fn check_text(source: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let lines = source.text.lines().count();
    if lines >= MAX_LINES {
        breaches.push(source.breach(lines, format!("{lines} lines; split the file below {MAX_LINES}")));
    }
    if !source.text.starts_with("//!") {
        breaches.push(source.breach(1, "a file begins with `//!` and says what it is for"));
    }
    for (index, line) in source.text.lines().enumerate() {
        if line.chars().count() > MAX_WIDTH {
            breaches.push(source.breach(index + 1, format!("a line is at most {MAX_WIDTH} wide")));
        }
    }
    breaches.extend(check_spaces(&source.path, &source.text));
    breaches
}

fn check_spaces(path: &str, text: &str) -> Vec<Breach> {
    let breach = |line: usize, rule: &str| Breach { file: path.to_owned(), line, rule: rule.to_owned() };
    let mut breaches = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.contains('\t') {
            breaches.push(breach(index + 1, "a tab"));
        }
        if line.ends_with(' ') {
            breaches.push(breach(index + 1, "a space at the end of the line"));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        breaches.push(breach(text.lines().count(), "no newline at the end of the file"));
    }
    breaches
}

/// Every direct dependency says why it is there: on its own line, or in the comment above it and its neighbours.
fn check_dependencies(manifest: &str) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let (mut in_dependencies, mut covered) = (false, false);
    for (index, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            in_dependencies = line.ends_with("dependencies]");
            covered = false;
        } else if line.starts_with('#') {
            covered = true;
        } else if line.trim().is_empty() {
            covered = false;
        } else if in_dependencies && line.contains('=') {
            if line.contains(" # ") {
                // The next line without a word of its own is not explained by the comment above this one.
                covered = false;
            } else if !covered {
                let rule = format!("`{}`: no reason given", line.split(' ').next().unwrap_or(line));
                breaches.push(Breach { file: "Cargo.toml".to_owned(), line: index + 1, rule });
            }
        }
    }
    breaches
}

// ---- the tree ----

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

#[test]
fn modules_use_only_what_they_may() {
    assert_clean(&sources().iter().flat_map(check_names).collect::<Vec<_>>());
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    assert_clean(&sources().iter().flat_map(check_text).collect::<Vec<_>>());
}

#[test]
fn other_text_has_no_stray_spaces() {
    let names = [
        "Cargo.toml",
        "rustfmt.toml",
        "README.md",
        "CHANGELOG.md",
        "docs/explanation/model.md",
        "docs/how-to/compare.md",
        "scripts/check.sh",
        ".ci/run",
    ];
    let mut files: Vec<PathBuf> = names.iter().map(|name| root().join(name)).collect();
    for folder in ["scripts/peers", "python/remargin", "python/tests", "python/jobs", "python/examples", "python/scale"]
    {
        let found = files.len();
        files_below(&root().join(folder), "py", &mut files);
        assert!(files.len() > found, "{folder} is not where this test looks");
    }
    files_below(&root().join("python/src"), "rs", &mut files);
    let page = ["head.html", "body.html", "page.css", "text.js", "tables.js", "charts.js", "page.js", "README.md"];
    files.extend(page.map(|name| root().join("src/page/assets").join(name)));
    files
        .extend(["browser.mjs", "report.test.mjs", "package.json"].map(|name| root().join("tests/browser").join(name)));
    for file in files {
        assert_clean(&check_spaces(&file.to_string_lossy(), &fs::read_to_string(&file).unwrap()));
    }
}

#[test]
fn every_dependency_has_a_reason() {
    for manifest in ["Cargo.toml", "python/Cargo.toml"] {
        assert_clean(&check_dependencies(&fs::read_to_string(root().join(manifest)).unwrap()));
    }
}

// ---- the checks themselves, on planted violations ----

#[test]
fn planted_names_are_found() {
    // One line a case: file, text, number of breaches.
    for (path, text, expected) in [
        ("src/margin/stress.rs", "use rayon::prelude::*;", 1),
        ("src/margin/stress.rs", "use std::{fmt, fs, io::Read};", 3), // fs also touches files
        ("src/margin/stress.rs", "// println!(\"no\")\nlet s = \"std::fs\"; let c = '\"'; /* rayon */", 0),
        ("src/margin/stress.rs", "println!(\"yes\");", 2), // impure, and the library prints
        ("src/margin/stress.rs", "#[cfg(test)]\nmod tests { fn f() { println!(\"{}\", 1); } }", 0),
        ("src/margin/stress.rs", "#[cfg(test)]\nmod tests;\nuse polars::prelude::Column;", 1),
        ("src/margin/stress.rs", "use crate::engine::price;", 1),
        ("src/margin/stress.rs", "let arrows = narrow.arrow_like();", 0),
        ("src/reference/mod.rs", "use crate::margin::{rules::Rules, black76, UnitMargin};", 1),
        ("src/reference/mod.rs", "let v = crate::margin::stress::unit(x);", 1),
        ("src/reference/mod.rs", "use crate::margin::unit_margin::{UnitMargin, VolState};", 0),
        ("src/reference/mod.rs", "tiers.apply(amount); tiers.rows();", 1),
        ("src/snapshot/read.rs", "let x = y.unwrap();", 1),
        ("src/snapshot/read.rs", "let x = y.unwrap_or(0).expect_none();", 0),
        ("src/snapshot/read.rs", "let x = y\n    .expect(\"z\");", 1),
        ("src/snapshot/read.rs", "std::fs::read(path); std::fs::write(path, x);", 1),
        ("src/snapshot/tests.rs", "y.unwrap();", 0),
        ("src/cli/run.rs", "panic!();", 1),
        ("src/run.rs", "use std::fs::File;", 1),
        ("src/engine/mod.rs", "File::open(path)", 1),
        ("src/publish/folder.rs", "fs::rename(a, b)", 0),
        ("src/book/mod.rs", "todo!()", 1),
        ("src/book/mod.rs", "let not = todo != done;", 0),
        ("src/report/mod.rs", "let r = r#\"x.unwrap() \" \"#; let l: &'static str = f::<'a'>();", 0),
    ] {
        let breaches = check_names(&Source::new(path, text));
        assert_eq!(breaches.len(), expected, "{path}: {text}\n{breaches:?}");
    }
}

#[test]
fn a_breach_names_its_line() {
    let source =
        Source::new("src/rules/mod.rs", "//! Rules.\n\nuse a::{\n    b,\n    c,\n};\nfn f() {\n    g().unwrap();\n}\n");
    let lines: Vec<usize> = check_names(&source).iter().map(|breach| breach.line).collect();
    assert_eq!(lines, [8]);
}

#[test]
fn planted_text_is_found() {
    let long = format!("//! Doc.\n{}\n", "x".repeat(MAX_WIDTH + 1));
    let many = format!("//! Doc.\n{}", "x;\n".repeat(MAX_LINES - 1));
    let fits = format!("//! {}\n{}", "x".repeat(MAX_WIDTH - 4), "x;\n".repeat(MAX_LINES - 2));
    for (text, expected) in [
        ("//! Doc.\nfn f() {}\n", 0),
        ("fn f() {}\n", 1),
        ("//! Doc.\n\tfn f() {}\n", 1),
        ("//! Doc. \n", 1),
        ("//! Doc.", 1),
        (&long, 1),
        (&many, 1),
        (&fits, 0),
    ] {
        assert_eq!(check_text(&Source::new("src/x.rs", text)).len(), expected, "{text:.40}");
    }
}

#[test]
fn planted_dependencies_are_found() {
    for (manifest, expected) in [
        ("[dependencies]\na = \"1\"  # why\n", 0),
        ("[dependencies]\n# Why both.\na = \"1\"\nb = \"1\"\n", 0),
        ("[dependencies]\na = \"1\"\n", 1),
        ("[dependencies]\n# Why a.\na = \"1\"\n\nb = \"1\"\n", 1),
        ("[dependencies]\n# Why a.\na = \"1\" # more\nb = \"1\"\n", 1),
        ("[dev-dependencies]\na = \"1\"\n[profile.dev]\ndebug = false\n", 1),
    ] {
        assert_eq!(check_dependencies(manifest).len(), expected, "{manifest}");
    }
}
