//! Layers of keys: the last layer that gives a key wins, and the source of each value is recorded.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};

use toml::{Table, Value};

use super::RuleValue;
use super::bounds::{self, LARGEST_RULES, shown};
use super::key::{self, Known, OPTIONAL, Path, REST, Role, basic_string, dotted};
use super::marks::{Mark, marks};
use super::sets::{BUILT_IN_NAME, BuiltIn, built_in, default_set, known_names};
use crate::error::{Error, Invalid, Result};
use crate::source::{self, ReadFile};

/// The source of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    /// By its name.
    BuiltIn(&'static str),
    File(PathBuf),
    /// A set given as text.
    Text,
    /// The words that a loaded set has for it.
    Known(String),
    /// The complete `key=value`.
    Set(String),
}

impl Source {
    fn label(&self) -> String {
        match self {
            Self::BuiltIn(name) => format!("built-in {name}"),
            Self::File(path) => format!("file {}", path.display()),
            Self::Text => "text".to_owned(),
            Self::Known(label) => label.clone(),
            Self::Set(_) => "--set".to_owned(),
        }
    }

    /// Adds the source to a problem.
    fn mark(&self, mut invalid: Invalid) -> Invalid {
        match self {
            Self::BuiltIn(name) => invalid.problem = format!("built-in rules `{name}`: {}", invalid.problem),
            Self::File(path) => invalid.file = Some(path.clone()),
            Self::Text => invalid.problem = format!("rules given as text: {}", invalid.problem),
            Self::Known(label) => invalid.problem = format!("rules from {label}: {}", invalid.problem),
            Self::Set(text) => invalid.problem = format!("setting `{}`: {}", shown(text), invalid.problem),
        }
        // A value may be as long as its file.
        invalid.value = invalid.value.map(|value| shown(&value));
        invalid
    }
}

/// An invalid value of a key, or values that contradict each other.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    /// The keys involved. The error names the one of the latest layer; of the same layer, the first.
    pub(super) keys: Vec<String>,
    pub(super) problem: String,
    pub(super) expected: String,
    /// The invalid part of the value; `None` for the whole value.
    pub(super) value: Option<String>,
}

impl Fault {
    pub(super) fn new(key: impl Into<String>, problem: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { keys: vec![key.into()], problem: problem.into(), expected: expected.into(), value: None }
    }

    /// Adds another key that is involved.
    pub(super) fn with(mut self, key: impl Into<String>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// Quotes the invalid part of the value.
    pub(super) fn value(mut self, value: impl Into<String>) -> Self {
        self.value = Some(value.into());
        self
    }
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) key: String,
    pub(super) path: Path,
    pub(super) value: Value,
    /// How far it is to be trusted, if its layer says so.
    mark: Option<Mark>,
    /// Index into [`Resolved::sources`]; a higher one is a later layer.
    layer: usize,
}

/// Every key of a set once, in canonical order.
pub(super) struct Resolved {
    pub(super) leaves: Vec<Leaf>,
    sources: Vec<Source>,
    /// The file of the user's layer.
    pub(super) file: Option<ReadFile>,
}

impl Resolved {
    /// The leaves as one nested table.
    pub(super) fn table(&self) -> Table {
        let mut root = Table::new();
        for leaf in &self.leaves {
            insert(&mut root, &leaf.path, leaf.value.clone());
        }
        root
    }

    /// The leaf of a dotted key.
    pub(super) fn leaf(&self, key: &str) -> Option<&Leaf> {
        self.leaves.iter().find(|leaf| leaf.key == key)
    }

    /// A fault as an error with its source.
    pub(super) fn blame(&self, fault: Fault) -> Error {
        // `max_by_key` returns the last of equal elements, so iterate from the back.
        let culprit = fault.keys.iter().rev().filter_map(|key| self.leaf(key)).max_by_key(|leaf| leaf.layer);
        let mut invalid = Invalid::new(fault.problem).expected(fault.expected);
        invalid.column = culprit.map(|leaf| leaf.key.clone()).or(fault.keys.first().cloned());
        invalid.value = fault.value.or(culprit.map(|leaf| literal(&leaf.value)));
        match culprit.and_then(|leaf| self.sources.get(leaf.layer)) {
            Some(source) => source.mark(invalid).into(),
            None => invalid.into(),
        }
    }

    /// The leaves as text, with their sources.
    pub(super) fn values(&self) -> Vec<RuleValue> {
        let source = |leaf: &Leaf| self.sources.get(leaf.layer).map_or(String::new(), Source::label);
        self.leaves
            .iter()
            .map(|leaf| RuleValue {
                key: leaf.key.clone(),
                value: canonical_value(leaf),
                source: source(leaf),
                mark: leaf.mark.clone(),
            })
            .collect()
    }
}

