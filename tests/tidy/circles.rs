//! No circle of folders: the files and folders of one folder must not import each other in a circle.
//!
//! Imports are paths that begin with `crate`, `super` or `self`, in `use` and elsewhere, and what a `use` of a module
//! makes short. A name that a `mod.rs` passes on counts as an import of the file that it comes from. Left aside: what
//! `mod.rs`, `lib.rs` and tests import, and the command line, where each command is a file and nobody uses another.

use crate::reading::names;
use crate::{Breach, Source, assert_clean, sources};
use std::collections::{BTreeMap, BTreeSet};

type Path = Vec<String>;

/// Planted files: path below `src`, text.
type Files = &'static [(&'static str, &'static str)];

/// The path of a file's module: `src/a/b.rs` and `src/a/b/mod.rs` are `a`, `b`; `src/lib.rs` is nothing.
fn module_of(file: &str) -> Path {
    let inner = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut path: Path = inner.split('/').map(str::to_owned).collect();
    if matches!(path.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        path.pop();
    }
    path
}

/// The path from the crate of a path in `module`; `None` if it begins with another crate or a local name.
fn from_crate(name: &str, module: &[String]) -> Option<Path> {
    let mut parts = name.split("::").peekable();
    let mut path = match parts.next()? {
        "crate" => Vec::new(),
        "self" => module.to_vec(),
        "super" => module[..module.len().checked_sub(1)?].to_vec(),
        _ => return None,
    };
    while parts.next_if_eq(&"super").is_some() {
        path.pop()?;
    }
    path.extend(parts.filter(|&part| part != "self").map(str::to_owned));
    Some(path)
}

/// The files of the tree by module.
struct Tree<'a> {
    files: BTreeMap<Path, &'a Source>,
    /// Every import: by file, the path from the crate.
    paths: BTreeMap<&'a str, Vec<Path>>,
}

impl<'a> Tree<'a> {
    fn new(sources: &'a [Source]) -> Self {
        let of_library = |source: &&Source| {
            let path = source.path.as_str();
            path.starts_with("src/") && !path.starts_with("src/cli/") && path != "src/main.rs" && !source.is_test_code()
        };
        let files: BTreeMap<Path, &Source> =
            sources.iter().filter(of_library).map(|source| (module_of(&source.path), source)).collect();
        let mut tree = Self { files, paths: BTreeMap::new() };
        tree.paths =
            tree.files.iter().map(|(module, source)| (source.path.as_str(), tree.paths(module, source))).collect();
        tree
    }

    fn paths(&self, module: &[String], source: &Source) -> Vec<Path> {
        let mut paths = Vec::new();
        let mut short: BTreeMap<String, Path> = BTreeMap::new();
        for (_, name) in names(&source.code) {
            let first = name.split("::").next().unwrap_or_default();
            let child = [module, &[first.to_owned()]].concat();
            let path = if let Some(path) = from_crate(&name, module) {
                path
            } else if let (Some(start), Some((_, rest))) = (short.get(first), name.split_once("::")) {
                start.iter().cloned().chain(rest.split("::").map(str::to_owned)).collect()
            } else if name.contains("::") && self.files.contains_key(&child) {
                [module, &name.split("::").map(str::to_owned).collect::<Path>()].concat()
            } else {
                continue;
            };
            if let (true, Some(last)) = (self.files.contains_key(&path), path.last()) {
                short.insert(last.clone(), path.clone());
            }
            paths.push(path);
        }
        paths
    }

    /// The file that a path leads to, and what it names there. A name that a `mod.rs` imports leads on, once a step.
    fn target(&self, path: &[String], steps: usize) -> Option<(&'a str, String)> {
        let known = (0..=path.len()).rev().find(|&length| self.files.contains_key(&path[..length]))?;
        let file = self.files[&path[..known]].path.as_str();
        if let Some(name) = path.get(known)
            && passes_on(file)
            && steps > 0
        {
            let from =
                self.paths.get(file)?.iter().find(|import| import.last() == Some(name) && import[..] != path[..=known]);
            if let Some(from) = from {
                return self.target(from, steps - 1);
            }
        }
        Some((file, path[known..].join("::")))
    }

    /// Every import of one file by another: who, whom, what.
    fn imports(&self) -> BTreeMap<(&'a str, &'a str), BTreeSet<String>> {
        let mut imports: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for (&file, paths) in &self.paths {
            for (target, name) in
                paths.iter().filter_map(|path| self.target(path, 4)).filter(|(target, _)| *target != file)
            {
                imports.entry((file, target)).or_default().insert(name);
            }
        }
        imports
    }
}

fn passes_on(file: &str) -> bool {
    file.ends_with("/mod.rs") || file == "src/lib.rs"
}

/// What stands directly in `folder` and is or holds `file`.
fn child<'a>(folder: &str, file: &'a str) -> Option<&'a str> {
    let inner = file.strip_prefix(folder)?.strip_prefix('/')?;
    let child = inner.split('/').next()?;
    (child != "mod.rs" && child != "lib.rs").then_some(child)
}

/// Everything that can be reached from `start`.
fn reached<'a>(start: &'a str, next: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        open.extend(next.get(at).into_iter().flatten().filter(|&&other| found.insert(other)));
    }
    found
}

