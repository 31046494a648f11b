//! `limits.toml`: rules with names, severities and texts.

use super::figures::{Command, Source};
use super::rule::{Rule, Scope, hinted};
use crate::book::Grouping;
use crate::cells::text::in_a_line;
use crate::error::Remedy;
use crate::formats::batch::nearest;
use crate::publish::MANIFEST;
use crate::request::turns_text;
use crate::source;
use crate::totals::limit_summary::Severity;
use crate::{Error, Invalid, Result};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// Largest file of limits: it is kept in the manifest of the run.
const LARGEST: u64 = 1 << 20;
/// Most limits: each row of a table is compared with every limit on it.
const MOST_LIMITS: usize = 1000;
/// Characters of a name, and of a text.
const LONGEST_NAME: usize = 100;
const LONGEST_TEXT: usize = 500;

/// The keys of a limit.
const NAME: &str = "name";
const RULE: &str = "rule";
const SEVERITY: &str = "severity";
const TEXT: &str = "text";
const ONLY: &str = "only";
const SCENARIOS: &str = "scenarios";
const KEYS: [&str; 6] = [NAME, RULE, SEVERITY, TEXT, ONLY, SCENARIOS];
/// The only table of the file.
const LIMIT: &str = "limit";

/// One limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Its name, which no other limit of the file has.
    pub name: String,
    /// The line of the file on which it begins, from 1.
    pub line: usize,
    /// What must hold.
    pub rule: Rule,
    /// How serious a breach is.
    pub severity: Severity,
    /// What to do about a breach.
    pub text: Option<String>,
    /// The groups or accounts that it is for; empty for all.
    pub only: Vec<String>,
    /// The scenarios that it is for; empty for all.
    pub scenarios: Vec<String>,
}

/// The limits of a file, in its order.
///
/// ```
/// use remargin::limits::Limits;
/// let limits = Limits::read("examples/limits.toml")?;
/// assert_eq!(limits.all()[0].severity.name(), "hard");
/// # Ok::<(), remargin::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    text: String,
    blake3: String,
    all: Vec<Limit>,
    file: PathBuf,
}

impl Limits {
    /// Reads a file of limits.
    ///
    /// # Errors
    /// [`Error::Invalid`] with key, limit, value and what was expected if the file is not there or is wrong.
    pub fn read(file: impl AsRef<Path>) -> Result<Self> {
        let file = file.as_ref();
        Self::parse(source::read_text(file, LARGEST)?, file)
    }

    /// Limits out of a text; errors name `file`.
    ///
    /// # Errors
    /// Those of [`Limits::read`].
    pub fn parse(text: String, file: &Path) -> Result<Self> {
        let all = limits_of(&text).map_err(|invalid| invalid.file(file))?;
        let blake3 = blake3::hash(text.as_bytes()).to_hex().to_string();
        Ok(Self { text, blake3, all, file: file.to_path_buf() })
    }

    /// Limits as the manifest of the run in `run` has them.
    ///
    /// # Errors
    /// Those of [`Limits::parse`].
    pub(crate) fn recorded(text: Option<&str>, run: &Path) -> Result<Option<Self>> {
        text.map(|text| Self::parse(text.to_owned(), &run.join(MANIFEST))).transpose()
    }

    /// Each limit.
    #[must_use]
    pub fn all(&self) -> &[Limit] {
        &self.all
    }

    /// The file as it was read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where they were read.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// BLAKE3 hash of the file, hex.
    #[must_use]
    pub fn blake3(&self) -> &str {
        &self.blake3
    }

    /// Adds the groupings that rules name: what has a limit is summed up.
    pub(crate) fn add_groupings(&self, groups: &mut Vec<Grouping>) {
        for by in self.all.iter().filter_map(|limit| limit.rule.scope.grouping()) {
            if !groups.contains(by) {
                groups.push(by.clone());
            }
        }
    }

    /// The error of accounts that cannot be put together, with the limit that asked for it; `asked` are the groupings
    /// that were asked for elsewhere.
    pub(crate) fn blame(&self, asked: &[Grouping], error: Error) -> Error {
        let Error::Invalid(mut invalid) = error else { return error };
        let column = invalid.column.clone().unwrap_or_default();
        let names = |by: &Grouping| by.attributes().contains(&column);
        let needs = |limit: &&Limit| limit.rule.scope.grouping().is_some_and(|by| !asked.contains(by) && names(by));
        if asked.iter().any(names) {
            return invalid.into();
        }
        if let Some((number, limit)) = (1..).zip(&self.all).find(|(_, limit)| needs(limit)) {
            let place = place_of(number, Some(&limit.name), limit.line);
            let file = self.file.display();
            invalid.problem = format!("{}, which `{}` of {place} of `{file}` needs", invalid.problem, limit.rule);
        }
        invalid.into()
    }

