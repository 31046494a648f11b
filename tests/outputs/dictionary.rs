//! The data dictionary: `docs/reference/outputs.md` and the docstrings of the Python stubs say of each output column
//! what its declaration says. `REMARGIN_BLESS=1 cargo test --test outputs dictionary` writes them anew.

use crate::common::e2e::{remargin, rows};
use remargin::compare::tables as compare;
use remargin::figures::Unit;
use remargin::schema::outputs;
use remargin::tables::at_risk::AT_RISK;
use remargin::tables::columns::{ACCOUNTS, Column, RISK_UNITS, TableSpec};
use remargin::tables::rejects::REJECTS;
use std::fmt::Write as _;
use std::path::Path;

const DICTIONARY: &str = "docs/reference/outputs.md";
const STUBS: &str = "python/remargin/_remargin.pyi";

/// Widest line of the stubs.
const WIDTH: usize = 120;

const HEAD: &str = "\
# Output tables

<!-- Written by tests/outputs/dictionary.rs from src/. Do not edit: REMARGIN_BLESS=1 writes it anew. -->

Every column of every output table. Which command writes which file is in [Output folder](output-folder.md).

| unit | what it is |
|---|---|
| USD | money |
| coin | units of a coin |
| ratio | a fraction: 0.1 is 10 % |
| price | a price as `mark_px` has it: of an option in the settle currency per coin, else in the quote currency |
| amount | contracts of a derivative, coins of a spot pair, or what another column names |
| count, days | whole things; days |
| weight | what a scenario weighs beside others |
| flag, label, text | true or false; one of a few words or names; any text |

*Null* says whether a cell may be empty. Columns keep their order, and new ones go to the end.
";

fn dictionary() -> String {
    let mut text = HEAD.to_owned();
    for (command, tables) in outputs() {
        let _ = writeln!(text, "\n## {command}");
        for table in tables {
            let _ = writeln!(text, "\n### {command}: {}\n\nOne row is: {}.\n", table.name, table.row);
            if table == &*compare::RUNS_CHANGES {
                text += &rule_sets();
            }
            text += "| column | type | unit | null | meaning |\n|---|---|---|---|---|\n";
            for Column { name, meaning, unit, kind, nullable, .. } in table.columns {
                let null = if *nullable { "yes" } else { "no" };
                let _ = writeln!(text, "| `{name}` | {} | {} | {null} | {meaning} |", kind.type_name(), unit.name());
            }
        }
    }
    text
}

/// How `changes` of two rule sets differs from that of two runs.
fn rule_sets() -> String {
    let of_rules = compare::RULES_CHANGES.columns;
    let missing =
        compare::RUNS_CHANGES.columns.iter().filter(|column| !of_rules.iter().any(|of| of.name == column.name));
    let names = |columns: Vec<&Column>| {
        let names: Vec<String> = columns.iter().map(|column| format!("`{}`", column.name)).collect();
        names.join(", ")
    };
    let nullable = of_rules.iter().filter(|column| column.nullable);
    format!(
        "Of two rule sets the table lacks {}; and only {} may be null.\n\n",
        names(missing.collect()),
        names(nullable.collect())
    )
}

/// The stubs with a docstring for each table of a result.
fn stubs(written: &str) -> String {
    let mut text = written.to_owned();
    let tables: [(&str, &TableSpec); 4] =
        [("accounts", &ACCOUNTS), ("risk_units", &RISK_UNITS), ("at_risk", &AT_RISK), ("rejects", &REJECTS)];
    for (name, table) in tables {
        let head = format!("    def {name}(self) -> Table:");
        let (before, rest) = text.split_once(&head).unwrap_or_else(|| panic!("{STUBS} has no `{head}`"));
        let (_, after) = rest.split_once("\n    @property").unwrap_or_else(|| panic!("no property after `{name}`"));
        text = format!("{before}{head}\n{}\n    @property{after}", docstring(table));
    }
    text
}

fn docstring(table: &TableSpec) -> String {
    let mut text = wrapped("        ", &format!("\"\"\"One row is: {}.", table.row));
    text.push('\n');
    for Column { name, meaning, unit, .. } in table.columns {
        let unit = match unit {
            Unit::Usd | Unit::Coin | Unit::Ratio => format!(" ({})", unit.name()),
            _ => String::new(),
        };
        // A link leads nowhere from here.
        let meaning = meaning.replace("[reason](reject-reasons.md)", "reason");
        text += &wrapped("        ", &format!("{name}: {meaning}{unit}"));
    }
    text + "        \"\"\"\n"
}

fn wrapped(indent: &str, text: &str) -> String {
    let (mut lines, mut line) = (String::new(), indent.to_owned());
    for word in text.split(' ') {
        if line.len() + word.len() + 1 > WIDTH {
            lines += line.trim_end();
            lines.push('\n');
            line = format!("{indent}    ");
        }
        line += word;
        line.push(' ');
    }
    lines + line.trim_end() + "\n"
}

fn check(path: &str, fresh: impl Fn(&str) -> String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let fresh = fresh(&written);
    if std::env::var_os("REMARGIN_BLESS").is_some() {
        std::fs::write(&file, fresh).unwrap();
        return;
    }
    let stale = written.lines().zip(fresh.lines()).position(|(written, fresh)| written != fresh);
    assert!(
        written == fresh,
        "{path} is stale from line {}: run `REMARGIN_BLESS=1 cargo test --test outputs dictionary` and commit it",
        stale.map_or_else(|| written.lines().count().min(fresh.lines().count()) + 1, |line| line + 1)
    );
}