/// Applies the file and the settings over the built-in set. Afterwards all keys are known and present; values are not
/// checked yet.
pub(super) fn resolve(own: Option<UserRules>, set: &[String]) -> Result<Resolved> {
    let of = |set: &BuiltIn| parse(set.text).map_err(|invalid| Error::from(Source::BuiltIn(set.name).mark(*invalid)));
    let known = Known::of(&of(default_set())?);
    let mut merged = Layers { known, leaves: BTreeMap::new(), sources: Vec::new(), file: None };
    let (given, file) = own.map(UserRules::read).transpose()?.unzip();
    merged.file = file.flatten();
    let below = given.as_ref().map_or(Some(default_set()), |given| given.extends);
    if let Some(set) = below {
        merged.add(Source::BuiltIn(set.name), of(set)?, marks(set.text))?;
    }
    if let Some(Given { source, table, marks, .. }) = given {
        merged.add(source, table, marks)?;
    }
    merged.set(set)?;
    merged.finish()
}

/// Settings over the values of a set that was loaded before, each of which keeps its source and mark.
pub(super) fn above(values: &[RuleValue], set: &[String]) -> Result<Resolved> {
    let of_default = parse(default_set().text).map_err(|invalid| Error::from(*invalid))?;
    let mut merged = Layers { known: Known::of(&of_default), leaves: BTreeMap::new(), sources: Vec::new(), file: None };
    for given in values {
        let source = Source::Known(given.source.clone());
        let text = format!("{} = {}", given.key, given.value);
        let table = parse(&text).map_err(|invalid| source.mark(*invalid))?;
        // One layer a value, in the order of the set: of values that contradict each other the first is named.
        merged.add(source, table, BTreeMap::new())?;
        let layer = merged.sources.len() - 1;
        if let Some(leaf) = merged.leaves.values_mut().find(|leaf| leaf.layer == layer) {
            leaf.mark.clone_from(&given.mark);
        }
    }
    merged.set(set)?;
    merged.finish()
}

struct Layers {
    known: Known,
    leaves: BTreeMap<Path, Leaf>,
    sources: Vec<Source>,
    file: Option<ReadFile>,
}

impl Layers {
    fn add(&mut self, source: Source, table: Table, mut marks: BTreeMap<Path, Mark>) -> Result<()> {
        let layer = self.sources.len();
        let added = table.into_iter().try_for_each(|(name, value)| self.put(layer, &mut vec![name], value));
        let added = added.map_err(|invalid| source.mark(*invalid).into());
        for (path, leaf) in self.leaves.iter_mut().filter(|(_, leaf)| leaf.layer == layer) {
            leaf.mark = marks.remove(path);
        }
        self.sources.push(source);
        added
    }

    fn put(&mut self, layer: usize, path: &mut Path, value: Value) -> Result<(), Box<Invalid>> {
        bounds::check_key(path)?;
        match (self.known.role(path), value) {
            (Role::Leaf, Value::Table(table)) => Err(Box::new(
                Invalid::new("a group of keys where a value is expected")
                    .column(dotted(path))
                    .value(literal(&Value::Table(table)))
                    .expected(format!("`{} = VALUE`", dotted(path))),
            )),
            (Role::Leaf, value) => {
                bounds::check_items(path, &value)?;
                bounds::check_keys(path, self.leaves.len())?;
                self.leaves
                    .insert(path.clone(), Leaf { key: dotted(path), path: path.clone(), value, mark: None, layer });
                Ok(())
            }
            (Role::Group(_), Value::Table(table)) => table.into_iter().try_for_each(|(name, value)| {
                path.push(name);
                let done = self.put(layer, path, value);
                path.pop();
                done
            }),
            (Role::Group(inside), value) => Err(Box::new(
                Invalid::new("a value where a group of keys is expected")
                    .column(dotted(path))
                    .value(literal(&value))
                    .expected(list(&inside)),
            )),
            (Role::Unknown, value) => {
                let (path, value) = first_leaf(path.clone(), value);
                bounds::check_key(&path)?;
                Err(Box::new(
                    Invalid::new("unknown key")
                        .column(dotted(&path))
                        .value(literal(&value))
                        .expected(format!("a known key; the nearest is `{}`", self.known.nearest(&path)))
                        .hint("`remargin rules show` lists every key"),
                ))
            }
        }
    }

