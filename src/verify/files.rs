//! Files of a run, hashed again.

use super::{Difference, FilesChecked, Findings};
use crate::progress::Progress;
use crate::publish::MANIFEST;
use crate::publish::recorded::{Recorded, RecordedFile};
use crate::results::hash_file;
use crate::source;
use crate::{Error, Invalid, Result};
use rayon::prelude::*;
use std::path::{Component, Path, PathBuf};

/// Size and hash of a file; `None` if there is none. What came out of a pipe is gone, although the pipe may be there.
pub(super) fn at_rest(path: &Path, progress: &dyn Progress) -> Result<Option<(u64, String)>> {
    let is_by_number = path.starts_with("/dev") || path.starts_with("/proc");
    if is_by_number || source::is_piped(path).unwrap_or(false) { Ok(None) } else { hash_file(path, progress) }
}

/// The outputs; one that is absent or another is a difference.
pub(super) fn outputs(
    run: &Path,
    recorded: &Recorded,
    findings: &mut Findings,
    progress: &dyn Progress,
) -> Result<FilesChecked> {
    let mut files = Vec::new();
    for output in &recorded.outputs {
        files.push((output, run.join(plain(run, &output.path)?)));
    }
    let checked = hash_all(&files, findings, progress)?;
    for absent in &checked.absent {
        let (found, expected) = ("no file".to_owned(), "the file that the run wrote".to_owned());
        findings.differ(Difference {
            file: absent.clone(),
            column: "file".into(),
            found,
            expected,
            ..Difference::default()
        });
    }
    Ok(checked)
}

/// The inputs; one that is another is a difference, one that is absent is not.
pub(super) fn inputs(
    snapshot: &Path,
    recorded: &Recorded,
    findings: &mut Findings,
    progress: &dyn Progress,
) -> Result<FilesChecked> {
    let files: Vec<_> = recorded.inputs.iter().map(|file| (file, Recorded::input_path(file, snapshot))).collect();
    hash_all(&files, findings, progress)
}

/// The name of an output: a manifest that was tampered with must not lead elsewhere.
pub(super) fn plain<'a>(run: &Path, name: &'a str) -> Result<&'a str> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(_)), None) => Ok(name),
        _ => Err(Invalid::new("an output that is no plain file name")
            .file(run.join(MANIFEST))
            .column("outputs")
            .value(name)
            .expected("a file of the folder itself")
            .into()),
    }
}

fn hash_all(
    files: &[(&RecordedFile, PathBuf)],
    findings: &mut Findings,
    progress: &dyn Progress,
) -> Result<FilesChecked> {
    let hash = |(_, path): &(&RecordedFile, PathBuf)| {
        let hashed = at_rest(path, progress)?;
        progress.advance(hashed.as_ref().map_or(0, |(bytes, _)| *bytes));
        Ok::<_, Error>(hashed)
    };
    let hashes: Vec<_> = files.par_iter().map(hash).collect::<Result<_>>()?;
    let mut checked = FilesChecked { named: files.len() as u64, ..FilesChecked::default() };
    for ((file, path), hashed) in files.iter().zip(hashes) {
        let Some((bytes, blake3)) = hashed else {
            checked.absent.push(file.path.clone());
            continue;
        };
        checked.bytes += bytes;
        let shown = path.display().to_string();
        let before = findings.differing;
        findings.equal(&shown, "bytes", &bytes, &file.bytes);
        findings.equal(&shown, "blake3", &blake3, &file.blake3);
        checked.same += u64::from(findings.differing == before);
    }
    Ok(checked)
}
