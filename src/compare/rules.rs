//! Two rule sets over one book.

use super::change::Change;
use super::groups::Groups;
use super::manifest::{self, Side, write_tables};
use super::pass::{self, Pairs, Slice};
use super::summary::{self, About, SideSummary};
use super::tables::{RULES_CHANGES, Sight};
use super::{CompareOutcome, parameter_changes};
use crate::book::Book;
use crate::cells::time::timestamp;
use crate::engine::{self, Chunk};
use crate::figures::AccountRow;
use crate::margin::priced::PricedMarket;
use crate::margin::rules::SpotOffset;
use crate::progress::Progress;
use crate::publish::OutputFolder;
use crate::request::{OutputRequest, SnapshotRequest};
use crate::rules::{LoadedRules, RulesId};
use crate::snapshot::{self, Expectations, LoadOptions, Snapshot};
use crate::tables::{encode, rejects};
use crate::{Invalid, Result};
use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
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
        Self { snapshot: snapshot.into(), a, b, target: None }
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
    let create = |target: &OutputRequest| OutputFolder::create(&target.dir, target.force, &[&request.snapshot.dir]);
    let folder = request.target.as_ref().map(create).transpose()?;
    let bases = [&request.a, &request.b];
    let (snapshot, default_modes) = load_for(
        &request.snapshot.dir,
        &request.snapshot.expectations,
        bases.map(|basis| basis.rules.rules.default_spot_offset),
        progress,
    )?;
    if !request.snapshot.allow_rules_date {
        bases.into_iter().try_for_each(|basis| basis.rules.check_date(snapshot.as_of_ns))?;
    }
    progress.stage("compare", "accounts", snapshot.book.len() as u64);
    let [modes_a, modes_b] = default_modes;
    let all =
        |basis: &Basis, own: Vec<SpotOffset>| basis.spot_offset.map_or(own, |mode| vec![mode; snapshot.book.len()]);
    let books =
        [with_modes(&snapshot.book, all(&request.a, modes_a))?, with_modes(&snapshot.book, all(&request.b, modes_b))?];
    let priced = bases.map(|basis| engine::price(&snapshot.market, &basis.rules.rules));
    let groups = Groups::new(&priced.each_ref().map(PricedMarket::unit_names));
    let ids = snapshot.book.accounts();
    let pairs = Pairs::new(ids, ids, |_| false);
    let compute = |range: Range<usize>| {
        let a = engine::chunk(&priced[0], &books[0], range.clone())?;
        let b = engine::chunk(&priced[1], &books[1], range.clone())?;
        let units = [&a, &b]
            .into_iter()
            .enumerate()
            .map(|(side, chunk)| range.clone().flat_map(|account| groups.figures(side, chunk, account)).collect());
        let units = units.collect();
        Ok(Slice { changes: changes(&a, &b), units })
    };
    let table = match (&folder, &request.target) {
        (Some(folder), Some(target)) => Some(encode::create(folder.path(), &RULES_CHANGES, target.format)?),
        _ => None,
    };
    let (stats, changes) = pass::run(&pairs, compute, groups.names.len(), table, false, progress)?;

    let about = About {
        a: side_summary(&request.a, &snapshot)?,
        b: side_summary(&request.b, &snapshot)?,
        parameters: parameter_changes(&request.a.rules, &request.b.rules),
        unmargined: snapshot.unmargined.len() as u64,
        not_attributed: None,
    };
    let summary = summary::of(about, &stats, &groups.names)?;
    if let (Some(folder), Some(target)) = (folder, &request.target) {
        progress.stage("write", "files", 0);
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
        outputs.push(rejects::write(folder.path(), &snapshot.rejects, target.format)?);
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
    let rows_in = snapshot.tables.iter().map(|table| table.rows_in).sum();
    let rows_broken = snapshot.tables.iter().map(|table| table.rows_broken).sum();
    let too_many_rejects = request.snapshot.max_rejects.exceeded(rows_broken, rows_in);
    Ok(CompareOutcome { summary, too_many_rejects, not_attributed: None })
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

/// A snapshot, and the spot hedging modes of its accounts under two defaults. Where these differ it is read twice, once
/// for each: a book does not say who chose no mode.
pub(super) fn load_for(
    dir: &Path,
    expectations: &Expectations,
    [a, b]: [SpotOffset; 2],
    progress: &dyn Progress,
) -> Result<(Snapshot, [Vec<SpotOffset>; 2])> {
    let load = |default_spot_offset| snapshot::load(dir, &LoadOptions { default_spot_offset, expectations, progress });
    let other =
        if a == b { None } else { load(b).map(|other| Some((other.book.spot_offset().to_vec(), other.inputs)))? };
    let snapshot = load(a)?;
    let modes_a = snapshot.book.spot_offset().to_vec();
    let modes_b = match other {
        None => modes_a.clone(),
        Some((modes, inputs)) if inputs == snapshot.inputs => modes,
        Some(_) => return Err(Invalid::new("the snapshot has changed while it was read").file(dir).into()),
    };
    Ok((snapshot, [modes_a, modes_b]))
}

/// The book as it would be with these modes.
pub(super) fn with_modes(book: &Book, modes: Vec<SpotOffset>) -> Result<Cow<'_, Book>> {
    if modes == book.spot_offset() { Ok(Cow::Borrowed(book)) } else { book.with_spot_offset(modes).map(Cow::Owned) }
}
