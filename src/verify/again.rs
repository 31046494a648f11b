//! What a manifest records, computed again into a temporary folder.

use crate::memory::MemoryLimit;
use crate::progress::Progress;
use crate::publish::recorded::{Recorded, Request};
use crate::rules::LoadedRules;
use crate::run::{self, RunRequest};
use crate::stress::{self, StressRequest};
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Outputs that were computed again. The folder is removed with this value.
pub(super) struct Again {
    /// The folder of the outputs.
    pub dir: PathBuf,
    /// Its manifest.
    pub written: Recorded,
    _place: TempDir,
}

impl Again {
    /// Computes what `asked` says under `rules`, in a new folder below `temp`.
    ///
    /// # Errors
    /// [`Error::Io`] if `temp` cannot be written to; those of [`run::run`] and [`stress::run`].
    pub fn compute(
        asked: &Request,
        rules: LoadedRules,
        temp: &Path,
        limit: MemoryLimit,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let place = tempfile::Builder::new().prefix("remargin-replay-").tempdir_in(temp);
        let place = place.map_err(|err| Error::io("create a folder in", temp, err))?;
        let dir = place.path().join("run");
        if let Some(part) = &asked.stress {
            let mut request = StressRequest::replay(asked, part, rules, dir.clone())?;
            request.snapshot.memory_limit = limit;
            stress::run(&request, progress)?;
        } else {
            let mut request = RunRequest::replay(asked, rules, dir.clone());
            request.snapshot.memory_limit = limit;
            run::run(&request, progress)?;
        }
        Ok(Self { written: Recorded::of_run(&dir)?, dir, _place: place })
    }
}
