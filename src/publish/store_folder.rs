//! An output folder at a URL that is published complete or not at all.
//!
//! It is built in a temporary folder of this machine. Large tables are sent in parts while they are written, and none
//! is an object before the end:
//!
//! ```text
//! URL/run-ID/...       every file but the manifest, under a name that no other run has
//! URL/manifest.json    last, in one request, only if there is none (with force: only if it is still the one that was
//!                      there at the start). It names `run-ID` as `files_in`, so before it nobody finds the files
//! ```
//!
//! What a killed run leaves are objects below a `run-ID` that no manifest names: no reader takes them for a run, and
//! the next run to the same URL names them. They are not deleted: a run that has not ended looks the same.

use super::MANIFEST;
use super::json::json;
use super::owned::named;
use super::scratch::Scratch;
use super::{SIGNATURE, disk};
use crate::error::Remedy;
use crate::store::{self, Ahead, Condition, Entry, Location, Meta, Put};
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What the names of the folders of runs begin with.
const RUN: &str = "run-";
/// The key of the manifest that says in which folder its files are.
pub(super) const FILES_IN: &str = "files_in";
/// Largest manifest of a run that may be replaced.
const LONGEST_MANIFEST: u64 = 1 << 28;

/// A folder at a URL, under construction.
#[derive(Debug)]
pub(super) struct StoreFolder {
    url: PathBuf,
    building: PathBuf,
    /// The name below the URL that only this run has.
    run: String,
    old: Option<Old>,
    /// Sends large tables while they are written. Before the folder on this machine in order: it ends first.
    ahead: Option<Ahead>,
    /// The folder on this machine; removed when this is dropped.
    _scratch: Scratch,
}

/// The run that is replaced.
#[derive(Debug)]
struct Old {
    manifest: Meta,
    /// Its objects, the manifest apart.
    objects: Vec<PathBuf>,
    run: Option<String>,
}

impl StoreFolder {
    /// See [`super::OutputFolder::create`].
    pub fn create(out: &Path, force: bool, inputs: &[&Path]) -> Result<Self> {
        let location = Location::of(out)?;
        if location.is_read_only() {
            return Err(Error::Usage(format!("`{location}` cannot be an output folder: a web server is only read"))
                .hint("write to `s3://`, `gs://`, `az://` or a folder"));
        }
        if location.key.is_empty() {
            return Err(Error::Usage(format!("`{location}` cannot be an output folder: the URL has no key"))
                .hint(format!("name one in the bucket, such as `{location}/eod`")));
        }
        let url = PathBuf::from(location.to_string());
        let old = look(&url, force, inputs)?;
        let scratch = Scratch::create(&std::env::temp_dir(), "upload")?;
        let building = scratch.path().join("run");
        disk::create_dir(&building).map_err(|err| Error::io("create", &building, err))?;
        let run = new_name();
        let ahead = Ahead::start(&building, &url.join(&run)).map_err(|error| store::failed("write", &url, error))?;
        Ok(Self { url, building, run, old, ahead: Some(ahead), _scratch: scratch })
    }

    /// The folder to write to.
    pub fn path(&self) -> &Path {
        &self.building
    }

    /// See [`super::OutputFolder::publish`].
    pub fn publish(mut self) -> Result<()> {
        let manifest = self.manifest()?;
        let files = files(&self.building)?;
        let folder = self.url.join(&self.run);
        let pairs: Vec<_> = files.keys().map(|file| (self.building.join(file), folder.join(file))).collect();
        let objects: Vec<PathBuf> = pairs.iter().map(|(_, object)| object.clone()).collect();
        let sent = store::upload(&pairs, self.ahead.take()).and_then(|()| check_sent(&folder, &files));
        if let Err(error) = sent {
            take_back(&folder, &objects);
            return Err(store::failed("write", &folder, error));
        }
        self.give_name(&manifest, &objects)?;
        if let Some(old) = &self.old {
            // The work is complete. A failure to delete the old objects is only a warning.
            let stale = old.objects.iter().cloned().chain([self.url.join(SIGNATURE)]).collect::<Vec<_>>();
            if let Err(error) = store::delete(&stale) {
                tracing::warn!("not all objects of the replaced run of `{}` were deleted: {error}", self.url.display());
            }
        }
        Ok(())
    }

