//! Documents against the program: flags, exit codes, input columns, reject reasons and words.

use crate::common::e2e::succeeds;
use remargin::simulate::operation::Refusal;
use remargin::snapshot::{InputColumn, Reason, input_tables};
use remargin::{Error, Invalid};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|err| panic!("{file}: {err}"))
}

/// The parts of a page by their heading of the second level; what stands before the first has an empty one.
fn sections(page: &str) -> Vec<(&str, &str)> {
    let (before, rest) = page.split_once("\n## ").unwrap_or((page, ""));
    let rest = rest.split("\n## ").filter(|part| !part.is_empty());
    std::iter::once(("", before)).chain(rest.map(|part| part.split_once('\n').unwrap_or((part, "")))).collect()
}

/// The rows of the tables in a text, cell by cell, without the heads.
fn table_rows(text: &str) -> Vec<Vec<String>> {
    let lines: Vec<&str> = text.lines().collect();
    let is_head = |at: usize| lines.get(at + 1).is_some_and(|next| next.starts_with("|---"));
    let rows = (0..lines.len()).filter(|&at| lines[at].starts_with("| ") && !is_head(at));
    let cells =
        |line: &str| line.trim_matches('|').replace("\\|", "/").split('|').map(|cell| cell.trim().to_owned()).collect();
    rows.map(|at| cells(lines[at])).collect()
}

/// Every `--flag` in a text.
fn flags(text: &str) -> BTreeSet<String> {
    let begins = |at: usize| !text[..at].ends_with(|before: char| before == '-' || before.is_alphanumeric());
    let name = |at: usize| text[at + 2..].split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next().unwrap();
    let found = text.match_indices("--").map(|(at, _)| at).filter(|&at| begins(at));
    found
        .map(name)
        .filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
        .map(|name| format!("--{name}"))
        .collect()
}

/// The flags that `--help` lists: of the command itself, and those in common.
fn flags_of_help(help: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    // Examples may be wrapped before a flag.
    let help = help.split("\nExamples:").next().unwrap();
    let (own, common) = help.split_once("\nCommon options:").unwrap();
    let listed = |text: &str| {
        let heads = text.lines().filter(|line| line.trim_start().starts_with('-'));
        heads.flat_map(|line| flags(line.split("  ").find(|part| part.contains("--")).unwrap_or_default())).collect()
    };
    (listed(own), listed(common))
}

/// Every command that can be run, with its `--help`.
fn commands() -> BTreeMap<Vec<String>, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![Vec::<String>::new()];
    while let Some(command) = open.pop() {
        let args: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let help = succeeds(&root(), &args).stdout;
        if let Some((_, list)) = help.split_once("\nCommands:\n") {
            let list = list.split("\n\n").next().unwrap();
            let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
            let names = names.filter_map(|line| line.split_whitespace().next()).filter(|&name| name != "help");
            open.extend(names.map(|name| [&command[..], &[name.to_owned()]].concat()));
        }
        found.insert(command, help);
    }
    found
}

#[test]
fn the_page_of_commands_has_every_command_and_flag_and_no_other() {
    let page = read("docs/reference/cli.md");
    let sections: BTreeMap<&str, &str> = sections(&page).into_iter().collect();
    let in_tables = |title: &str| -> BTreeSet<String> {
        let rows = table_rows(sections.get(title).unwrap_or_else(|| panic!("no section `{title}`")));
        rows.iter().flat_map(|row| flags(&row[0])).collect()
    };
    let commands = commands();
    assert!(commands.len() > 15, "{:?}", commands.keys());
    let (own, common) = flags_of_help(&commands[&vec![]]);
    assert_eq!(in_tables("Common flags"), &own | &common, "Common flags");
    let mut written: BTreeSet<String> =
        sections.keys().filter_map(|title| title.strip_prefix("remargin ")).map(str::to_owned).collect();
    let mut known: BTreeSet<String> = &own | &common;
    for (command, help) in commands.iter().filter(|(command, _)| !command.is_empty()) {
        let name = command.join(" ");
        let (own, common_here) = flags_of_help(help);
        let own: BTreeSet<String> = own.into_iter().filter(|flag| flag != "--help").collect();
        assert!(common_here.is_subset(&common), "{name}: {common_here:?}");
        known.extend(own.iter().cloned());
        // A command that only holds others has no page part; `rules show` is described with `rules`.
        let title = format!("remargin {}", if name == "rules show" { "rules" } else { &name });
        if help.contains("\nCommands:\n") && own.is_empty() {
            assert!(!sections.contains_key(title.as_str()), "{name}");
            continue;
        }
        let mut shown = in_tables(&title);
        let shared = sections[title.as_str()].split("\n\n").flat_map(|part| part.lines().map(move |line| (part, line)));
        let shared =
            shared.filter(|(part, _)| part.starts_with("[Rules flags]") || part.starts_with("[Snapshot flags]"));
        shared.for_each(|(_, line)| shown.extend(flags(line)));
        assert_eq!(shown, own, "{name}: the page, then `--help`");
        written.remove(title.trim_start_matches("remargin "));
    }
    assert_eq!(written, BTreeSet::new(), "sections of commands that do not exist");
    let strange: Vec<String> = flags(&page).difference(&known).cloned().collect();
    assert_eq!(strange, [""; 0], "flags on the page that no command has");
    let listed = table_rows(sections[""]).concat().concat();
    for command in
        commands.keys().filter(|command| sections.contains_key(format!("remargin {}", command.join(" ")).as_str()))
    {
        let link = format!("(#remargin-{})", command.join("-"));
        assert!(listed.contains(&link), "the table at the top lacks {link}");
    }
}

