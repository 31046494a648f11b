//! Finds the files of a folder of responses, with the account and endpoint of each.
//!
//! ```text
//! FOLDER/*.json                  public data, and the responses of one account
//! FOLDER/NAME/*.json             the responses of account NAME
//! FOLDER/account_balance/*.json  a folder named for an endpoint belongs to the folder above
//! ```
//!
//! The account name is the `uid` of its `account/config`, else the name of its folder. A response in push format
//! (`{"arg": {"uid": ...}, "data": [...]}`) states its account itself.

use super::endpoint::Endpoint;
use super::row::Row;
use crate::source::{self, LARGEST_JSON};
use crate::{Error, Invalid, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One file, parsed.
#[derive(Debug)]
pub(crate) struct Response {
    /// Relative to the folder; the file name if a single file was given.
    pub path: PathBuf,
    /// The account whose folder contains the file (also set for public data, which ignores it). `None` for a single
    /// file that does not state its account.
    pub account: Option<String>,
    /// Its endpoint.
    pub endpoint: Endpoint,
    /// The items of `data`.
    pub rows: Vec<Value>,
}

/// The content of a folder.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// In byte order of the paths.
    pub responses: Vec<Response>,
    /// Files that are not `.json`.
    pub ignored: Vec<PathBuf>,
}

/// Reads a folder of responses, or a single one.
///
/// # Errors
/// [`Error::Invalid`] for a file that is not JSON, not in the API's envelope, or an error response of the exchange, and
/// for a folder with two accounts; [`Error::Io`].
pub(crate) fn read(place: &Path) -> Result<Found> {
    if !std::fs::metadata(place).map_err(|err| Error::io("read", place, err))?.is_dir() {
        let (endpoint, rows, uid) = parse(place)?;
        let path = place.file_name().map_or_else(|| place.to_path_buf(), PathBuf::from);
        let response = Response { path, account: uid, endpoint, rows };
        return Ok(Found { responses: vec![response], ignored: Vec::new() });
    }
    let mut files = Vec::new();
    list(place, &mut files)?;
    let mut found = Found::default();
    let mut uids: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut homes = Vec::new();
    for file in files {
        let path = file.strip_prefix(place).unwrap_or(&file).to_path_buf();
        if !file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            found.ignored.push(path);
            continue;
        }
        let (endpoint, rows, uid) = parse(&file)?;
        let home = home(&path);
        if endpoint == Endpoint::Config {
            let named = rows.iter().filter_map(|row| Row::of(row).ok()?.text(&["uid"]).ok()?);
            for uid in named {
                if let Some(other) = uids.get(&home).filter(|other| **other != uid) {
                    return Err(Invalid::new("two accounts in one folder")
                        .file(&file)
                        .column("uid")
                        .value(uid)
                        .expected(format!("`{other}`, as in another account/config of the folder"))
                        .hint("give each account a folder of its own")
                        .into());
                }
                uids.insert(home.clone(), uid);
            }
        }
        homes.push((home, uid));
        found.responses.push(Response { path, account: None, endpoint, rows });
    }
    for (response, (home, uid)) in found.responses.iter_mut().zip(homes) {
        let name = || folder_name(place, &home);
        response.account = Some(uid.or_else(|| uids.get(&home).cloned()).unwrap_or_else(name));
    }
    Ok(found)
}

/// All files below a folder, in byte order of their paths. Hidden files are skipped.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(|err| Error::io("read", folder, err))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(|err| Error::io("read", folder, err))?.path());
    }
    paths.sort();
    for path in paths {
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        // What cannot be looked at counts as a file, which then cannot be read.
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
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

/// Endpoint, rows and, for a push message, the uid.
fn parse(file: &Path) -> Result<(Endpoint, Vec<Value>, Option<String>)> {
    let invalid = |problem: &str| Invalid::new(problem).file(file);
    let text = source::text_of(file, source::read(file, LARGEST_JSON)?)?;
    let envelope: Value = serde_json::from_str(&text).map_err(|err| {
        invalid("not a JSON document").value(err.to_string()).hint("the download was cut off; fetch the response again")
    })?;
    let expected = "the API's envelope: {\"code\": \"0\", \"msg\": \"\", \"data\": [...]}";
    let Some(envelope) = envelope.as_object() else {
        return Err(invalid("not a response of the exchange").expected(expected).into());
    };
    let envelope = Row(envelope);
    let fault = |fault: super::row::Fault| Error::from(invalid(&fault.0).expected(expected));
    let code = envelope.text(&["code"]).map_err(fault)?;
    if let Some(code) = code.filter(|code| code != "0") {
        let message = envelope.text(&["msg"]).map_err(fault)?.unwrap_or_default();
        return Err(invalid("an error response of the exchange instead of data")
            .value(format!("code {code}: {message}"))
            .hint("fetch the response again, or its data would be missing without notice")
            .into());
    }
    let arg = envelope.0.get("arg").and_then(Value::as_object);
    let uid = arg.and_then(|arg| Row(arg).text(&["uid"]).ok().flatten());
    let rows = match envelope.0.get("data") {
        Some(Value::Array(rows)) => rows.clone(),
        // A few endpoints return one object instead of a list.
        Some(row @ Value::Object(_)) => vec![row.clone()],
        _ => return Err(invalid("a response without `data`").expected(expected).into()),
    };
    let endpoint = if rows.is_empty() {
        let names = file.iter().rev().take(2).map(|name| name.to_string_lossy().into_owned());
        let stem = |name: String| name.trim_end_matches(".json").to_owned();
        names.map(stem).find_map(|name| Endpoint::of_name(&name)).unwrap_or(Endpoint::Empty)
    } else {
        Endpoint::of_rows(&rows)
    };
    Ok((endpoint, rows, uid))
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
}