    /// The manifest that was written, with the name of the folder of its files.
    fn manifest(&self) -> Result<Vec<u8>> {
        let file = self.building.join(MANIFEST);
        let text = fs::read(&file).map_err(|err| Error::io("open", &file, err))?;
        let mut fields: Map<String, Value> = serde_json::from_slice(&text)
            .map_err(|err| Error::Runtime(format!("`{MANIFEST}` cannot be read back: {err}")))?;
        fields.insert(FILES_IN.to_owned(), self.run.clone().into());
        json(MANIFEST, &fields)
    }

    /// The last step: from here on there is a run at the URL.
    fn give_name(&self, manifest: &[u8], objects: &[PathBuf]) -> Result<()> {
        let url = self.url.join(MANIFEST);
        let condition = self.old.as_ref().map_or(Condition::Absent, |old| Condition::Same(old.manifest.clone()));
        let put = store::put(&url, manifest, &condition);
        if matches!(put, Ok(Put::Written)) {
            return Ok(());
        }
        // The answer to our own request may have been lost, and its repetition refused. What is there decides.
        let is_ours = store::get(&url, LONGEST_MANIFEST).map(|found| found.is_some_and(|(bytes, _)| bytes == manifest));
        match (put, is_ours) {
            (_, Ok(true)) => Ok(()),
            (Ok(_), Ok(false)) => {
                take_back(&self.url.join(&self.run), objects);
                let by = "was created by another process during this run: nothing was written";
                Err(Error::Runtime(format!("`{}` {by}", self.url.display())))
            }
            // A request that seems lost may still arrive: its files must be there then.
            (Err(error), _) | (Ok(_), Err(error)) => {
                let left = self.url.join(&self.run);
                Err(store::failed("write", &url, error).hint(format!(
                    "whether the manifest arrived is not known, so `{}` was left; look with `remargin verify {}`",
                    left.display(),
                    self.url.display()
                )))
            }
        }
    }
}

/// What is at the URL: the run that may be replaced, or nothing.
fn look(url: &Path, force: bool, inputs: &[&Path]) -> Result<Option<Old>> {
    let manifest = url.join(MANIFEST);
    let failed = |error| store::failed("open", &manifest, error);
    let found = store::get(&manifest, LONGEST_MANIFEST).map_err(failed)?;
    if found.is_some() && !force {
        return Err(Error::refused(format!("`{}` exists already", url.display()), Remedy::Replace));
    }
    let entries = store::list(url).map_err(|error| store::failed("open", url, error))?;
    let old = found.map(|(bytes, meta)| replaceable(url, &bytes, meta, inputs)).transpose()?;
    let known = old.as_ref().and_then(|old| old.run.as_deref());
    let is_run = |entry: &&Entry| entry.is_folder && entry.name.starts_with(RUN);
    if let (None, Some(foreign)) = (&old, entries.iter().find(|entry| !is_run(entry))) {
        let problem = format!("`{}` has something else in it: `{}`", url.display(), foreign.name);
        return Err(Error::Usage(problem).hint("name a URL below which there is nothing"));
    }
    for left in entries.iter().filter(is_run).filter(|entry| Some(entry.name.as_str()) != known) {
        tracing::warn!(
            "`{}` is of a run that was killed or has not ended; no manifest names it. Delete it if no run is active",
            url.join(&left.name).display()
        );
    }
    Ok(old)
}