    /// Refuses a figure that the command does not have. `has` says whether it writes a table.
    ///
    /// # Errors
    /// [`Error::Usage`] and [`Error::Refused`] naming the limit, and what has the figure.
    pub(crate) fn check_for(&self, command: Command, has: impl Fn(Source) -> bool) -> Result<()> {
        for (number, Limit { name, line, rule, .. }) in (1..).zip(&self.all) {
            let figure = format!("{}: `{rule}`", place_of(number, Some(name), *line));
            let Some(source) = rule.figure.source(command) else {
                let others = Command::ALL.into_iter().filter(|other| rule.figure.source(*other).is_some());
                let others: Vec<String> = others.map(|other| format!("`remargin {}`", other.name())).collect();
                let problem = format!("{figure} is about a figure that `remargin {}` does not have", command.name());
                return Err(Error::Usage(problem).hint(format!("{} has it", others.join(" and "))));
            };
            if !has(source) {
                let table = source.table();
                let mut problem = format!("{figure} is about a figure of the table `{table}`, which is not written");
                problem += match rule.scope {
                    Scope::Account => "; a rule on `worst` is about each account in its worst scenario",
                    Scope::Unit(_) => "; a rule on `group.BY.unit.UNIT` is about the groups in every scenario",
                    _ => "",
                };
                let remedy = if matches!(source, Source::Distribution(..)) {
                    Remedy::BookDistribution
                } else {
                    Remedy::AllDetail
                };
                return Err(Error::refused(problem, remedy));
            }
        }
        Ok(())
    }
}

fn limits_of(text: &str) -> Result<Vec<Limit>, Box<Invalid>> {
    let file: Table = toml::from_str(text).map_err(|error: toml::de::Error| {
        let at = error.span().map(|span| line_of_place(text, span.start));
        let at = at.map_or_else(String::new, |line| format!("line {line}: "));
        Invalid::new(format!("{at}{}", error.message().lines().next().unwrap_or("not TOML"))).expected("valid TOML")
    })?;
    let expected = "`[[limit]]` for each limit, with `name` and `rule` below it";
    if let Some(key) = file.keys().find(|key| *key != LIMIT) {
        let invalid = Invalid::new("unknown key").column(key).expected(expected);
        return Err(with_nearest(invalid, key, &[LIMIT]));
    }
    let Some(Value::Array(limits)) = file.get(LIMIT) else {
        return Err(Invalid::new("the file has no limits").expected(expected).into());
    };
    if limits.is_empty() || limits.len() > MOST_LIMITS {
        let invalid = Invalid::new("too few or too many limits").value(limits.len().to_string());
        return Err(invalid.expected(format!("1 to {MOST_LIMITS} limits")).into());
    }
    let mut all: Vec<Limit> = Vec::with_capacity(limits.len());
    let lines = lines_of(text);
    for (number, value) in (1..).zip(limits) {
        let line = lines.get(number - 1).copied().unwrap_or_default();
        let Value::Table(table) = value else {
            let problem = format!("{}: not a limit", place_of(number, None, line));
            return Err(Invalid::new(problem).value(value.to_string()).expected(expected).into());
        };
        let name = table.get(NAME).and_then(Value::as_str);
        let mut limit = limit_of(table).map_err(|mut invalid| {
            invalid.problem = format!("{}: {}", place_of(number, name, line), invalid.problem);
            invalid.value = invalid.value.map(|value| shown(&value));
            invalid
        })?;
        if let Some((other, first)) = (1..).zip(&all).find(|(_, other)| other.name == limit.name) {
            let (place, other) = (place_of(number, name, line), place_of(other, None, first.line));
            let invalid = Invalid::new(format!("{place}: {other} has the same name")).column(NAME).value(&limit.name);
            return Err(invalid.expected("each name once").into());
        }
        limit.line = line;
        all.push(limit);
    }
    Ok(all)
}

/// Which limit of a file: `limit 2 (desk MMR), line 9`.
fn place_of(number: usize, name: Option<&str>, line: usize) -> String {
    let name = name.map_or_else(String::new, |name| format!(" ({})", shown(name)));
    format!("limit {number}{name}, line {line}")
}

/// The line on which each limit begins, from 1.
fn lines_of(text: &str) -> Vec<usize> {
    let Ok(file) = DeTable::parse(text) else { return Vec::new() };
    let Some(DeValue::Array(limits)) = file.get_ref().get(LIMIT).map(Spanned::get_ref) else { return Vec::new() };
    limits.iter().map(|limit| line_of_place(text, limit.span().start)).collect()
}

