//! What a manifest records, computed again into a temporary folder.

use crate::Result;
use crate::memory::MemoryLimit;
use crate::progress::Progress;
use crate::publish::recorded::{Recorded, Request};
use crate::publish::scratch::Scratch;
use crate::rules::LoadedRules;
use crate::run::{self as margins, RunRequest};
use crate::stress::{self, StressRequest};
use std::path::{Path, PathBuf};

/// Outputs that were computed again. The folder is removed with this value.
pub(super) struct Again {
    /// The folder of the outputs.
    pub dir: PathBuf,
    /// Its manifest.
    pub written: Recorded,
    _place: Scratch,
}

impl Again {
    /// Computes what `asked` says under `rules`, in a new folder below `temp`. What the run in the folder `run` says of
    /// other runs is taken over, as far as they are not there any more.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if `temp` cannot be written to; those of [`margins::run`] and [`stress::run`].
    pub fn compute(
        run: &Path,
        asked: &Request,
        rules: LoadedRules,
        temp: &Path,
        limit: MemoryLimit,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let place = Scratch::create(temp, "replay")?;
        let dir = place.path().join("run");
        if let Some(part) = &asked.stress {
            let mut request = StressRequest::replay(asked, part, rules, dir.clone(), run)?;
            request.snapshot.memory_limit = limit;
            stress::run(&request, progress)?;
        } else {
            let mut request = RunRequest::replay(asked, rules, dir.clone(), run)?;
            request.snapshot.memory_limit = limit;
            margins::run(&request, progress)?;
        }
        Ok(Self { written: Recorded::of_run(&dir)?, dir, _place: place })
    }
}
