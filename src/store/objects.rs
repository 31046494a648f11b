//! Objects by their URLs: listed, looked at, read whole, written, deleted. Each call waits for the answer.
//!
//! Errors are those of the system by their kind (`NotFound`, `AlreadyExists`, `PermissionDenied`), with the words of
//! the store; an interruption is an error with [`crate::Error::Interrupted`] in it.

use super::sending::SIDE_BY_SIDE;
use super::service::{Place, patience, said, wait, wait_to_the_end};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path as Key;
use object_store::{GetOptions, ObjectMeta, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What an object was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meta {
    pub size: u64,
    /// The store's name for these bytes; not every web server has one.
    pub e_tag: Option<String>,
    pub version: Option<String>,
    /// When it was written, in nanoseconds since 1970; the smallest number if that is not known.
    pub written: i64,
}

impl From<&ObjectMeta> for Meta {
    fn from(meta: &ObjectMeta) -> Self {
        let written = meta.last_modified.timestamp_nanos_opt().unwrap_or(i64::MIN);
        Self { size: meta.size, e_tag: meta.e_tag.clone(), version: meta.version.clone(), written }
    }
}

/// What is directly below a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub name: String,
    /// The beginning of the keys of several objects.
    pub is_folder: bool,
    /// Bytes of an object.
    pub size: u64,
}

/// When an object is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Only if there is none of this name.
    Absent,
    /// Only if there is still this one.
    Same(Meta),
}

/// What came of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Written,
    /// The condition does not hold: somebody else wrote.
    Refused,
}

/// The object at a URL; `None` if there is none.
pub(crate) fn head(url: &Path) -> io::Result<Option<Meta>> {
    let place = Place::of(url)?;
    if place.location.key.is_empty() {
        return Ok(None);
    }
    let found = wait(place.ask(async { if_there(place.store.head(&place.key).await) }))?;
    Ok(found.as_ref().map(Meta::from))
}

fn if_there<T>(outcome: object_store::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(said(&error)),
    }
}

/// What is directly below a URL, by name; nothing if there is nothing.
pub(crate) fn list(url: &Path) -> io::Result<Vec<Entry>> {
    let place = Place::of(url)?;
    let found = wait(place.ask(async { if_there(place.store.list_with_delimiter(Some(&place.key)).await) }))?;
    let Some(found) = found else { return Ok(Vec::new()) };
    let name = |key: &Key| key.filename().map(str::to_owned);
    let objects = found.objects.iter().filter(|object| object.location != place.key);
    let objects =
        objects.filter_map(|object| Some(Entry { name: name(&object.location)?, is_folder: false, size: object.size }));
    let folders =
        found.common_prefixes.iter().filter_map(|folder| Some(Entry { name: name(folder)?, is_folder: true, size: 0 }));
    let mut entries: Vec<Entry> = objects.chain(folders).collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// True if objects are below a URL.
pub(crate) fn is_folder(url: &Path) -> io::Result<bool> {
    let place = Place::of(url)?;
    if place.location.is_read_only() {
        return Ok(false);
    }
    list(url).map(|entries| !entries.is_empty())
}

/// An object of at most so many bytes, whole; `None` if there is none.
pub(crate) fn get(url: &Path, most: u64) -> io::Result<Option<(Vec<u8>, Meta)>> {
    let place = Place::of(url)?;
    wait(place.ask(async {
        let Some(found) = if_there(place.store.get_opts(&place.key, GetOptions::default()).await)? else {
            return Ok(None);
        };
        let meta = Meta::from(&found.meta);
        if meta.size > most {
            return Err(io::Error::other(format!("it has {} bytes; expected at most {most}", meta.size)));
        }
        let bytes = found.bytes().await.map_err(|error| said(&error))?;
        Ok(Some((bytes.to_vec(), meta)))
    }))
}

/// Writes an object under a condition. Nobody can interrupt it: whether it is there must be known.
///
/// A request whose answer was lost is sent again, and then refused because of itself. So a caller who is refused looks
/// whose bytes are there.
pub(crate) fn put(url: &Path, bytes: &[u8], condition: &Condition) -> io::Result<Put> {
    let place = Place::of(url)?;
    let mode = match condition {
        Condition::Absent => PutMode::Create,
        Condition::Same(meta) => {
            PutMode::Update(UpdateVersion { e_tag: meta.e_tag.clone(), version: meta.version.clone() })
        }
    };
    let payload = PutPayload::from(bytes.to_vec());
    wait_to_the_end(place.ask(async {
        match place.store.put_opts(&place.key, payload, PutOptions::from(mode)).await {
            Ok(_) => Ok(Put::Written),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(Put::Refused)
            }
            Err(error) => Err(said(&error)),
        }
    }))
}

/// Brings objects to files of this machine, several at a time. One that is not there is left out; says which are there.
pub(crate) fn download(files: &[(PathBuf, PathBuf)]) -> io::Result<Vec<bool>> {
    let mut works = Vec::new();
    for (url, file) in files {
        let place = Place::of(url)?;
        works.push(async move { place.ask(bring(&place, file)).await });
    }
    wait(stream::iter(works).buffered(SIDE_BY_SIDE).try_collect())
}

async fn bring(place: &Place, file: &Path) -> io::Result<bool> {
    let found = if_there(place.store.get_opts(&place.key, GetOptions::default()).await)?;
    let Some(found) = found else { return Ok(false) };
    let mut file = File::create_new(file)?;
    let mut left = found.meta.size;
    let mut parts = found.into_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| said(&error))?;
        left = left.saturating_sub(part.len() as u64);
        file.write_all(&part)?;
    }
    if left > 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(true) }
}

/// Deletes objects; one that is not there is as it should be. The work is bounded and not interrupted.
pub(crate) fn delete(urls: &[PathBuf]) -> io::Result<()> {
    let places = urls.iter().map(|url| Place::of(url)).collect::<io::Result<Vec<_>>>()?;
    let works = places.iter().map(|place| async move {
        place.ask(async { if_there(place.store.delete(&place.key).await).map(drop) }).await
    });
    let works = stream::iter(works).buffer_unordered(SIDE_BY_SIDE).try_collect::<Vec<()>>();
    wait_to_the_end(async {
        let in_time = tokio::time::timeout(patience(), works).await;
        in_time.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map(drop)
    })
}
