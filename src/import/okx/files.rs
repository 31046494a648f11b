//! Finds the files of a folder of responses, with the account and endpoint of each answer in them.
//!
//! ```text
//! FOLDER/*.json                  public data, and the responses of one account
//! FOLDER/NAME/*.json             the responses of account NAME
//! FOLDER/account_balance/*.json  a folder named for an endpoint belongs to the folder above
//! ```
//!
//! Files are named `*.json`, `*.jsonl` or `*.ndjson`, or these with `.gz`; a file may hold several answers. The account
//! name is the `uid` of its `account/config`, else the name of its folder. A push (`{"arg": {"uid": ...}, "data":
//! [...]}`) states its account itself.
//!
//! Links are followed once: what was read under another name is not read again, so that a folder that links to itself
//! holds no account twice. Real folders come first.

use super::endpoint::Endpoint;
use super::envelope::{self, Answer};
use super::row::Row;
use super::{polls, sequence};
use crate::source::{self, LARGEST_JSON};
use crate::{Error, Invalid, Result};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
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
    replaced: BTreeSet<usize>,
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

/// The content of a folder.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// In byte order of the paths.
    pub responses: Vec<Response>,
    /// What was not read, and why.
    pub ignored: Vec<(PathBuf, &'static str)>,
    /// What the user should know of answers that replace each other.
    pub notes: Vec<String>,
}

/// Reads a folder of responses, or a single one.
///
/// # Errors
/// [`Error::Invalid`] for a file that is not JSON, not in the API's envelope, or an error response of the exchange, for
/// a folder with two accounts, and for two answers of an account that have no order; [`Error::Io`].
pub(crate) fn read(place: &Path) -> Result<Found> {
    let mut found = Found::default();
    if !std::fs::metadata(place).map_err(|err| Error::io("read", place, err))?.is_dir() {
        let path = place.file_name().map_or_else(|| place.to_path_buf(), PathBuf::from);
        for (response, uid) in parse(place, &path)? {
            found.responses.push(Response { account: uid, ..response });
        }
    } else {
        read_folder(place, &mut found)?;
    }
    found.notes = polls::settle(&mut found.responses)?;
    Ok(found)
}

fn read_folder(place: &Path, found: &mut Found) -> Result<()> {
    let listed = Listed::below(place)?;
    let relative = |path: &Path| path.strip_prefix(place).unwrap_or(path).to_path_buf();
    found.ignored.extend(listed.linked_twice.iter().map(|path| (relative(path), "a link to what is read already")));
    let mut uids: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut owners = Vec::new();
    for file in listed.files {
        let path = relative(&file);
        if extensions(&path).is_none() {
            found.ignored.push((path, "its name is not one of a response: `*.json`, `*.jsonl`, `*.json.gz`"));
            continue;
        }
        let home = home(&path);
        for (response, uid) in parse(&file, &path)? {
            if response.endpoint == Endpoint::Config {
                learn_uid(&file, &home, &response, &mut uids)?;
            }
            owners.push((home.clone(), uid));
            found.responses.push(response);
        }
    }
    for (response, (home, uid)) in found.responses.iter_mut().zip(owners) {
        let name = || folder_name(place, &home);
        response.account = Some(uid.or_else(|| uids.get(&home).cloned()).unwrap_or_else(name));
    }
    found.ignored.sort();
    Ok(())
}

/// The account of a folder, by its settings.
fn learn_uid(file: &Path, home: &Path, response: &Response, uids: &mut BTreeMap<PathBuf, String>) -> Result<()> {
    let named = response.rows.iter().filter_map(|row| Row::of(row).ok()?.text(&["uid"]).ok()?);
    for uid in named {
        if let Some(other) = uids.get(home).filter(|other| **other != uid) {
            return Err(Invalid::new("two accounts in one folder")
                .file(file)
                .column("uid")
                .value(uid)
                .expected(format!("`{other}`, as in another account/config of the folder"))
                .hint("give each account a folder of its own")
                .into());
        }
        uids.insert(home.to_path_buf(), uid);
    }
    Ok(())
}

/// Files below a folder.
#[derive(Default)]
struct Listed {
    /// In byte order of their paths.
    files: Vec<PathBuf>,
    /// Links to what is there under another name.
    linked_twice: Vec<PathBuf>,
    /// Real paths of what was found.
    seen: BTreeSet<PathBuf>,
    links: BTreeSet<PathBuf>,
}

