//! Is this the snapshot that was meant? Hashes in a file `checksums` beside the tables, and one hash of all.
//!
//! Every file is hashed while it is read, so that to compare costs nothing. Formats other than Parquet have no
//! checksums of their own, and a digit that changes in a CSV file makes another number: only a hash notices.

use super::{Expectations, InputFile};
use crate::error::Remedy;
use crate::progress::Silent;
use crate::source::{self, Input};
use crate::{Invalid, Result};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The name of the file. Its lines are those of `b3sum`: a hash, two spaces, a path from the folder.
pub const CHECKSUMS: &str = "checksums";

const LARGEST_FILE: u64 = 16 << 20;

/// The lines of `checksums` for the files of a snapshot.
#[must_use]
pub fn checksum_lines(inputs: &[InputFile]) -> String {
    let mut lines = String::new();
    for input in inputs {
        let _ = writeln!(lines, "{}  {}", input.blake3, slashes(&input.path));
    }
    lines
}

/// The hash of a whole snapshot: that of its lines, in the order in which files are read.
#[must_use]
pub fn snapshot_hash(inputs: &[InputFile]) -> String {
    blake3::hash(checksum_lines(inputs).as_bytes()).to_hex().to_string()
}

/// The same path on every system.
fn slashes(path: &Path) -> String {
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Holds what was read to the file `checksums` of `dir`, if there is one, and to the hash that is expected, if any.
pub(super) fn verify(
    dir: &Path,
    checksums: Option<&Input>,
    inputs: &[InputFile],
    expectations: &Expectations,
) -> Result<()> {
    if let Some(checksums) = checksums {
        compare(dir, inputs, &read(checksums)?)?;
    }
    let Some(expected) = &expectations.hash else { return Ok(()) };
    let found = snapshot_hash(inputs);
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Invalid::new("the snapshot is not the one that was expected")
        .file(dir)
        .value(format!("hash {found}"))
        .expected(format!("hash {expected}"))
        .remedy(Remedy::ExpectedHash)
        .into())
}

/// Holds a file in the folder of a snapshot that is no table of it to `checksums`, if it is listed there.
pub(super) fn verify_listed(input: &InputFile) -> Result<()> {
    let (Some(dir), Some(name)) = (input.path.parent(), input.path.file_name()) else { return Ok(()) };
    let checksums = dir.join(CHECKSUMS);
    if !source::is_there(&dir.join(super::MANIFEST))? || !source::is_there(&checksums)? {
        return Ok(());
    }
    let listed = read(&Input::open(&checksums)?)?;
    match listed.get(&*name.to_string_lossy()) {
        Some(expected) if *expected != input.blake3 => Err(changed(&input.path, &input.blake3, expected).into()),
        _ => Ok(()),
    }
}

/// The first file of a snapshot that is not the one that `checksums` lists, is listed and not there, or is one of
/// `tables` and not listed.
///
/// # Errors
/// [`Invalid`] if there is no such list, or a file cannot be read.
pub(crate) fn edited_file<'a>(dir: &Path, mut tables: impl Iterator<Item = &'a PathBuf>) -> Result<Option<PathBuf>> {
    let checksums = dir.join(CHECKSUMS);
    if !source::is_there(&checksums)? {
        return Err(Invalid::new(format!("its `{CHECKSUMS}` is gone")).into());
    }
    let listed = read(&Input::open(&checksums)?)?;
    if let Some(other) = tables.find(|table| !listed.contains_key(&slashes(table))) {
        return Ok(Some(other.clone()));
    }
    for (path, expected) in listed {
        let file = dir.join(&path);
        if !source::is_there(&file)? {
            return Ok(Some(path.into()));
        }
        let hashes = source::hash_all(&[Input::open(&file)?], &Silent)?;
        if hashes.iter().any(|(_, found)| *found != expected) {
            return Ok(Some(path.into()));
        }
    }
    Ok(None)
}

fn changed(file: &Path, found: &str, expected: &str) -> Invalid {
    Invalid::new("the file is not the one that `checksums` lists")
        .file(file)
        .value(format!("hash {found}"))
        .expected(format!("hash {expected}"))
        .hint(
            "it was changed or damaged after `checksums` was written: if on purpose, remove `checksums`, or \
             form it anew with `b3sum`",
        )
}

/// Hashes by path.
type Listed = BTreeMap<String, String>;

fn read(checksums: &Input) -> Result<Listed> {
    let file = checksums.path();
    let text = source::text_of(file, checksums.read_whole(LARGEST_FILE)?)?;
    let mut listed = Listed::new();
    for (line, row) in text.lines().zip(1..) {
        let invalid = |problem: &str| Invalid::new(problem).file(file).row(row).value(crate::cells::text::cut(line));
        let parts = line.split_once("  ").or_else(|| line.split_once(" *"));
        let known = parts.filter(|(hash, _)| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some((hash, path)) = known else {
            let expected = "64 hexadecimal digits (BLAKE3), two spaces, a path: a line of `b3sum`";
            return Err(invalid("not a checksum").expected(expected).into());
        };
        let path = path.trim_start_matches("./").to_owned();
        if listed.insert(path, hash.to_ascii_lowercase()).is_some() {
            return Err(invalid("a file is listed twice").expected("each one once").into());
        }
    }
    Ok(listed)
}

fn compare(dir: &Path, inputs: &[InputFile], listed: &Listed) -> Result<()> {
    for input in inputs {
        let path = slashes(&input.path);
        let expected = listed.get(&path).ok_or_else(|| {
            Invalid::new("a file that `checksums` does not list")
                .file(dir.join(&input.path))
                .expected("every file of the snapshot in `checksums`")
                .hint("remove `checksums` if the snapshot was changed on purpose, or form it anew with `b3sum`")
        })?;
        if *expected != input.blake3 {
            return Err(changed(&dir.join(&input.path), &input.blake3, expected).into());
        }
    }
    for path in listed.keys() {
        if !inputs.iter().any(|input| slashes(&input.path) == *path) && !source::is_there(&dir.join(path))? {
            let expected = "every file that `checksums` lists";
            return Err(Invalid::new("a file is gone").file(dir.join(path)).expected(expected).into());
        }
    }
    Ok(())
}
