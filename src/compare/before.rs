//! The change against an earlier run, for the summary of the later one: what `compare` of both says, in its words.

use super::runs::{RunsRequest, compare_trusted};
use super::summary::{CompareSummary, Mover, NewBreach};
use super::{CompareOutcome, summary};
use crate::cells::time::parse_time;
use crate::memory::MemoryLimit;
use crate::progress::Progress;
use crate::publish::recorded::Recorded;
use crate::results::read_finished;
use crate::totals::before::{
    AccountsBefore, CauseBefore, CountBefore, MigrationBefore, MoverBefore, NewlyBreached, ParameterBefore, Previous,
    PreviousRun, TotalBefore,
};
use crate::{Invalid, Result};
use std::path::Path;

/// Accounts newly breached that are listed.
const LISTED: usize = 100;

/// An earlier run, as far as its manifest tells.
///
/// # Errors
/// [`crate::Error::Invalid`] if the folder is not that of a finished run.
pub(crate) fn earlier(dir: &Path) -> Result<Recorded> {
    let recorded = Recorded::of_run(dir)?;
    if recorded.request.as_ref().is_some_and(|request| request.stress.is_some()) {
        let invalid = Invalid::new("a stress cannot be compared with a run").file(dir);
        return Err(invalid.expected("the folder of a finished `remargin run`").into());
    }
    Ok(recorded)
}

/// Compares the finished run in `before`, whose manifest is `earlier`, with the one in `now`, whose snapshot is in the
/// folder `snapshot`.
///
/// # Errors
/// Those of [`compare_trusted`].
pub(crate) fn against(
    (before, earlier): (&Path, &Recorded),
    now: &Path,
    snapshot: &Path,
    memory_limit: MemoryLimit,
    progress: &dyn Progress,
) -> Result<Previous> {
    let recorded = Recorded::of_run(now)?;
    let mut request = RunsRequest::new(before, now);
    request.snapshots = [None, Some(snapshot.to_path_buf())];
    request.memory_limit = memory_limit;
    let outcome = compare_trusted(&request, [read_finished(before)?, read_finished(now)?], progress)?;
    Ok(previous(earlier, &recorded, outcome))
}

fn previous(before: &Recorded, now: &Recorded, outcome: CompareOutcome) -> Previous {
    let notes = notes(before, now, &outcome.summary);
    let CompareOutcome { summary, new_breaches, .. } = outcome;
    let summary::CompareCounts { kept, new, closed, unmargined } = summary.accounts;
    let text = |text: &'static str| text.to_owned();
    Previous {
        run: PreviousRun {
            identity: before.identity.clone(),
            label: before.label.clone(),
            remargin: before.remargin.clone(),
            as_of: before.as_of.clone(),
            rules: summary.a.rules.clone(),
        },
        notes,
        parameters: summary
            .parameters
            .into_iter()
            .map(|of| ParameterBefore { key: of.key, before: of.a, now: of.b })
            .collect(),
        accounts: AccountsBefore { kept, new, closed, unmargined },
        counts: summary
            .counts
            .iter()
            .map(|of| CountBefore { accounts: of.accounts.to_owned(), before: of.a, now: of.b })
            .collect(),
        totals: summary
            .totals
            .iter()
            .map(|of| TotalBefore { figure: of.figure.to_owned(), before: of.a, now: of.b, change: of.change })
            .collect(),
        migration: summary
            .migration
            .iter()
            .map(|of| MigrationBefore {
                status_before: of.status_a.map(text),
                status_now: of.status_b.map(text),
                accounts: of.accounts,
            })
            .collect(),
        causes: summary.causes.map(|causes| {
            let cause = |of: &summary::CauseSummary| CauseBefore {
                cause: of.cause.to_owned(),
                mmr: of.mmr,
                excess: of.excess,
                newly_liquidation: of.newly_liquidation,
                newly_im_deficit: of.newly_im_deficit,
            };
            causes.iter().map(cause).collect()
        }),
        not_attributed: summary.not_attributed,
        newly_breached: new_breaches.len() as u64,
        newly_breached_accounts: new_breaches.into_iter().take(LISTED).map(newly_breached).collect(),
        largest_rises: summary.largest_rises.into_iter().map(mover).collect(),
        largest_falls: summary.largest_falls.into_iter().map(mover).collect(),
    }
}

fn newly_breached(of: NewBreach) -> NewlyBreached {
    NewlyBreached {
        account_id: of.account_id,
        breach: of.breach.to_owned(),
        margin_ratio_before: of.margin_ratio_a,
        margin_ratio_now: of.margin_ratio_b,
        mmr_change: of.mmr_change,
        main_cause: of.main_cause.map(str::to_owned),
    }
}

fn mover(of: Mover) -> MoverBefore {
    MoverBefore {
        account_id: of.account_id,
        mmr_before: of.mmr_a,
        mmr_now: of.mmr_b,
        mmr_change: of.mmr_change,
        main_cause: of.mmr_main_cause.map(str::to_owned),
    }
}

/// What makes the two runs hard to compare.
fn notes(before: &Recorded, now: &Recorded, summary: &CompareSummary) -> Vec<String> {
    let mut notes = Vec::new();
    let times = [before, now].map(|run| parse_time(&run.as_of).ok());
    if let [Some(then), Some(today)] = times {
        if then > today {
            notes.push(format!("The earlier run is of a later time: {}, and this one of {}.", before.as_of, now.as_of));
        } else if then == today {
            notes.push(format!("Both runs are of the same time, {}.", now.as_of));
        }
    }
    if summary.accounts.kept == 0 && summary.accounts.closed > 0 {
        notes.push("No account is in both runs: the earlier one may be of another book.".to_owned());
    }
    if before.rules.hash != now.rules.hash {
        let (then, today) = (&before.rules.name, &now.rules.name);
        let differ = summary.parameters.len();
        notes.push(format!("The rules differ: `{then}` before, `{today}` now, {differ} parameters with other values."));
    }
    if before.remargin != now.remargin {
        let (then, today) = (&before.remargin, &now.remargin);
        notes.push(format!("The earlier run was written by version {then}, and this one by version {today}."));
    }
    if before.identity.is_some() && before.identity == now.identity {
        notes.push("The earlier run is the same work: its identity is that of this run.".to_owned());
    }
    notes.extend(summary.not_attributed.as_ref().map(|why| format!("The change has no causes: {why}.")));
    notes
}
