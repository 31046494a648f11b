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
use super::polls::{self, Said};
use super::response::{Response, extensions, home, stem};
use super::row::Row;
use crate::kept::Kept;
use crate::memory::MemoryLimit;
use crate::source::{self, LARGEST_JSON};
use crate::{Error, Invalid, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The content of a folder.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// In byte order of the paths.
    pub responses: Vec<Response>,
    /// What was not read, and why.
    pub ignored: Vec<(PathBuf, &'static str)>,
    /// What the user should know of answers that replace each other.
    pub said: Said,
}

/// Bytes that are resident for a byte of an answer, at most, until its rows are written: the text, its values, the rows
/// of the tables.
const BYTES_FOR_ONE: u64 = 32;
/// The program itself.
const PROGRAM_BYTES: u64 = 32 << 20;

/// What answers may take within a limit.
pub(crate) fn budget(limit: MemoryLimit) -> Kept {
    let kept = Kept::default();
    kept.begin(limit.bytes(), limit.bytes().saturating_sub(PROGRAM_BYTES));
    kept
}

/// Reads a folder of responses, or a single one. What the answers take is counted before they are parsed.
///
/// # Errors
/// [`Error::Memory`] if they do not fit; [`Error::Invalid`] for a file that is not JSON, not in the API's envelope, or
/// an error response of the exchange, for
/// a folder with two accounts, and for two answers of an account that have no order; [`Error::Io`].
pub(crate) fn read(place: &Path, kept: &Kept) -> Result<Found> {
    let mut found = Found::default();
    if std::fs::metadata(place).map_err(|err| Error::io("read", place, err))?.is_dir() {
        read_folder(place, &mut found, kept)?;
    } else {
        let path = place.file_name().map_or_else(|| place.to_path_buf(), PathBuf::from);
        for (response, uid) in parse(place, &path, kept)? {
            found.responses.push(Response { account: uid, ..response });
        }
    }
    found.said = polls::settle(&mut found.responses)?;
    Ok(found)
}

/// A file, and the answers in it.
pub(crate) type FileRead = (PathBuf, Result<Vec<Response>>);

/// Reads every file of a folder for itself, or a single one: no answer replaces another. A file that cannot be read as
/// an answer has its error beside its name.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be listed.
pub(crate) fn read_each(place: &Path, kept: &Kept) -> Result<Vec<FileRead>> {
    let is_folder = std::fs::metadata(place).map_err(|err| Error::io("read", place, err))?.is_dir();
    let files = if is_folder { responses_below(place)? } else { vec![place.to_path_buf()] };
    let read = |file: PathBuf| {
        let path = file.strip_prefix(place).ok().filter(|path| path.file_name().is_some());
        let path = path.map_or_else(|| file.file_name().map_or_else(PathBuf::new, PathBuf::from), Path::to_path_buf);
        let responses = parse(&file, &path, kept);
        let responses = responses.map(|found| found.into_iter().map(|(response, _)| response).collect());
        (path, responses)
    };
    Ok(files.into_iter().map(read).collect())
}

fn read_folder(place: &Path, found: &mut Found, kept: &Kept) -> Result<()> {
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
        for (response, uid) in parse(&file, &path, kept)? {
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

/// The files below a folder whose names are those of responses, in byte order of their paths.
pub(super) fn responses_below(place: &Path) -> Result<Vec<PathBuf>> {
    let files = Listed::below(place)?.files;
    Ok(files.into_iter().filter(|file| extensions(file).is_some()).collect())
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

fn folder_name(place: &Path, home: &Path) -> String {
    let parts: Vec<_> = home.iter().map(|part| part.to_string_lossy()).collect();
    if !parts.is_empty() {
        return parts.join("/");
    }
    let whole = std::fs::canonicalize(place).unwrap_or_else(|_| place.to_path_buf());
    whole.file_name().map_or_else(|| "account".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The answers of a file, and the account that each of them states.
fn parse(file: &Path, path: &Path, kept: &Kept) -> Result<Vec<(Response, Option<String>)>> {
    let packed = std::fs::metadata(file).map_or(0, |found| found.len());
    let count = |bytes: u64| kept.add(bytes.saturating_mul(BYTES_FOR_ONE), "the answers");
    count(packed)?;
    let text = source::read_text(file, LARGEST_JSON)?;
    count((text.len() as u64).saturating_sub(packed))?;
    let mut answers: Vec<Answer> = Vec::new();
    // Pushes of a channel are one answer.
    let mut channels: BTreeMap<(String, Option<String>), usize> = BTreeMap::new();
    for answer in envelope::answers(file, &text)? {
        let place = answer.channel.clone().map(|channel| channels.entry((channel, answer.uid.clone())));
        match place {
            Some(std::collections::btree_map::Entry::Occupied(known)) => {
                if let Some(known) = answers.get_mut(*known.get()) {
                    known.rows.extend_from_slice(&answer.rows);
                }
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