fn check_circles(sources: &[Source]) -> Vec<Breach> {
    let tree = Tree::new(sources);
    let imports = tree.imports();
    let mut folders = BTreeSet::new();
    for file in tree.paths.keys() {
        folders.extend(file.match_indices('/').map(|(at, _)| &file[..at]));
    }
    let mut breaches = Vec::new();
    for folder in folders {
        let pairs = || {
            imports.iter().filter_map(|((from, to), names)| {
                let (a, b) = (child(folder, from)?, child(folder, to)?);
                (a != b).then_some((a, b, *from, *to, names))
            })
        };
        let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (a, b, ..) in pairs() {
            next.entry(a).or_default().insert(b);
        }
        let reach: BTreeMap<&str, BTreeSet<&str>> = next.keys().map(|&at| (at, reached(at, &next))).collect();
        let circles: BTreeSet<Vec<&str>> = reach
            .iter()
            .filter(|(at, found)| found.contains(*at))
            .map(|(at, found)| {
                found.iter().copied().filter(|other| reach.get(other).is_some_and(|back| back.contains(at))).collect()
            })
            .collect();
        for circle in &circles {
            let ties = pairs().filter(|(a, b, ..)| circle.contains(a) && circle.contains(b));
            let ties: Vec<String> = ties
                .map(|(_, _, from, to, names)| {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    format!("\n    {from} -> {to}: {}", names.join(", "))
                })
                .collect();
            let rule = format!("{} import each other in a circle{}", circle.join(", "), ties.concat());
            breaches.push(Breach { file: folder.to_owned(), line: 0, rule });
        }
    }
    breaches
}

#[test]
fn no_folder_holds_a_circle() {
    assert_clean(&check_circles(&sources()));
}

#[test]
fn planted_circles_are_found() {
    // One case: files with their text, then folder and members of each circle.
    let cases: &[(Files, &[&str])] = &[
        (&[("a.rs", "use crate::b::X;"), ("b.rs", "use crate::c::Y;"), ("c.rs", "")], &[]),
        (&[("a.rs", "use crate::b::X;"), ("b.rs", "fn f() { super::a::g() }")], &["src: a.rs, b.rs"]),
        (&[("a.rs", "use crate::{b::{X, Y}, d};"), ("b.rs", "use super::{a};")], &["src: a.rs, b.rs"]),
        (
            &[("a.rs", "use super::b;"), ("b.rs", "use super::c;"), ("c.rs", "use super::a;")],
            &["src: a.rs, b.rs, c.rs"],
        ),
        (&[("a/x.rs", "use crate::b::y::Y;"), ("b/y.rs", ""), ("b/z.rs", "use crate::a::x;")], &["src: a, b"]),
        (&[("a/x.rs", "use super::y::Y;"), ("a/y.rs", "use crate::a::x::f;")], &["src/a: x.rs, y.rs"]),
        (&[("a/mod.rs", "mod x; use x::X;"), ("a/x.rs", "use super::Y;")], &[]),
        (
            &[("a/mod.rs", "mod x; pub use y::Y;"), ("a/x.rs", "use super::Y;"), ("a/y.rs", "use super::x::f;")],
            &["src/a: x.rs, y.rs"],
        ),
        (&[("lib.rs", "pub use b::Y;"), ("a.rs", "use crate::Y;"), ("b.rs", "use crate::a;")], &["src: a.rs, b.rs"]),
        (
            &[("a.rs", "use crate::b;"), ("b/mod.rs", "use crate::c;"), ("c.rs", "fn f() { crate::a::g() }")],
            &["src: a.rs, b, c.rs"],
        ),
        (
            &[("a/mod.rs", ""), ("a/x.rs", "use crate::a; fn f() { a::y::g() }"), ("a/y.rs", "use super::x;")],
            &["src/a: x.rs, y.rs"],
        ),
        (&[("a.rs", "use crate::b; // use crate::c"), ("b.rs", "#[cfg(test)]\nmod tests { use crate::a; }")], &[]),
        (
            &[
                ("a/x.rs", "use super::y;"),
                ("a/y.rs", ""),
                ("a/tests.rs", "use super::x;"),
                ("a/fixture.rs", "use super::x;"),
            ],
            &[],
        ),
        (&[("cli/a.rs", "use super::b;"), ("cli/b.rs", "use super::a;")], &[]),
        (
            &[
                ("a.rs", "use crate::b;"),
                ("b.rs", "use crate::a;"),
                ("c.rs", "use crate::d;"),
                ("d.rs", "use crate::c;"),
            ],
            &["src: a.rs, b.rs", "src: c.rs, d.rs"],
        ),
    ];
    for (files, expected) in cases {
        let sources: Vec<Source> = files.iter().map(|(file, text)| Source::new(&format!("src/{file}"), text)).collect();
        let found: Vec<String> = check_circles(&sources)
            .iter()
            .map(|breach| format!("{}: {}", breach.file, breach.rule.split(" import ").next().unwrap()))
            .collect();
        assert_eq!(found, *expected, "{files:?}");
    }
}

#[test]
fn a_circle_names_what_ties_it() {
    let sources = [
        Source::new("src/a/x.rs", "use super::y::{Y, z::Z};"),
        Source::new("src/a/y.rs", "fn f() { crate::a::x::g() }"),
    ];
    let expected = "x.rs, y.rs import each other in a circle\n    src/a/x.rs -> src/a/y.rs: Y, z::Z\n    \
                    src/a/y.rs -> src/a/x.rs: g";
    assert_eq!(check_circles(&sources), [Breach { file: "src/a".to_owned(), line: 0, rule: expected.to_owned() }]);
}
