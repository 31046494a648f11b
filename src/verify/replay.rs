//! A run built again from its manifest, and compared byte by byte: `remargin replay`.

use super::again::Again;
use super::files::{at_rest, plain};
use crate::error::Remedy;
use crate::memory::MemoryLimit;
use crate::progress::Progress;
use crate::publish::recorded::{Recorded, RecordedFile, Request};
use crate::publish::{MANIFEST, with_run};
use crate::results::check_identity;
use crate::source::{self, Input};
use crate::store::is_url;
use crate::{Error, Invalid, Result};
use serde::Serialize;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// What to replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayRequest {
    /// The manifest, or its URL.
    pub manifest: PathBuf,
    /// Where the snapshot is now, if not where the run found it.
    pub snapshot: Option<PathBuf>,
    /// Folder for the replayed run, which is removed afterwards.
    pub temp: PathBuf,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replay {
    /// The manifest.
    pub manifest: String,
    /// Version that wrote the run.
    pub written_by: String,
    /// This version.
    pub replayed_by: String,
    /// Every output but the manifest.
    pub files: Vec<ReplayedFile>,
}

/// One output, then and now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplayedFile {
    /// Its name.
    pub name: String,
    /// Its size now.
    pub bytes: u64,
    /// True if the file of the run was there to compare bytes with; else its hash was compared.
    pub compared: bool,
    /// What differs; null if nothing does.
    pub difference: Option<String>,
}

impl Replay {
    /// True if every output has the same bytes.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.files.iter().all(|file| file.difference.is_none())
    }
}

/// Runs again what a manifest records, in a temporary folder, and compares all outputs but the manifest.
///
/// # Errors
/// [`Error::Invalid`] if the manifest cannot be used, or an input is not there or has another hash; those of
/// [`crate::run::run`] and [`crate::stress::run`].
pub fn replay(request: &ReplayRequest, progress: &dyn Progress) -> Result<Replay> {
    if !is_url(&request.manifest) {
        return replay_here(request, progress);
    }
    let run = request.manifest.parent().unwrap_or(Path::new(""));
    let mut replayed = with_run(run, &request.temp, |run| {
        replay_here(&ReplayRequest { manifest: run.join(MANIFEST), ..request.clone() }, progress)
    })?;
    replayed.manifest = request.manifest.display().to_string();
    Ok(replayed)
}

/// As [`replay`], of a run in a folder of this machine.
fn replay_here(request: &ReplayRequest, progress: &dyn Progress) -> Result<Replay> {
    let manifest = &request.manifest;
    let (recorded, mut asked) = super::manifest::read(manifest)?;
    check_identity(manifest, &recorded)?;
    let rules = recorded.rules(manifest)?;
    if let Some(snapshot) = &request.snapshot {
        asked.snapshot = crate::publish::recorded::absolute(snapshot)?;
    }
    check_inputs(&recorded, &asked, progress)?;

    let folder = manifest.parent().unwrap_or(Path::new(""));
    let again = Again::compute(folder, &asked, rules, &request.temp, MemoryLimit::of_machine(), progress)?;
    let written = &again.written;
    let mut files = Vec::new();
    for now in &written.outputs {
        let then = recorded.outputs.iter().find(|file| file.path == now.path);
        files.push(compare(now, then, &folder.join(plain(folder, &now.path)?), &again.dir.join(&now.path))?);
    }
    let is_written = |file: &&RecordedFile| written.outputs.iter().any(|now| now.path == file.path);
    for then in recorded.outputs.iter().filter(|file| !is_written(file)) {
        let difference = Some("the replay does not write it".to_owned());
        files.push(ReplayedFile { name: then.path.clone(), bytes: 0, compared: false, difference });
    }
    Ok(Replay {
        manifest: manifest.display().to_string(),
        written_by: recorded.remargin,
        replayed_by: written.remargin.clone(),
        files,
    })
}

