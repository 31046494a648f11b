//! How text looks: length of files, width of lines, spaces, a reason beside every dependency.

use crate::{Breach, Source, assert_clean, files_below, root, sources};
use std::fs;
use std::path::PathBuf;

/// A file is shorter than this; a line is no wider.
const MAX_LINES: usize = 501;
const MAX_WIDTH: usize = 120;

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
    let page = [
        "head.html",
        "body.html",
        "page.css",
        "text.js",
        "tables.js",
        "charts.js",
        "losses.js",
        "before.js",
        "words.js",
        "page.js",
        "README.md",
    ];
    files.extend(page.map(|name| root().join("src/page/assets").join(name)));
    files.extend(
        ["browser.mjs", "report.test.mjs", "paper.test.mjs", "package.json"]
            .map(|name| root().join("tests/browser").join(name)),
    );
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

/// At the second level the compiler does not put the same work on several markets into one register: a stress takes
/// three times as long, and nothing but its time tells.
#[test]
fn a_release_is_compiled_for_markets_side_by_side() {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    assert_eq!(manifest["profile"]["release"]["opt-level"].as_integer(), Some(3));
    let dist = &manifest["profile"]["dist"];
    assert_eq!((dist["inherits"].as_str(), dist.get("opt-level")), (Some("release"), None));
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