/// Only what this program wrote may be replaced.
fn replaceable(url: &Path, manifest: &[u8], meta: Meta, inputs: &[&Path]) -> Result<Old> {
    let refuse = |why: &str| Error::Usage(format!("`{}` is not replaced: {why}", url.display()));
    for input in inputs.iter().filter(|input| store::is_url(input)) {
        let place = PathBuf::from(Location::of(input)?.to_string());
        if place.starts_with(url) {
            return Err(refuse(&format!("`{}`, which is an input, is inside it", place.display())));
        }
    }
    let names = named(manifest).ok_or_else(|| refuse("its `manifest.json` was not written by remargin"))?;
    let run = files_in(manifest).map_err(|why| refuse(&why))?;
    let folder = run.as_ref().map_or_else(|| url.to_path_buf(), |run| url.join(run));
    let is_plain = |name: &&PathBuf| {
        name.components().all(|part| matches!(part, std::path::Component::Normal(_))) && *name != Path::new(MANIFEST)
    };
    let objects = names.iter().filter(is_plain).map(|name| folder.join(name)).collect();
    Ok(Old { manifest: meta, objects, run })
}

/// The folder of the files that a manifest names; `None` if they are beside it.
///
/// # Errors
/// What is wrong with the name: it could lead elsewhere.
pub(super) fn files_in(manifest: &[u8]) -> Result<Option<String>, String> {
    let fields: Map<String, Value> = serde_json::from_slice(manifest).unwrap_or_default();
    match fields.get(FILES_IN) {
        None => Ok(None),
        Some(Value::String(name)) if is_run_name(name) => Ok(Some(name.clone())),
        Some(other) => Err(format!("its `{MANIFEST}` names `{other}` as `{FILES_IN}`, which is no folder of a run")),
    }
}

fn is_run_name(name: &str) -> bool {
    let rest = name.strip_prefix(RUN).unwrap_or_default();
    !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A name that no other run has: 128 bits of the randomness of the system.
fn new_name() -> String {
    let random = || RandomState::new().hash_one(std::process::id());
    format!("{RUN}{:016x}{:016x}", random(), random())
}

/// Every file below a folder but the manifest, with its size.
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, u64>> {
    let mut found = BTreeMap::new();
    let mut open = vec![PathBuf::new()];
    let failed = |err: io::Error| Error::io("read", folder, err);
    while let Some(inner) = open.pop() {
        for entry in fs::read_dir(folder.join(&inner)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = inner.join(entry.file_name());
            let metadata = entry.metadata().map_err(failed)?;
            if metadata.is_dir() {
                open.push(path);
            } else if path != Path::new(MANIFEST) {
                found.insert(path, metadata.len());
            }
        }
    }
    Ok(found)
}

/// Every file must be there with its size before a manifest names it.
fn check_sent(folder: &Path, files: &BTreeMap<PathBuf, u64>) -> io::Result<()> {
    let parents: BTreeSet<&Path> = files.keys().filter_map(|file| file.parent()).collect();
    let mut there = BTreeMap::new();
    for parent in parents {
        let place = if parent.as_os_str().is_empty() { folder.to_path_buf() } else { folder.join(parent) };
        let entries = store::list(&place)?.into_iter().filter(|entry| !entry.is_folder);
        there.extend(entries.map(|entry| (parent.join(entry.name), entry.size)));
    }
    if there == *files {
        return Ok(());
    }
    let odd = files.iter().find(|(name, size)| there.get(*name) != Some(size)).map(|(name, _)| name.display());
    let odd = odd.map_or_else(String::new, |name| format!(", such as `{name}`"));
    Err(io::Error::other(format!("the store does not list what was sent{odd}")))
}

/// Deletes what was sent, as far as it can: no manifest names it.
fn take_back(folder: &Path, objects: &[PathBuf]) {
    if let Err(error) = store::delete(objects) {
        tracing::warn!("objects below `{}` were left: {error}; no manifest names them", folder.display());
    }
}