impl Listed {
    /// Hidden files are skipped.
    fn below(place: &Path) -> Result<Self> {
        let mut listed = Self::default();
        let mut open = vec![place.to_path_buf()];
        loop {
            while let Some(folder) = open.pop() {
                listed.look_into(&folder, &mut open)?;
            }
            // One link after another, since what is behind it may be what others lead to.
            let Some(link) = listed.links.pop_first() else { break };
            match std::fs::metadata(&link) {
                Ok(found) if found.is_dir() => open.push(link),
                _ => listed.add_file(link),
            }
        }
        listed.files.sort();
        Ok(listed)
    }

    fn look_into(&mut self, folder: &Path, open: &mut Vec<PathBuf>) -> Result<()> {
        let failed = |err| Error::io("read", folder, err);
        if !self.seen.insert(std::fs::canonicalize(folder).map_err(failed)?) {
            self.linked_twice.push(folder.to_path_buf());
            return Ok(());
        }
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
                continue;
            }
            // What cannot be looked at counts as a file, which then cannot be read.
            match path.symlink_metadata() {
                Ok(found) if found.is_symlink() => drop(self.links.insert(path)),
                Ok(found) if found.is_dir() => open.push(path),
                _ => self.add_file(path),
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: PathBuf) {
        let real = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        if self.seen.insert(real) { self.files.push(path) } else { self.linked_twice.push(path) }
    }
}

/// Groups of endpoints. Folders may be named after them: `account_balance`, or `account` with `balance` in it.
const GROUPS: [&str; 4] = ["account", "public", "market", "trade"];

/// The folder of the account that a file belongs to, without the folders named after an endpoint.
fn home(path: &Path) -> PathBuf {
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

fn folder_name(place: &Path, home: &Path) -> String {
    let parts: Vec<_> = home.iter().map(|part| part.to_string_lossy()).collect();
    if !parts.is_empty() {
        return parts.join("/");
    }
    let whole = std::fs::canonicalize(place).unwrap_or_else(|_| place.to_path_buf());
    whole.file_name().map_or_else(|| "account".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The extensions of the name of a response, if it is one.
fn extensions(path: &Path) -> Option<usize> {
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

/// The answers of a file, and the account that each of them states.
fn parse(file: &Path, path: &Path) -> Result<Vec<(Response, Option<String>)>> {
    let text = source::read_text(file, LARGEST_JSON)?;
    let mut answers = Vec::new();
    // Pushes of a channel are one answer.
    let mut channels: BTreeMap<(String, Option<String>), usize> = BTreeMap::new();
    for answer in envelope::answers(file, &text)? {
        let place = answer.channel.clone().map(|channel| channels.entry((channel, answer.uid.clone())));
        match place {
            Some(std::collections::btree_map::Entry::Occupied(known)) => {
                let known: Option<&mut Answer> = answers.get_mut(*known.get());
                known.into_iter().for_each(|known| known.rows.extend_from_slice(&answer.rows));
            }
            Some(std::collections::btree_map::Entry::Vacant(new)) => {
                new.insert(answers.len());
                answers.push(answer);
            }
            None => answers.push(answer),
        }
    }
    let is_alone = answers.len() == 1;
    let response = |(number, answer): (u64, Answer)| {
        let endpoint = endpoint(file, &answer);
        let response = Response {
            path: path.to_path_buf(),
            answer: (!is_alone).then_some(number),
            account: None,
            endpoint,
            rows: answer.rows,
            push: answer.channel.is_some(),
            ccy: answer.ccy,
            replaced: BTreeSet::new(),
        };
        (response, answer.uid)
    };
    Ok((1..).zip(answers).map(response).collect())
}

/// The endpoint of an answer: by its rows, else by its channel, else by the name of the file or of its folder.
fn endpoint(file: &Path, answer: &Answer) -> Endpoint {
    if !answer.rows.is_empty() {
        return Endpoint::of_rows(&answer.rows);
    }
    if let Some(known) = answer.channel.as_deref().and_then(Endpoint::of_channel) {
        return known;
    }
    let folder = file.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    [Some(stem(file)), folder]
        .into_iter()
        .flatten()
        .find_map(|name| Endpoint::of_name(&name))
        .unwrap_or(Endpoint::Empty)
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