    /// Adds settings, each a layer of its own.
    fn set(&mut self, set: &[String]) -> Result<()> {
        bounds::check_settings(set)?;
        set.iter().try_for_each(|text| {
            let source = Source::Set(text.clone());
            let table = parse_setting(text).map_err(|invalid| source.mark(*invalid))?;
            self.add(source, table, BTreeMap::new())
        })
    }

    /// Puts the leaves in canonical order. Every key must be present.
    fn finish(mut self) -> Result<Resolved> {
        let mut leaves = Vec::new();
        for path in self.known.required() {
            if path.last().is_some_and(|part| part == REST) {
                let table = path.len() - 1;
                leaves.extend(
                    self.leaves
                        .values()
                        .filter(|leaf| leaf.path.len() == path.len() && leaf.path.get(..table) == path.get(..table))
                        .filter(|leaf| leaf.path != *path)
                        .cloned(),
                );
            }
            let Some(leaf) = self.leaves.remove(path) else {
                if OPTIONAL.iter().any(|(key, _)| *key == dotted(path)) {
                    continue;
                }
                let invalid = Invalid::new("missing key")
                    .column(dotted(path))
                    .expected("every key of the set, since the file does not extend another")
                    .hint(format!("`extends = \"{BUILT_IN_NAME}\"` takes the rest from the built-in set"));
                return Err(self.sources.first().map_or(invalid.clone(), |source| source.mark(invalid)).into());
            };
            leaves.push(leaf);
        }
        Ok(Resolved { leaves, sources: self.sources, file: self.file })
    }
}

/// A set of rules given by the user.
#[derive(Clone, Copy)]
pub(super) enum UserRules<'a> {
    File(&'a FilePath),
    Text(&'a str),
    /// A set inside a file that also contains other data.
    TextIn(&'a str, &'a FilePath),
    /// A set of the program.
    BuiltIn(&'static BuiltIn),
}

/// What the user gives: one layer, over a built-in set if it extends one.
struct Given {
    source: Source,
    table: Table,
    marks: BTreeMap<Path, Mark>,
    extends: Option<&'static BuiltIn>,
}

impl UserRules<'_> {
    fn read(self) -> Result<(Given, Option<ReadFile>)> {
        let path = match self {
            Self::File(path) => path,
            Self::BuiltIn(set) => return Ok((read_text(Source::BuiltIn(set.name), set.text)?, None)),
            Self::Text(text) => return Ok((read_text(Source::Text, text)?, None)),
            Self::TextIn(text, file) => return Ok((read_text(Source::File(file.to_path_buf()), text)?, None)),
        };
        let source = Source::File(path.to_path_buf());
        let bytes = source::read_if_there(path, LARGEST_RULES)?.ok_or_else(|| missing(path))?;
        let file = ReadFile { path: path.to_path_buf(), blake3: blake3::hash(&bytes).to_hex().to_string() };
        let text = String::from_utf8(bytes).map_err(|err| {
            let line = line_at(err.as_bytes(), err.utf8_error().valid_up_to());
            source.mark(Invalid::new(format!("not a text in UTF-8 at line {line}")).expected("a TOML file"))
        })?;
        Ok((read_text(source, &text)?, Some(file)))
    }
}

fn missing(path: &FilePath) -> Error {
    Error::io("read", path, path.symlink_metadata().err().unwrap_or(std::io::ErrorKind::NotFound.into()))
}

fn read_text(source: Source, text: &str) -> Result<Given> {
    bounds::check_text(text).map_err(|invalid| source.mark(*invalid))?;
    let mut table = parse(text).map_err(|invalid| source.mark(*invalid))?;
    let extends = match table.remove("extends") {
        None => None,
        Some(Value::String(base)) if built_in(&base).is_some() => built_in(&base),
        Some(other) => {
            let invalid = Invalid::new("unknown set to extend").column("extends").value(literal(&other));
            return Err(source.mark(invalid.expected(known_names())).into());
        }
    };
    if let Some(parent) = extends {
        name_overlay(&mut table, &source, parent).map_err(|invalid| source.mark(*invalid))?;
    }
    let marks = marks(text);
    Ok(Given { source, table, marks, extends })
}

/// An overlay is another set than the one that it extends: it has a name of its own, or that of its parent and file.
fn name_overlay(table: &mut Table, source: &Source, parent: &BuiltIn) -> Result<(), Box<Invalid>> {
    match table.get("name") {
        Some(Value::String(name)) if built_in(name).is_some() => Err(Box::new(
            Invalid::new("an overlay with the name of a built-in set")
                .column("name")
                .value(name)
                .expected("a name of its own, such as \"desk-2026\""),
        )),
        Some(_) => Ok(()),
        None => {
            let own = match source {
                Source::File(path) => path.file_stem().map(|stem| stem.to_string_lossy().into_owned()),
                Source::BuiltIn(_) | Source::Text | Source::Known(_) | Source::Set(_) => None,
            };
            let own = own.filter(|stem| !stem.chars().any(char::is_control));
            let name = format!("{}+{}", parent.name, own.as_deref().unwrap_or("overlay"));
            table.insert("name".to_owned(), Value::String(name));
            Ok(())
        }
    }
}

fn parse(text: &str) -> Result<Table, Box<Invalid>> {
    text.parse::<Table>().map_err(|err| {
        let at = err.span().map_or(0, |span| span.start.min(text.len()));
        let line = line_at(text.as_bytes(), at);
        let quoted = text.lines().nth(line - 1).unwrap_or_default().trim();
        let invalid = Invalid::new(format!("invalid TOML at line {line}: {}", one_line(err.message())));
        Box::new(invalid.value(quoted).expected("TOML: `key = value` lines under `[table]` headers, each key once"))
    })
}

/// One `--set` as a table with a single key.
fn parse_setting(text: &str) -> Result<Table, Box<Invalid>> {
    let expected = "`key=value`, such as `risk_unit=merged` or `mr4.floor.major=0.012`";
    let Some((path, value)) = key::split_assignment(text) else {
        return Err(Box::new(Invalid::new("not a setting").expected(expected)));
    };
    bounds::check_key(&path)?;
    let bare = |c: char| c.is_alphanumeric() || "_-.+".contains(c);
    let value = match value.parse::<Value>() {
        Ok(value) => value,
        Err(_) if !value.is_empty() && value.chars().all(bare) => Value::String(value.to_owned()),
        Err(err) => {
            let invalid = Invalid::new(format!("not a TOML value: {}", one_line(err.message())));
            let invalid = invalid.column(dotted(&path)).value(value);
            return Err(Box::new(invalid.expected("a number, a word, a \"string\" or an [array]")));
        }
    };
    let mut table = Table::new();
    insert(&mut table, &path, value);
    Ok(table)
}

fn insert(table: &mut Table, path: &[String], value: Value) {
    let [first, rest @ ..] = path else { return };
    if rest.is_empty() {
        table.insert(first.clone(), value);
    } else if let Value::Table(inner) = table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new())) {
        insert(inner, rest, value);
    }
}