#[test]
fn the_data_dictionary_is_up_to_date() {
    check(DICTIONARY, |_| dictionary());
}

#[test]
fn the_python_stubs_are_up_to_date() {
    check(STUBS, stubs);
}

#[test]
fn every_column_says_what_it_means() {
    for (command, tables) in outputs() {
        for table in tables {
            for column in table.columns {
                let Column { name, meaning, .. } = column;
                assert!(
                    meaning.ends_with('.') && !meaning.contains('|') && !meaning.contains('\n'),
                    "{command}, {}, {name}: `{meaning}` is no sentence",
                    table.name
                );
            }
        }
    }
}

const EXAMPLES: &str = "data/schemas/examples.csv";

/// Characters of an example.
const LONGEST: usize = 80;

/// Limits of which some are breached in the sample: each column of `breaches` has a value.
const LIMITS: &str = "\
[[limit]]
name = 'desk MMR'
rule = 'group.spot_offset.unit.*.mmr <= 1'
severity = 'hard'
text = 'Call the head of desk'
[[limit]]
name = 'margin ratio'
rule = 'account.margin_ratio >= 1.2'
severity = 'soft'
";

/// The first value of every column of every table that the commands write over the sample and the examples.
fn examples() -> String {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let at = |path: &str| root.join(path).to_str().unwrap().to_owned();
    // A day with an account that is left out.
    std::fs::create_dir(dir.join("today")).unwrap();
    for entry in std::fs::read_dir(root.join("examples/today")).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), dir.join("today").join(entry.file_name())).unwrap();
    }
    let positions = dir.join("today/positions.csv");
    let broken = std::fs::read_to_string(&positions).unwrap() + "puts,NO-SUCH-SWAP,1,2\n";
    std::fs::write(&positions, broken).unwrap();
    let (sample, ops, yesterday) = (at("data/sample"), at("examples/ops.csv"), at("examples/yesterday"));
    let csv = ["--format", "csv", "--quiet"];
    std::fs::write(dir.join("limits.toml"), LIMITS).unwrap();
    let lines: [(i32, Vec<&str>); 6] = [
        (
            0,
            vec![
                "run",
                &sample,
                "--out",
                "run",
                "--distance",
                "at-risk",
                "--net-by",
                "spot_offset",
                "--limits",
                "limits.toml",
            ],
        ),
        (0, vec!["run", &yesterday, "--out", "a", "--by", "desk", "--label", "EOD", "--history", "history.parquet"]),
        (4, vec!["run", "today", "--out", "b", "--by", "desk"]),
        (0, vec!["stress", &sample, "--out", "stress", "--preset", "crypto-historical", "--distribution", "accounts"]),
        (
            0,
            vec![
                "simulate",
                &sample,
                "--out",
                "simulate",
                "--ops",
                &ops,
                "--max-withdraw",
                "--max-order",
                "BTC-USDT-SWAP",
            ],
        ),
        (0, vec!["compare", "a", "b", "--out", "compare"]),
    ];
    for (code, mut line) in lines {
        line.extend(csv);
        let outcome = remargin(dir, &line);
        assert_eq!(outcome.code, Some(code), "{line:?}: {}", outcome.stderr);
    }
    std::fs::create_dir(dir.join("history")).unwrap();
    let history = rows(&dir.join("history.parquet"));
    let mut file = csv::Writer::from_path(dir.join("history/history.csv")).unwrap();
    file.write_record(history[0].keys()).unwrap();
    for row in &history {
        file.write_record(row.values()).unwrap();
    }
    file.flush().unwrap();
    let mut text = String::from("table,column,example\n");
    let mut writer = csv::Writer::from_writer(Vec::new());
    for (command, tables) in outputs() {
        for table in tables {
            let file = dir.join(command).join(format!("{}.csv", table.name));
            let file = if table.name == "rejects" { dir.join("b/rejects.csv") } else { file };
            let mut reader = csv::Reader::from_path(&file).unwrap_or_else(|err| panic!("{}: {err}", file.display()));
            let head = reader.headers().unwrap().clone();
            let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
            for column in table.columns {
                let place = head.iter().position(|name| name == column.name);
                let mut values = rows.iter().filter_map(|row| row.get(place?));
                let Some(value) = values.find(|value| !value.is_empty()) else { continue };
                let value = value.trim_start_matches('\'');
                let value = match value.char_indices().nth(LONGEST) {
                    Some((end, _)) => format!("{}...", &value[..end]),
                    None => value.to_owned(),
                };
                writer.write_record([&format!("{command}.{}", table.name), column.name.as_ref(), &value]).unwrap();
            }
        }
    }
    text += std::str::from_utf8(&writer.into_inner().unwrap()).unwrap();
    text
}

/// The examples of `remargin schema` are values that the commands write.
#[test]
fn examples_of_columns_are_values_that_stand_there() {
    let expected = examples();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLES);
    if std::env::var_os("REMARGIN_BLESS").is_some() {
        return std::fs::write(file, expected).unwrap();
    }
    let found = std::fs::read_to_string(file).unwrap();
    assert!(found == expected, "{EXAMPLES} is stale: REMARGIN_BLESS=1 writes it anew");
}
