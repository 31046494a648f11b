//! One answer of a file: its rows, its endpoint, its account, and what the names of its file and folders say.

use super::endpoint::Endpoint;
use super::row::Row;
use super::sequence;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One answer, parsed.
#[derive(Debug)]
pub(crate) struct Response {
    /// Relative to the folder; the file name if a single file was given.
    pub path: PathBuf,
    /// Its number in the file, from 1; `None` if the file holds one answer.
    pub answer: Option<u64>,
    /// The account whose folder contains the file (also set for public data, which ignores it). `None` for a single
    /// file that does not state its account.
    pub account: Option<String>,
    /// Its endpoint.
    pub endpoint: Endpoint,
    /// The items of `data`.
    pub rows: Vec<Value>,
    /// Rows of pushes: each replaces the row before it, and a row that does not come is unchanged.
    pub push: bool,
    /// The currency that was asked for, if it was saved with the answer.
    pub ccy: Option<String>,
    /// Rows that a later answer replaces.
    pub(super) replaced: BTreeSet<usize>,
}

impl Response {
    /// The rows that hold.
    pub fn current(&self) -> impl Iterator<Item = &Value> {
        self.numbered().filter(|(_, is_current)| *is_current).map(|(value, _)| value)
    }

    /// All rows, and whether they hold.
    pub fn numbered(&self) -> impl Iterator<Item = (&Value, bool)> {
        self.rows.iter().enumerate().map(|(number, value)| (value, !self.replaced.contains(&number)))
    }

    /// Takes out the rows that a later answer covers. What is no row stays, and is counted as what it is.
    pub fn replace(&mut self, is_covered: impl Fn(Row) -> bool) {
        let rows = self.rows.iter().enumerate();
        let covered = rows.filter(|(_, value)| Row::of(value).is_ok_and(&is_covered)).map(|(number, _)| number);
        self.replaced.extend(covered.collect::<Vec<_>>());
    }

    /// Its file, and its number in it.
    pub fn name(&self) -> String {
        let path = self.path.display();
        self.answer.map_or_else(|| path.to_string(), |answer| format!("{path}, answer {answer}"))
    }

    /// The name of its file without extensions, behind the name of a folder that is named after an endpoint.
    pub fn stem(&self) -> String {
        let folder = self.path.parent().filter(|parent| home(&self.path) != **parent).and_then(Path::file_name);
        let folder = folder.map(|name| format!("{}_", name.to_string_lossy())).unwrap_or_default();
        format!("{folder}{}", stem(&self.path))
    }

    /// The words of [`Self::stem`].
    pub fn words(&self) -> BTreeSet<String> {
        self.stem().split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_owned).collect()
    }

    /// Which of two answers was saved later, if their names or their places in one file say it.
    pub fn order_by_name(&self, other: &Self) -> Option<Ordering> {
        if self.path == other.path {
            return Some(self.answer.cmp(&other.answer)).filter(|order| order.is_ne());
        }
        sequence::by_name(&self.path, &other.path)
    }
}

/// The extensions of the name of a response, if it is one.
pub(super) fn extensions(path: &Path) -> Option<usize> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    let bare = [".json", ".jsonl", ".ndjson"].iter().find_map(|extension| plain.strip_suffix(extension))?;
    Some(name.len() - bare.len())
}

/// The name of a file without the extensions of a response.
pub(super) fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let end = name.len() - extensions(path).unwrap_or(0);
    name.get(..end).map_or_else(|| name.clone(), str::to_owned)
}

/// Groups of endpoints. Folders may be named after them: `account_balance`, or `account` with `balance` in it.
const GROUPS: [&str; 4] = ["account", "public", "market", "trade"];

/// The folder of the account that a file belongs to, without the folders named after an endpoint.
pub(super) fn home(path: &Path) -> PathBuf {
    let mut home = PathBuf::new();
    let mut folders = path.parent().map(Path::to_path_buf).unwrap_or_default();
    for folder in &std::mem::take(&mut folders) {
        let name = folder.to_string_lossy();
        let below_group = folders.file_name().is_some_and(|last| GROUPS.iter().any(|group| last == *group));
        let of_group =
            |group: &&str| name.strip_prefix(*group).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
        if !below_group && !GROUPS.iter().any(of_group) {
            home.push(folder);
        }
        folders.push(folder);
    }
    home
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_of_files() {
        for (path, expected) in [
            ("a.json", ""),
            ("account_balance/a.json", ""),
            ("public/instruments/a.json", ""),
            ("desk1/account/balance/a.json", "desk1"),
            ("account_balance/desk1/a.json", "desk1"),
            ("desk1/a.json", "desk1"),
            ("desk1/account_positions/a.json", "desk1"),
            ("accounting/a.json", "accounting"),
        ] {
            assert_eq!(home(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn names_of_responses() {
        for (path, expected) in [
            ("a.json", Some("a")),
            ("a.JSON", Some("a")),
            ("b/a.jsonl", Some("a")),
            ("a.ndjson.gz", Some("a")),
            ("a.json.gz", Some("a")),
            ("a.gz", None),
            ("a.txt", None),
            ("json", None),
        ] {
            let found = extensions(Path::new(path)).map(|_| stem(Path::new(path)));
            assert_eq!(found.as_deref(), expected, "{path}");
        }
    }
}
