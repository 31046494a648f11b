//! Two rule sets over one book.

use super::change::Change;
use super::groups::Groups;
use super::manifest::{self, Side, write_tables};
use super::pass::{self, Compared, Comparer, Pairs, Slice};
use super::summary::{self, About, SideSummary};
use super::tables::{RULES_CHANGES, Sight};
use super::{CompareOutcome, parameter_changes};
use crate::Result;
use crate::book::Book;
use crate::cells::time::timestamp;
use crate::engine::{self, CHUNK_ACCOUNTS, Chunk, Memory, OpenBook};
use crate::figures::AccountRow;
use crate::margin::priced::PricedMarket;
use crate::margin::rules::SpotOffset;
use crate::memory::Need;
use crate::progress::Progress;
use crate::publish::OutputFolder;
use crate::request::{OutputRequest, SnapshotRequest};
use crate::rules::{LoadedRules, RulesId};
use crate::snapshot::stream::{Currencies, Cut, Piece};
use crate::snapshot::{LoadOptions, Snapshot};
use crate::tables::{encode, rejects};
use crate::totals::footprint::bear;
use std::borrow::Cow;
use std::time::Instant;

/// One side: what the book is margined under.
#[derive(Debug, Clone)]
pub struct Basis {
    /// The rules.
    pub rules: LoadedRules,
    /// A spot hedging mode that every account is taken to have, whatever the table `accounts` says.
    pub spot_offset: Option<SpotOffset>,
}

impl Basis {
    /// Rules, and the spot hedging modes that accounts have.
    #[must_use]
    pub fn of(rules: LoadedRules) -> Self {
        Self { rules, spot_offset: None }
    }
}

/// What to compare.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RulesRequest {
    /// The snapshot.
    pub snapshot: SnapshotRequest,
    /// Before.
    pub a: Basis,
    /// After.
    pub b: Basis,
    /// Where to write, if anywhere; at first nowhere. There is no page of it.
    pub target: Option<OutputRequest>,
}

impl RulesRequest {
    /// Compares two sides over a snapshot.
    pub fn new(snapshot: impl Into<SnapshotRequest>, a: Basis, b: Basis) -> Self {
        Self { snapshot: snapshot.into().under(&a.rules).under(&b.rules), a, b, target: None }
    }

    /// Writes the comparison to a folder.
    #[must_use]
    pub fn with_target(mut self, output: impl Into<OutputRequest>) -> Self {
        self.target = Some(output.into());
        self
    }
}