#[test]
fn the_page_of_exit_codes_is_that_of_the_program() {
    let errors = [
        Error::Runtime(String::new()),
        Error::io("read", "x", std::io::Error::other("x")),
        Error::Usage(String::new()),
        Error::Invalid(Box::new(Invalid::new("x"))),
        Error::Memory(String::new()),
        Error::Interrupted,
    ];
    // The outcomes that are no errors are private to the binary.
    let cli = read("src/cli/mod.rs");
    let constants = cli.split_once("mod exit {").unwrap().1.split_once('}').unwrap().0;
    let constants = constants.lines().filter_map(|line| line.split_once(": u8 = ")?.1.strip_suffix(';')?.parse().ok());
    let constants: Vec<u8> = constants.collect();
    assert!(constants.len() > 4, "{constants:?}");
    let expected: BTreeSet<u8> = errors.iter().map(Error::exit_code).chain(constants).collect();

    let page = read("docs/reference/exit-codes.md");
    let rows = table_rows(&page);
    let first = |row: &Vec<String>| row[0].parse::<u8>().ok();
    assert_eq!(rows.iter().filter_map(first).collect::<BTreeSet<u8>>(), expected, "the page");
    let help = succeeds(&root(), &["--help"]).stdout;
    let list = help.split_once("Exit codes:\n").unwrap().1.split("\n\n").next().unwrap();
    let shown = list.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok());
    assert_eq!(shown.collect::<BTreeSet<u8>>(), expected, "`--help`");
    let known: BTreeSet<String> = commands().keys().filter_map(|command| command.first().cloned()).collect();
    let second = |row: &Vec<String>| row[0].strip_prefix('`')?.split('`').next().map(str::to_owned);
    let second: BTreeSet<String> = rows.iter().filter_map(second).collect();
    assert!(!second.is_empty() && second.is_subset(&known), "{second:?}");
}

/// The page with the columns of each table as they are declared.
fn inputs_as_declared(page: &str) -> String {
    const HEAD: &str = "| column | type | required |";
    let mut text = page.to_owned();
    for (table, _, _, columns) in input_tables() {
        let title = format!("\n## {table}\n");
        let start = text.find(&title).unwrap_or_else(|| panic!("no section `{table}`"));
        let head = start + text[start..].find(HEAD).unwrap_or_else(|| panic!("no columns in `{table}`"));
        assert!(!text[start + title.len()..head].contains("\n## "), "no columns in `{table}`");
        let end = head + text[head..].find("\n\n").map_or(text.len() - head, |at| at + 1);
        let rows = columns.iter().map(|column| {
            let required = if column.required { "yes" } else { "no" };
            let InputColumn { name, kind, unit, meaning, example, .. } = column;
            format!("| `{name}` | {kind} | {required} | {unit} | {meaning} | `{example}` |\n")
        });
        let rows: String = rows.collect();
        let block = format!("{HEAD} unit | meaning | example |\n|---|---|---|---|---|---|\n{rows}");
        text.replace_range(head..end, &block);
    }
    text
}

#[test]
fn the_page_of_input_tables_has_the_columns_that_are_read() {
    let file = "docs/reference/inputs.md";
    let page = read(file);
    let expected = inputs_as_declared(&page);
    if std::env::var_os("REMARGIN_BLESS").is_some() {
        return fs::write(root().join(file), expected).unwrap();
    }
    assert!(page == expected, "{file} is stale: REMARGIN_BLESS=1 writes its columns anew");
    assert_eq!(page.matches("| column | type | required | unit |").count(), input_tables().len());
}

