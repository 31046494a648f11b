//! Who may use what: names that a part of the tree must not have, and who may touch files.

use crate::reading::{below, names};
use crate::{Breach, Source, assert_clean, sources};

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
            "arrow_array",
            "arrow_buffer",
            "arrow_cast",
            "arrow_ipc",
            "arrow_schema",
            "arrow_select",
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
            "scenarios",
            "check",
            "stress",
            "simulate",
            "bench",
            "import",
            "listing",
            "probe",
            "calibrate",
            "reconcile",
            "verify",
            "signature",
            "compare",
            "batches",
            "ops",
            "history",
            "export",
            "store",
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
            "listing",
            "probe",
            "calibrate",
            "reconcile",
            "compare",
            "engine",
            "margin",
            "market",
            "book",
            "reference",
            "distance",
            "run",
            "scenarios",
            "check",
            "stress",
            "simulate",
            "bench",
            "verify",
            "signature",
            "batches",
            "partition",
            "ops",
            "history",
            "export",
            "store",
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

/// Folders and files that may touch the disk at all.
const FILE_MODULES: &[&str] = &[
    "bench",
    "cells/time",
    "container",
    "formats",
    "generate/mod",
    "generate/template",
    "import/okx/files",
    "import/okx/mod",
    "cli/signals",
    "memory",
    "partition/mod",
    "publish",
    "results",
    "rules/layers",
    "snapshot/checksums",
    "snapshot/mod",
    "snapshot/operations",
    "snapshot/stream/spill",
    "source",
    "store",
    "stress/accounts",
    "stress/words",
    "verify",
    "write",
];
/// What talks to a network, or runs what does: `store` alone.
const NETWORK_NAMES: &[&str] =
    &["object_store", "reqwest", "rustls", "tokio", "futures_util", "hyper", "std::net", "TcpStream", "TcpListener"];
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
    "account::Traded",
    "requirement::AccountMargin",
    "status::Status",
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
        if !source.is_in(&["store"]) && NETWORK_NAMES.iter().any(|banned| below(&name, banned)) {
            breaches.push(source.breach(line, format!("`{name}`: only `store` talks to a network")));
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

#[test]
fn modules_use_only_what_they_may() {
    assert_clean(&sources().iter().flat_map(check_names).collect::<Vec<_>>());
}

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
        ("src/snapshot/mod.rs", "std::fs::read(path); std::fs::write(path, x);", 1),
        ("src/snapshot/relate.rs", "std::fs::metadata(path)", 1), // most of `snapshot` leaves files alone
        ("src/snapshot/stream/spill.rs", "File::open(path)", 0),
        ("src/snapshot/tests.rs", "y.unwrap();", 0),
        ("src/cli/run.rs", "panic!();", 1),
        ("src/run.rs", "use std::fs::File;", 1),
        ("src/engine/mod.rs", "File::open(path)", 1),
        ("src/publish/folder.rs", "fs::rename(a, b)", 0),
        ("src/source/remote.rs", "use object_store::ObjectStore;", 1),
        ("src/run/mod.rs", "std::net::TcpStream::connect(a)", 1),
        ("src/store/service.rs", "use object_store::ObjectStore;", 0),
        ("src/store/service.rs", "x.unwrap()", 1),
        ("src/book/mod.rs", "todo!()", 1),
        ("src/book/mod.rs", "let not = todo != done;", 0),
        ("src/report/mod.rs", "let r = r#\"x.unwrap() \" \"#; let l: &'static str = f::<'a'>();", 0),
    ] {
        let breaches = check_names(&Source::new(path, text));
        assert_eq!(breaches.len(), expected, "{path}: {text}\n{breaches:?}");
    }
}

/// What is built by default talks to no network: the crates that could are parts of a feature that is off.
#[test]
fn the_network_is_off_by_default() {
    let manifest = std::fs::read_to_string(crate::root().join("Cargo.toml")).unwrap();
    let lines: Vec<&str> = manifest.lines().collect();
    let of = |name: &str| lines.iter().find(|line| line.starts_with(&format!("{name} = "))).unwrap();
    for name in ["object_store", "reqwest", "rustls", "tokio", "futures-util"] {
        assert!(of(name).contains("optional = true"), "{name}");
        assert!(of("cloud").contains(&format!("\"dep:{name}\"")), "{name}");
        assert!(!of("cli").contains(name) && !of("default").contains(name), "{name}");
    }
    assert!(!of("default").contains("cloud"));
}

#[test]
fn a_breach_names_its_line() {
    let source =
        Source::new("src/rules/mod.rs", "//! Rules.\n\nuse a::{\n    b,\n    c,\n};\nfn f() {\n    g().unwrap();\n}\n");
    let lines: Vec<usize> = check_names(&source).iter().map(|breach| breach.line).collect();
    assert_eq!(lines, [8]);
}