fn first_leaf(mut path: Path, value: Value) -> (Path, Value) {
    match value {
        Value::Table(table) if !table.is_empty() => match table.into_iter().next() {
            Some((name, inner)) => {
                path.push(name);
                first_leaf(path, inner)
            }
            None => (path, Value::Table(Table::new())),
        },
        value => (path, value),
    }
}

fn list(keys: &[String]) -> String {
    let shown: Vec<_> = keys.iter().take(4).map(|key| format!("`{key}`")).collect();
    let more = if keys.len() > shown.len() { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}

fn line_at(text: &[u8], at: usize) -> usize {
    1 + text.iter().take(at).filter(|&&byte| byte == b'\n').count()
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).collect::<Vec<_>>().join(", ")
}

/// The value of a checked leaf in canonical form. The order inside a class has no meaning, so classes are sorted.
fn canonical_value(leaf: &Leaf) -> String {
    match &leaf.value {
        Value::Array(items) if leaf.path.first().is_some_and(|part| part == "classes") => {
            let mut items: Vec<String> = items.iter().map(literal).collect();
            items.sort_unstable();
            format!("[{}]", items.join(", "))
        }
        value => literal(value),
    }
}

/// A value as TOML text on one line. Equal numbers get equal text, whether written as integers or floats.
pub(super) fn literal(value: &Value) -> String {
    match value {
        Value::Integer(n) => number(*n as f64),
        Value::Float(x) if *x == f64::INFINITY => "\"inf\"".to_owned(),
        Value::Float(x) => number(*x),
        Value::String(text) => basic_string(text),
        Value::Boolean(flag) => flag.to_string(),
        Value::Datetime(time) => time.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Table(table) => {
            let pairs: Vec<_> = table
                .iter()
                .map(|(name, value)| format!("{} = {}", dotted(std::slice::from_ref(name)), literal(value)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

/// The shortest digits that read back as the same number; with an exponent if very large or small.
pub(super) fn number(x: f64) -> String {
    // Minus zero is zero.
    let x = x + 0.0;
    let size = x.abs();
    if x.is_finite() && size != 0.0 && !(1e-5..1e15).contains(&size) { format!("{x:e}") } else { x.to_string() }
}
