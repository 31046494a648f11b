//! What a run says of the runs before it: the change against one of them, and its place in a history.

use super::{Given, RunRequest};
use crate::compare::COMPARED;
use crate::compare::before::{against, earlier};
use crate::history::{self, HistoryRow};
use crate::progress::Progress;
use crate::publish::hashed::write_bytes;
use crate::publish::manifest::{self, Provenance};
use crate::publish::recorded::Recorded;
use crate::publish::{OutputFile, OutputFolder};
use crate::results::{check_run, read_finished};
use crate::totals::Summary;
use crate::totals::groups::GroupTotals;
use crate::{Error, Result, publish};

pub(super) const SUMMARY: &str = "summary.json";

/// Refuses what cannot be compared with, or added to, before anything is computed. Returns the manifest of the earlier
/// run.
///
/// # Errors
/// [`Error::Invalid`] if the earlier run is no finished run or the history is another file; [`Error::Usage`] if the
/// name of the history is none.
pub(super) fn check(request: &RunRequest, progress: &dyn Progress) -> Result<Option<Recorded>> {
    let before = request.previous.as_deref().map(earlier).transpose()?;
    if let (Some(dir), Some(recorded)) = (&request.previous, &before) {
        read_finished(dir)?;
        check_run(dir, recorded, &COMPARED, progress)?;
    }
    let Some(file) = &request.history else { return Ok(before) };
    history::check(file)?;
    let mut folders = vec![request.snapshot.dir.as_path(), &request.output.dir];
    folders.extend(request.previous.as_deref());
    publish::check_outside("the history", file, &folders)?;
    history::read(file)?;
    Ok(before)
}

/// Puts into the summary what it says of other runs. The tables of the run, which are `outputs`, are written. Returns
/// the rows of the run in a history: of the book, then of its groups.
pub(super) fn tell(
    (request, before): (&RunRequest, Option<&Recorded>),
    folder: &OutputFolder,
    provenance: &Provenance,
    summary: &mut Summary,
    outputs: &[OutputFile],
    groups: &GroupTotals,
    progress: &dyn Progress,
) -> Result<Vec<HistoryRow>> {
    let Given { previous, trend } = &request.given;
    summary.previous.clone_from(previous);
    if let (Some(dir), Some(earlier)) = (&request.previous, before) {
        // To compare, the run needs its last files; the final ones are written later.
        let mut files = outputs.to_vec();
        files.push(write_bytes(folder.path(), SUMMARY, &summary.to_json()?)?);
        manifest::write(folder, provenance, &files)?;
        let limit = request.snapshot.memory_limit;
        let mut found = against((dir, earlier), folder.path(), &request.snapshot.dir, limit, progress)?;
        folder.discard(SUMMARY)?;
        folder.discard(crate::publish::MANIFEST)?;
        summary.previous = Some(match previous {
            // The snapshot of the earlier run is there again: the run did not know its causes.
            Some(given) if given.not_attributed.is_some() => {
                found.forget_causes(given);
                Box::new(found)
            }
            // It is gone: what the run knew stays known.
            Some(given) if found.not_attributed.is_some() => given.clone(),
            _ => Box::new(found),
        });
        progress.stage("write", "rows", 0);
    }
    let book = HistoryRow::of_book(&provenance.identity()?.unwrap_or_default(), summary);
    let Some(file) = &request.history else {
        summary.trend = history::continued(trend, &book);
        return Ok(Vec::new());
    };
    summary.trend = history::trend(history::read(file)?, &book);
    let of_groups = book.of_groups(groups)?;
    Ok(std::iter::once(book).chain(of_groups).collect())
}

/// Adds a published run to the history that was asked for.
///
/// # Errors
/// Those of [`history::add`].
pub(super) fn add(request: &RunRequest, rows: &[HistoryRow], progress: &dyn Progress) -> Result<()> {
    let Some(file) = &request.history else { return Ok(()) };
    let hint = |error: Error| error.hint("the run is written; only its rows in the history are not");
    history::add(file, rows, progress).map_err(hint)
}