/// Margins every account of a snapshot under both rule sets.
///
/// ```
/// use remargin::compare::{Basis, RulesRequest, compare_rules};
/// use remargin::progress::Silent;
/// use remargin::rules;
/// let [a, b] = [rules::load(None, &[])?, rules::load(None, &["risk_unit=merged".to_owned()])?];
/// let request = RulesRequest::new("data/sample", Basis::of(a), Basis::of(b));
/// let outcome = compare_rules(&request, &Silent)?;
/// assert!(outcome.summary.to_json()?.starts_with(b"{"));
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// Those of [`crate::run::run`]. With an error nothing is left behind.
pub fn compare_rules(request: &RulesRequest, progress: &dyn Progress) -> Result<CompareOutcome> {
    let clock = Instant::now();
    let mut inputs = vec![request.snapshot.dir.as_path()];
    inputs.extend([&request.a, &request.b].into_iter().filter_map(|basis| basis.rules.read_from()));
    let create = |target: &OutputRequest| OutputFolder::create(&target.dir, target.force, &inputs);
    let folder = request.target.as_ref().map(create).transpose()?;
    let bases = [&request.a, &request.b];
    let options = LoadOptions {
        default_spot_offset: request.a.rules.rules.default_spot_offset,
        expectations: &request.snapshot.expectations,
        progress,
    };
    let limit = request.snapshot.memory_limit;
    let memory = Memory::new(limit, Need::ROWS, folder.as_ref().map(OutputFolder::path));
    let mut book = OpenBook::open(&request.snapshot.dir, Currencies::Named, memory, &options)?;
    if !request.snapshot.allow_rules_date {
        bases.into_iter().try_for_each(|basis| basis.rules.check_date(book.as_of_ns()))?;
    }
    bear(&mut book, Need::ROWS, bases.len(), "")?;
    let priced = bases.map(|basis| engine::price(book.market(), &basis.rules.rules));
    let groups = Groups::new(&priced.each_ref().map(PricedMarket::unit_names));
    let start = || {
        progress.stage("compare", "accounts", 0);
        let table = match (&folder, &request.target) {
            (Some(folder), Some(target)) => {
                folder.clear()?;
                Some(encode::create(folder.path(), &RULES_CHANGES, target.format)?)
            }
            _ => None,
        };
        Ok(pass::start(groups.names.len(), table, false, None, progress))
    };
    let work = |comparer: &Comparer, piece: &Piece| {
        let ids = piece.book.accounts();
        let mode_of = |basis| with_modes(&piece.book, modes(piece, basis));
        let books = [mode_of(bases[0])?, mode_of(bases[1])?];
        comparer.part(&Pairs::new(ids, ids, |_| false), 0..ids.len(), |range| {
            let a = engine::chunk(&priced[0], &books[0], range.clone())?;
            let b = engine::chunk(&priced[1], &books[1], range.clone())?;
            let units = [&a, &b]
                .into_iter()
                .enumerate()
                .map(|(side, chunk)| range.clone().flat_map(|account| groups.figures(side, chunk, account)).collect());
            let units = units.collect();
            Ok(Slice { changes: changes(&a, &b), units })
        })
    };
    let (compared, snapshot) = book.pass(Cut::Margined(CHUNK_ACCOUNTS), start, work, Compared::add)?;
    let (stats, changes) = compared.finish()?;

    let about = About {
        a: side_summary(&request.a, &snapshot)?,
        b: side_summary(&request.b, &snapshot)?,
        parameters: parameter_changes(&request.a.rules, &request.b.rules),
        unmargined: snapshot.unmargined.len() as u64,
        not_attributed: None,
    };
    let summary = summary::of(about, &stats, &groups.names)?;
    if let (Some(folder), Some(target)) = (folder, &request.target) {
        progress.stage("write", "rows", 0);
        let unmargined: Vec<_> = snapshot
            .unmargined
            .iter()
            .map(|account| {
                let sight = Sight::Unmargined(account.reason.code().to_owned());
                (account.account_id.clone(), [sight.clone(), sight])
            })
            .collect();
        let mut outputs: Vec<_> = changes.into_iter().collect();
        outputs.extend(write_tables(folder.path(), target.format, &stats, &groups.names, &unmargined, &summary)?);
        outputs.extend(rejects::write(folder.path(), &snapshot.rejects, target.format)?);
        progress.check()?;
        let sides = bases.map(|basis| Side {
            run: None,
            snapshot: &request.snapshot.dir,
            rules: Some(&basis.rules),
            inputs: &snapshot.inputs,
        });
        manifest::write(&folder, &target.command_line, &sides, &outputs, clock.elapsed())?;
        folder.publish()?;
    }
    let too_many_rejects = snapshot.too_many_rejects(request.snapshot.max_rejects);
    let new_breaches = summary::new_breaches(&stats);
    Ok(CompareOutcome { summary, too_many_rejects, new_breaches, not_attributed: None })
}

fn changes(a: &Chunk, b: &Chunk) -> Vec<Change> {
    let pairs = a.accounts.iter().zip(&b.accounts);
    pairs.map(|(a, b)| Change { a: Some(AccountRow::from(a)), b: Some(AccountRow::from(b)), why: None }).collect()
}

fn side_summary(basis: &Basis, snapshot: &Snapshot) -> Result<SideSummary> {
    Ok(SideSummary {
        as_of: timestamp(snapshot.as_of_ns)?,
        rules: RulesId { name: basis.rules.rules.name.clone(), hash: basis.rules.hash.clone() },
        spot_offset: basis.spot_offset.map(SpotOffset::name),
    })
}

/// The spot hedging modes of some accounts on one side.
fn modes(piece: &Piece, basis: &Basis) -> Vec<SpotOffset> {
    match basis.spot_offset {
        Some(mode) => vec![mode; piece.book.len()],
        None => with_default(&piece.book, &piece.undecided, basis.rules.rules.default_spot_offset),
    }
}

/// The spot hedging modes of some accounts, where those that chose none have this one.
pub(super) fn with_default(book: &Book, undecided: &[usize], default: SpotOffset) -> Vec<SpotOffset> {
    let mut modes = book.spot_offset().to_vec();
    for &account in undecided {
        modes[account] = default;
    }
    modes
}

/// The book as it would be with these modes.
pub(super) fn with_modes(book: &Book, modes: Vec<SpotOffset>) -> Result<Cow<'_, Book>> {
    if modes == book.spot_offset() { Ok(Cow::Borrowed(book)) } else { book.with_spot_offset(modes).map(Cow::Owned) }
}