/// The line of a place in a text, from 1.
fn line_of_place(text: &str, place: usize) -> usize {
    text.get(..place).unwrap_or(text).matches('\n').count() + 1
}

fn limit_of(table: &Table) -> Result<Limit, Box<Invalid>> {
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let keys = KEYS.map(|key| format!("`{key}`")).join(", ");
        let invalid = Invalid::new("unknown key").column(key).expected(keys);
        return Err(with_nearest(invalid, key, &KEYS));
    }
    let name = line_of(table, NAME, LONGEST_NAME)?.ok_or_else(|| missing(NAME, "a name such as `desk MMR`"))?;
    let text = line_of(table, RULE, LONGEST_TEXT)?
        .ok_or_else(|| missing(RULE, "a rule such as `account.margin_ratio >= 1.2`"))?;
    let rule = Rule::read(&text).map_err(|invalid| Box::new(invalid.column(RULE)))?;
    let word = line_of(table, SEVERITY, LONGEST_NAME)?
        .ok_or_else(|| missing(SEVERITY, "`info`, `soft` or `hard`: how serious a breach is"))?;
    let severity = word.parse::<Severity>().map_err(|_| {
        let words = Severity::ALL.map(Severity::name);
        let invalid = Invalid::new("unknown severity").column(SEVERITY).value(&word);
        with_nearest(invalid.expected("`info`, `soft` or `hard`"), &word, &words)
    })?;
    let only = names_of(table, ONLY)?;
    if !only.is_empty() && matches!(rule.scope, Scope::Unit(_) | Scope::Book) {
        let invalid = Invalid::new("only a limit on groups or accounts can be for some of them").column(ONLY);
        return Err(invalid
            .value(only.join(", "))
            .expected("a rule that begins with `group`, `account` or `worst`")
            .into());
    }
    let scenarios = names_of(table, SCENARIOS)?;
    let is_over_scenarios = matches!(rule.figure.in_stress, Some(Source::Distribution(..)));
    if !scenarios.is_empty() && is_over_scenarios {
        let invalid = Invalid::new("a figure over all scenarios is of none of them").column(SCENARIOS);
        return Err(invalid.value(scenarios.join(", ")).expected("no scenarios").into());
    }
    Ok(Limit { name, line: 0, rule, severity, text: line_of(table, TEXT, LONGEST_TEXT)?, only, scenarios })
}

fn missing(key: &str, expected: &str) -> Invalid {
    Invalid::new("missing key").column(key).expected(expected)
}

fn with_nearest(invalid: Invalid, word: &str, known: &[&'static str]) -> Box<Invalid> {
    hinted(invalid, nearest(word, known.iter().copied()))
}

/// A character that a reader of a terminal does not see.
fn is_hidden(character: char) -> bool {
    character.is_control() || turns_text(character)
}

/// A line of text of a key, if it is there.
fn line_of(table: &Table, key: &str, longest: usize) -> Result<Option<String>, Box<Invalid>> {
    table.get(key).map(|value| line(key, value, longest)).transpose()
}

fn line(key: &str, value: &Value, longest: usize) -> Result<String, Box<Invalid>> {
    let invalid = |problem: &str| {
        let expected = format!("one line of 1 to {longest} characters in quotes");
        Invalid::new(problem).column(key).value(value.to_string()).expected(expected)
    };
    let Value::String(text) = value else { return Err(invalid("not a text").into()) };
    if text.trim().is_empty() || text.chars().count() > longest || text.contains(is_hidden) {
        return Err(invalid("not a line of text").into());
    }
    Ok(text.trim().to_owned())
}

/// The names in a list, if it is there. An empty name is that of a group whose value is missing.
fn names_of(table: &Table, key: &str) -> Result<Vec<String>, Box<Invalid>> {
    let Some(value) = table.get(key) else { return Ok(Vec::new()) };
    let invalid = || {
        let expected = "a list of names in quotes, each once, such as `[\"options\", \"delta one\"]`";
        Invalid::new("not a list of names").column(key).value(value.to_string()).expected(expected)
    };
    let Value::Array(values) = value else { return Err(invalid().into()) };
    let (mut names, mut known) = (Vec::with_capacity(values.len()), HashSet::new());
    for value in values {
        match value {
            Value::String(name) if !name.contains(is_hidden) && known.insert(name) => names.push(name.clone()),
            _ => return Err(invalid().into()),
        }
    }
    if names.is_empty() { Err(invalid().into()) } else { Ok(names) }
}

/// A value in an error: it may be as long as the file.
fn shown(text: &str) -> String {
    let short = match text.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    };
    in_a_line(&short)
}
