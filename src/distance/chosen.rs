//! The distances of chosen accounts of a snapshot as a table in memory: the rows that `remargin run --distance` writes.

use super::tables::{self, Searched};
use crate::book::Book;
use crate::engine::lanes::Width;
use crate::engine::{self, CHUNK_ACCOUNTS};
use crate::formats::memory::Rows;
use crate::margin::rules::Rules;
use crate::market::Market;
use crate::memory::Need;
use crate::progress::Progress;
use crate::request::SnapshotRequest;
use crate::rules::LoadedRules;
use crate::snapshot::{self, LoadOptions, Snapshot};
use crate::totals::at_risk;
use crate::{Invalid, Result, parallel};

/// Whose distances to search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// Every account's.
    All,
    /// Those of the accounts that are at risk in the market as it is.
    AtRisk,
    /// Those of the accounts of these ids.
    Of(Vec<String>),
}

/// What to search.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DistancesRequest {
    /// The snapshot. It is held in memory whole.
    pub snapshot: SnapshotRequest,
    /// The rules.
    pub rules: LoadedRules,
    /// Whose distances.
    pub whose: Whose,
}

impl DistancesRequest {
    /// The distances of some accounts of a snapshot under these rules.
    pub fn new(snapshot: impl Into<SnapshotRequest>, rules: LoadedRules, whose: Whose) -> Self {
        Self { snapshot: snapshot.into().under(&rules), rules, whose }
    }
}

/// What a search brought.
#[derive(Debug, Clone)]
pub struct DistancesOutcome {
    /// The table [`DISTANCES`](tables::DISTANCES): accounts in byte order of their ids. Labels are plain text.
    pub distances: Rows,
    /// So many rows are broken, more than [`SnapshotRequest::max_rejects`] tolerates (exit 4): their accounts are left
    /// out.
    pub too_many_rejects: Option<u64>,
}

/// Searches the distances of accounts from liquidation.
///
/// ```
/// use remargin::distance::chosen::{DistancesRequest, Whose, run};
/// use remargin::progress::Silent;
/// let rules = remargin::rules::load(None, &[])?;
/// let found = run(&DistancesRequest::new("data/sample", rules, Whose::AtRisk), &Silent)?;
/// assert!(!found.distances.is_empty());
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) if the snapshot is invalid or older than the rules, or if an account that
/// is named is not in it or cannot be margined; [`Error::Interrupted`](crate::Error::Interrupted).
pub fn run(request: &DistancesRequest, progress: &dyn Progress) -> Result<DistancesOutcome> {
    let rules = &request.rules.rules;
    let options = LoadOptions {
        default_spot_offset: rules.default_spot_offset,
        expectations: &request.snapshot.expectations,
        progress,
    };
    let loaded = snapshot::load(&request.snapshot.dir, &options)?;
    if !request.snapshot.allow_rules_date {
        request.rules.check_date(loaded.as_of_ns)?;
    }
    let too_many_rejects = loaded.too_many_rejects(request.snapshot.max_rejects);
    let (market, book) = (&loaded.market, &loaded.book);
    let accounts = match &request.whose {
        Whose::All => (0..book.len()).collect(),
        Whose::AtRisk => at_risk(market, rules, book)?,
        Whose::Of(ids) => named(&loaded, ids)?,
    };
    let room = request.snapshot.memory_limit.spare(0, rayon::current_num_threads(), Need::ROWS) / 2;
    let searched = Searched { market, rules, book, room, width: Width::best(), progress };
    Ok(DistancesOutcome { distances: tables::rows(searched, &accounts)?, too_many_rejects })
}

/// The accounts at risk, in order of the book.
fn at_risk(market: &Market, rules: &Rules, book: &Book) -> Result<Vec<usize>> {
    let priced = engine::price(market, rules);
    let task = |number: usize| {
        let first = number * CHUNK_ACCOUNTS;
        let chunk = engine::chunk(&priced, book, first..book.len().min(first + CHUNK_ACCOUNTS))?;
        Ok(at_risk::select(&chunk, 0))
    };
    let mut accounts = Vec::new();
    parallel::in_order(book.len().div_ceil(CHUNK_ACCOUNTS), rayon::current_num_threads() * 2, task, |rows| {
        accounts.extend(rows.into_iter().map(|row| row.account));
        Ok(())
    })?;
    Ok(accounts)
}

/// The accounts of these ids, in order of the book, each once.
fn named(loaded: &Snapshot, ids: &[String]) -> Result<Vec<usize>> {
    let find = |id: &String| {
        loaded.book.find(id).ok_or_else(|| {
            let of_reason = |account: &&snapshot::Unmargined| account.account_id == *id;
            let problem = match loaded.unmargined.iter().find(of_reason) {
                Some(account) => format!("the account cannot be margined: {}", account.reason.code()),
                None => "no such account in the snapshot".to_owned(),
            };
            crate::Error::from(Invalid::new(problem).column("account_id").value(id.as_str()))
        })
    };
    let mut accounts = ids.iter().map(find).collect::<Result<Vec<_>>>()?;
    accounts.sort_unstable();
    accounts.dedup();
    Ok(accounts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::progress::Silent;
    use crate::request::{DistanceScope, OutputRequest};
    use crate::results::read_rows;
    use crate::rules;
    use crate::run::{self, RunRequest};
    use crate::source::Format;
    use arrow_array::RecordBatch;
    use arrow_select::concat::concat_batches;

    fn whole(rows: &Rows) -> RecordBatch {
        concat_batches(rows.schema(), rows.batches()).unwrap()
    }

    #[test]
    fn the_rows_are_those_that_a_run_writes() {
        let place = tempfile::tempdir().unwrap();
        let rules = rules::load(None, &[]).unwrap();
        let find = |whose| run(&DistancesRequest::new("data/sample", rules.clone(), whose), &Silent);
        let found = whole(&find(Whose::AtRisk).unwrap().distances);
        for format in [Format::Parquet, Format::Arrow, Format::Csv] {
            let out = place.path().join(format.extension());
            let output = OutputRequest::new(&out).with_format(format).with_report(false);
            let request = RunRequest::new("data/sample", output, rules.clone()).with_distance(DistanceScope::AtRisk);
            run::run(&request, &Silent).unwrap();
            match read_rows(&out, "distances") {
                Ok(written) => assert_eq!(whole(&written.unwrap()), found),
                Err(Error::Invalid(fault)) => assert_eq!((format, fault.value), (Format::Csv, None)),
                Err(other) => panic!("{other}"),
            }
            assert!(read_rows(&out, "nothing").unwrap().is_none());
        }

        let ids = |ids: &[&str]| Whose::Of(ids.iter().map(|&id| id.to_owned()).collect());
        let few = whole(&find(ids(&["A00000007", "A00000002", "A00000007"])).unwrap().distances);
        let of = |batch: &RecordBatch| {
            let column = batch.column(0).as_any().downcast_ref::<arrow_array::StringArray>().unwrap();
            column.iter().flatten().map(str::to_owned).collect::<Vec<_>>()
        };
        let mut accounts = of(&few);
        accounts.dedup();
        assert_eq!(accounts, ["A00000002", "A00000007"]);
        let Err(Error::Invalid(fault)) = find(ids(&["A00000002", "nobody"])) else { panic!("no account `nobody`") };
        assert_eq!((fault.value.as_deref(), fault.column.as_deref()), (Some("nobody"), Some("account_id")));
    }
}
