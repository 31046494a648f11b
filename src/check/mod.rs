//! Whether a snapshot can be margined, and what a run would set aside: `remargin check`.
//!
//! The snapshot is read as a run reads it, and nothing is computed. The command and the Python package say the same
//! of it: [`Findings::to_text`] for people, [`Findings::to_json`] for programs.

// What comes from outside must end in an error, not in a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub(crate) mod answer;
mod text;

use crate::Result;
use crate::cells::time::timestamp;
use crate::engine::{CHUNK_ACCOUNTS, Memory, OpenBook};
use crate::memory::Need;
use crate::progress::Progress;
use crate::request::SnapshotRequest;
use crate::rules::LoadedRules;
use crate::snapshot::stream::{Currencies, Cut};
use crate::snapshot::{self, LoadOptions, Reason, Reject, Snapshot};
use crate::totals::footprint::bear;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Number of rows shown for each reason.
const SHOWN: usize = 5;

/// What a check found.
#[derive(Debug)]
pub struct Findings {
    dir: PathBuf,
    as_of: String,
    hash: String,
    /// Its book is empty: accounts are counted and not kept.
    snapshot: Snapshot,
    /// Accounts that would be margined.
    pub accounts: usize,
    /// So many rows are broken, more than [`SnapshotRequest::max_rejects`] tolerates (exit 4).
    pub too_many_rejects: Option<u64>,
}

/// Rejected rows of one reason.
struct Group<'a> {
    reason: Reason,
    rows: usize,
    first: Vec<&'a Reject>,
}

/// Reads and validates a snapshot.
///
/// ```
/// use remargin::check::check;
/// use remargin::progress::Silent;
/// let rules = remargin::rules::load(None, &[])?;
/// let findings = check(&"data/sample".into(), &rules, &Silent)?;
/// assert_eq!((findings.accounts, findings.too_many_rejects), (300, None));
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) if a table is broken or the snapshot is older than the rules;
/// [`Error::Interrupted`](crate::Error::Interrupted).
pub fn check(request: &SnapshotRequest, rules: &LoadedRules, progress: &dyn Progress) -> Result<Findings> {
    let request = request.clone().under(rules);
    let options = LoadOptions {
        default_spot_offset: rules.rules.default_spot_offset,
        expectations: &request.expectations,
        progress,
    };
    let memory = Memory::new(request.memory_limit, Need::BOOK, None);
    let mut book = OpenBook::open(&request.dir, Currencies::Named, memory, &options)?;
    bear(&mut book, Need::BOOK, 0, "")?;
    let start = || Ok(((), 0));
    let (accounts, snapshot) = book.pass(
        Cut::Known(CHUNK_ACCOUNTS),
        start,
        |(), piece| Ok(piece.book.len()),
        |accounts, more| {
            *accounts += more;
            Ok(())
        },
    )?;
    if !request.allow_rules_date {
        rules.check_date(snapshot.as_of_ns)?;
    }
    Ok(Findings {
        dir: request.dir,
        as_of: timestamp(snapshot.as_of_ns)?,
        hash: snapshot::snapshot_hash(&snapshot.inputs),
        too_many_rejects: snapshot.too_many_rejects(request.max_rejects),
        snapshot,
        accounts,
    })
}

impl Findings {
    /// Rejected rows by reason, most frequent first: their number and the first few.
    fn by_reason(&self) -> Vec<Group<'_>> {
        let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
        for reject in &self.snapshot.rejects {
            let reason = reject.reason;
            let group = groups.entry(reason.code()).or_insert(Group { reason, rows: 0, first: Vec::new() });
            group.rows += 1;
            if group.first.len() < SHOWN {
                group.first.push(reject);
            }
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        // Stable sort: equal counts stay in order of their code. Rows rejected only because of their account come last.
        let is_of_account = |group: &Group| group.reason.code() == Reason::AccountUnmargined.code();
        groups.sort_by_key(|group| (is_of_account(group), std::cmp::Reverse(group.rows)));
        groups
    }
}
