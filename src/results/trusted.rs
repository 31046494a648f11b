//! Whether a finished run is still what its manifest says.

use super::check_output;
use crate::progress::Progress;
use crate::publish::MANIFEST;
use crate::publish::recorded::{Recorded, RecordedFile};
use crate::{Invalid, Result};
use std::path::Path;

/// Refuses a manifest that says something else than its identity was formed of.
///
/// # Errors
/// [`crate::Error::Invalid`] naming the file.
pub(crate) fn check_identity(manifest: &Path, recorded: &Recorded) -> Result<()> {
    // Early versions had none.
    let Some(found) = &recorded.identity else { return Ok(()) };
    if recorded.identity_again()?.is_none_or(|again| again == *found) {
        return Ok(());
    }
    let invalid = Invalid::new("the manifest contradicts its identity: it was edited").file(manifest);
    Err(invalid.hint("`remargin verify` tells what differs").into())
}

/// Refuses a run whose manifest or tables were edited. Only the named files are looked at, as far as they are there.
///
/// # Errors
/// [`crate::Error::Invalid`] naming the file; [`crate::Error::Interrupted`].
pub(crate) fn check_run(dir: &Path, recorded: &Recorded, names: &[&str], progress: &dyn Progress) -> Result<()> {
    check_identity(&dir.join(MANIFEST), recorded)?;
    let is_named = |file: &&RecordedFile| names.contains(&file.path.split('.').next().unwrap_or_default());
    let is_there = |file: &&RecordedFile| dir.join(&file.path).exists();
    let mut files = recorded.outputs.iter().filter(is_named).filter(is_there);
    files.try_for_each(|file| check_output(dir, file, progress))
}