/// The words of the report page stand in the glossary, and mean the same there.
#[test]
fn the_words_of_the_page_are_those_of_the_glossary() {
    let plain = |cell: &str| {
        let mut text = cell.replace('`', "");
        while let Some((before, rest)) = text.clone().split_once("](") {
            let (head, word) = before.rsplit_once('[').unwrap();
            text = format!("{head}{word}{}", rest.split_once(')').unwrap().1);
        }
        text
    };
    let known: BTreeSet<(String, String)> =
        table_rows(&read("docs/reference/glossary.md")).iter().map(|row| (plain(&row[0]), plain(&row[1]))).collect();
    let script = read("src/page/assets/words.js");
    let lines = script.lines().filter_map(|line| line.trim().strip_suffix(','));
    let words: Vec<(String, String)> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(words.len() > 20, "{}", words.len());
    for word in words {
        assert!(known.contains(&word), "{word:?} is not in the glossary");
    }
}

#[test]
fn the_page_of_reject_reasons_has_every_reason_in_order() {
    for (number, reason) in Reason::ALL.iter().enumerate() {
        assert_eq!(*reason as usize, number, "{reason:?} has another place in `ALL`");
    }
    assert_eq!(Reason::ALL.last(), Some(&Reason::AccountUnmargined));
    let page = read("docs/reference/reject-reasons.md");
    let sections: BTreeMap<&str, &str> = sections(&page).into_iter().collect();
    let codes = |title: &str| -> Vec<String> {
        table_rows(sections[title]).iter().map(|row| row[0].trim_matches('`').to_owned()).collect()
    };
    assert_eq!(codes(""), Reason::ALL.map(Reason::code));
    // A line that is no operation has a code before there is one.
    let expected: BTreeSet<&str> = REFUSALS.iter().map(|refusal| refusal.code()).chain(["malformed_line"]).collect();
    assert!(REFUSALS.into_iter().all(is_listed));
    assert_eq!(codes("Operations").iter().map(String::as_str).collect::<BTreeSet<_>>(), expected);
    assert_eq!(codes("Operations").len(), expected.len());
}

/// Every refusal of an operation but those that have the code of a reject.
const REFUSALS: [Refusal; 14] = [
    Refusal::MissingOpId,
    Refusal::MissingAccountId,
    Refusal::UnknownAccount,
    Refusal::AccountUnmargined,
    Refusal::DuplicateOperation,
    Refusal::InvalidKind,
    Refusal::UnknownCurrency,
    Refusal::NoHedge,
    Refusal::GroupOfSeveralAccounts,
    Refusal::GroupBroken,
    Refusal::GroupTooLarge,
    Refusal::HedgeChangedTwice,
    Refusal::GroupAnswered,
    Refusal::NotFinite,
];

/// Whoever adds a refusal must come here, and to the list above.
fn is_listed(refusal: Refusal) -> bool {
    match refusal {
        Refusal::Row(_) => false,
        Refusal::MissingOpId
        | Refusal::MissingAccountId
        | Refusal::UnknownAccount
        | Refusal::AccountUnmargined
        | Refusal::DuplicateOperation
        | Refusal::InvalidKind
        | Refusal::UnknownCurrency
        | Refusal::NoHedge
        | Refusal::GroupOfSeveralAccounts
        | Refusal::GroupTooLarge
        | Refusal::GroupBroken
        | Refusal::HedgeChangedTwice
        | Refusal::GroupAnswered
        | Refusal::NotFinite => true,
    }
}

#[test]
fn pages_are_read_as_they_stand() {
    let page = "Top.\n\n## a\n| flag | x |\n|---|---|\n| `-q, --quiet` | y |\n\n\
                ## b\ntext\n";
    assert_eq!(sections(page).iter().map(|(title, _)| *title).collect::<Vec<_>>(), ["", "a", "b"]);
    assert_eq!(table_rows(page), [["`-q, --quiet`", "y"]]);
    let cases: [(&str, &[&str]); 5] = [
        ("`--max-rejects <N|P%>`", &["--max-rejects"]),
        ("|---|---|", &[]),
        ("a -- b --- c", &[]),
        ("--a, --b.", &["--a", "--b"]),
        ("x--y", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(flags(text).iter().collect::<Vec<_>>(), expected.to_vec(), "{text}");
    }
}