/// Refuses inputs that are not those of the run.
fn check_inputs(recorded: &Recorded, asked: &Request, progress: &dyn Progress) -> Result<()> {
    progress.stage("hash", "bytes", recorded.inputs.iter().map(|file| file.bytes).sum());
    for input in &recorded.inputs {
        let path = Recorded::input_path(input, Path::new(&asked.snapshot));
        let invalid = |problem: &str, value: String| {
            let expected = format!("the file that the run read, with BLAKE3 hash {}", input.blake3);
            let invalid = Invalid::new(problem).file(&path).value(value).expected(expected);
            // What is named in full does not move with the snapshot.
            if Path::new(&input.path).is_absolute() || is_url(Path::new(&input.path)) {
                invalid.hint("what came out of a pipe cannot be read again: give scenarios as a file")
            } else {
                invalid.remedy(Remedy::SnapshotMoved)
            }
        };
        let Some((bytes, blake3)) = at_rest(&path, progress)? else {
            return Err(invalid("an input of the run is not there", "no file".to_owned()).into());
        };
        if blake3 != input.blake3 {
            return Err(invalid("an input is another file than the run read", blake3).into());
        }
        progress.advance(bytes);
    }
    Ok(())
}

fn compare(now: &RecordedFile, then: Option<&RecordedFile>, old: &Path, new: &Path) -> Result<ReplayedFile> {
    let replayed =
        |compared, difference| ReplayedFile { name: now.path.clone(), bytes: now.bytes, compared, difference };
    let Some(then) = then else {
        return Ok(replayed(false, Some("the run did not write it".to_owned())));
    };
    let compared = source::is_file(old)?;
    if compared && let Some(at) = first_difference(old, new)? {
        return Ok(replayed(
            true,
            Some(format!("at byte {at}; it has {} bytes now, the run noted {}", now.bytes, then.bytes)),
        ));
    }
    let another = (now.blake3 != then.blake3).then(|| format!("hash {}, the manifest has {}", now.blake3, then.blake3));
    Ok(replayed(compared, another))
}

/// The place of the first byte, from 0, that two files do not share.
pub(super) fn first_difference(left: &Path, right: &Path) -> Result<Option<u64>> {
    let open = |path: &Path| Ok::<_, Error>(BufReader::with_capacity(BLOCK, Input::open(path)?.view(0)));
    let (mut a, mut b) = (open(left)?, open(right)?);
    let (mut of_a, mut of_b) = (vec![0; BLOCK], vec![0; BLOCK]);
    let mut place = 0;
    loop {
        let read_a = fill(&mut a, &mut of_a).map_err(|err| Error::io("read", left, err))?;
        let read_b = fill(&mut b, &mut of_b).map_err(|err| Error::io("read", right, err))?;
        let shared = read_a.min(read_b);
        let differs = of_a.iter().zip(&of_b).take(shared).position(|(a, b)| a != b);
        if let Some(at) = differs.or((read_a != read_b).then_some(shared)) {
            return Ok(Some(place + at as u64));
        }
        if read_a == 0 {
            return Ok(None);
        }
        place += shared as u64;
    }
}

const BLOCK: usize = 1 << 18;

/// Fills the buffer as far as the file reaches.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// The manifest of a run, given as a file or as the folder that holds it.
#[must_use]
pub fn manifest_in(path: &Path) -> PathBuf {
    let is_folder = if is_url(path) { !path.ends_with(MANIFEST) } else { path.is_dir() };
    if is_folder { path.join(MANIFEST) } else { path.to_path_buf() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_found() {
        let place = tempfile::tempdir().unwrap();
        let [left, right] = ["left", "right"].map(|name| place.path().join(name));
        let long = vec![7; 2 * BLOCK + 5];
        let changed = |at: usize| {
            let mut bytes = long.clone();
            bytes[at] = 8;
            bytes
        };
        for (a, b, expected) in [
            (vec![], vec![], None),
            (vec![1], vec![], Some(0)),
            (long.clone(), long.clone(), None),
            (long.clone(), changed(0), Some(0)),
            (long.clone(), changed(BLOCK), Some(BLOCK as u64)),
            (changed(2 * BLOCK + 4), long.clone(), Some(2 * BLOCK as u64 + 4)),
            (long.clone(), long[..BLOCK].to_vec(), Some(BLOCK as u64)),
        ] {
            std::fs::write(&left, a).unwrap();
            std::fs::write(&right, b).unwrap();
            assert_eq!(first_difference(&left, &right).unwrap(), expected);
        }
    }
}
