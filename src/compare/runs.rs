//! Two finished runs: what changed from A to B and, where both snapshots are still there, why.

use super::attribution::between;
use super::change::{Change, UnitFigures, mmr_usd};
use super::groups::Groups;
use super::manifest::{self, Side, write_tables};
use super::pass::{self, Pairs, Slice};
use super::recorded::{self, Accounts};
use super::rules::{load_for, with_modes};
use super::stats::Stats;
use super::summary::{self, About, SideSummary};
use super::tables::{RUNS_CHANGES, Sight};
use super::walk::{Walk, slice};
use super::{CompareOutcome, parameter_changes};
use crate::engine::{self, Chunk};
use crate::figures::{AccountFigure, AccountRow};
use crate::progress::Progress;
use crate::publish::{OutputFile, OutputFolder};
use crate::request::OutputRequest;
use crate::results::{FinishedRun, read_finished};
use crate::rules::{self, LoadedRules, RulesId};
use crate::snapshot::{Expectations, Snapshot};
use crate::tables::encode;
use crate::{Error, Invalid, Result};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What to compare.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunsRequest {
    /// Folder of the run before.
    pub a: PathBuf,
    /// Folder of the run after.
    pub b: PathBuf,
    /// Where the snapshots of A and B are now, if not where the runs found them.
    pub snapshots: [Option<PathBuf>; 2],
    /// Compare what the runs have written, without their snapshots and without causes; at first not.
    pub plain: bool,
    /// Where to write, if anywhere; at first nowhere. There is no page of it.
    pub target: Option<OutputRequest>,
}

impl RunsRequest {
    /// Compares two finished runs, whose snapshots are where the runs found them.
    pub fn new(a: impl Into<PathBuf>, b: impl Into<PathBuf>) -> Self {
        Self { a: a.into(), b: b.into(), snapshots: [None, None], plain: false, target: None }
    }
}

/// One run, as far as it can be known without its snapshot.
struct Run {
    about: FinishedRun,
    rules: Result<LoadedRules>,
    accounts: Accounts,
}

impl Run {
    fn read(dir: &Path, progress: &dyn Progress) -> Result<Self> {
        let about = read_finished(dir)?;
        let rules = rules_of(&about);
        let accounts = recorded::accounts(dir, rules.as_ref().ok().map(|loaded| &loaded.rules), progress)?;
        Ok(Self { about, rules, accounts })
    }

    fn rules(&self) -> Result<&LoadedRules> {
        self.rules.as_ref().map_err(|error| {
            let problem = format!("the rules of the run `{}` cannot be loaded: {error}", self.about.dir.display());
            Invalid::new(problem).hint("run it again with this version").into()
        })
    }

    fn summary(&self) -> SideSummary {
        let rules = RulesId { name: self.about.rules_name.clone(), hash: self.about.rules_hash.clone() };
        SideSummary { as_of: self.about.as_of.clone(), rules, spot_offset: None }
    }

    /// How the run saw an account.
    fn sight(&self, id: &str) -> Sight {
        if let Some(reason) = self.about.unmargined.get(id) {
            return Sight::Unmargined(reason.clone());
        }
        let place = self.place(id);
        place.map_or(Sight::Absent, |place| Sight::Margined(Some(mmr_usd(&self.accounts.figures[place]))))
    }

    fn place(&self, id: &str) -> Option<usize> {
        let ids = &self.accounts.ids;
        let (mut low, mut high) = (0, ids.len());
        while low < high {
            let middle = low.midpoint(high);
            if ids.get(middle) < id { low = middle + 1 } else { high = middle }
        }
        (low < ids.len() && ids.get(low) == id).then_some(low)
    }

    /// Checks that accounts margined again are the run's own, to the accuracy of the model.
    fn check(&self, chunk: &Chunk) -> Result<()> {
        for (place, margin) in chunk.accounts.iter().enumerate() {
            let account = chunk.first_account + place;
            let written = &self.accounts.figures[account];
            let now = AccountRow::from(margin);
            let figures = [AccountFigure::mmr, AccountFigure::adj_eq, AccountFigure::imr];
            let pairs = figures.map(|figure| (written.number(figure), now.number(figure)));
            let agree = |(a, b): &(f64, f64)| (a - b).abs() <= (1e-9 * a.abs().max(b.abs())).max(1e-6);
            if let Some((then, now)) = pairs.iter().find(|pair| !agree(pair)) {
                let id = self.accounts.ids.get(account);
                return Err(self.differs(&format!("account `{id}` had {then} and has {now}")));
            }
        }
        Ok(())
    }

    fn differs(&self, how: &str) -> Error {
        let FinishedRun { dir, version, .. } = &self.about;
        Invalid::new("the run cannot be reproduced from its snapshot and rules")
            .file(dir)
            .value(how)
            .expected(format!(
                "the figures of version {version}, which wrote it; this is {}",
                env!("CARGO_PKG_VERSION")
            ))
            .hint("run it again with this version")
            .into()
    }
}

/// The rules of a run, from its manifest.
fn rules_of(about: &FinishedRun) -> Result<LoadedRules> {
    let manifest = about.dir.join("manifest.json");
    let loaded = rules::load_recorded(&about.rules_text, &manifest)?;
    if loaded.hash == about.rules_hash {
        return Ok(loaded);
    }
    let invalid = Invalid::new("the rules in the manifest are not those that the run was made with");
    Err(invalid.file(manifest).value(loaded.hash).expected(format!("the hash {}", about.rules_hash)).into())
}

/// Compares two finished runs. If their snapshots are there and give their figures again, the change of each account is
/// attributed to causes; if not, what the runs have written is compared, and the outcome says why.
///
/// # Errors
/// [`Error::Invalid`] if a folder is no finished run; [`Error::Usage`], [`Error::Io`] and [`Error::Runtime`] if
/// writing fails; [`Error::Interrupted`]. With an error nothing is left behind.
pub fn compare_runs(request: &RunsRequest, progress: &dyn Progress) -> Result<CompareOutcome> {
    let clock = Instant::now();
    let moved = request.snapshots.iter().flatten();
    let inputs: Vec<&Path> = [&request.a, &request.b].into_iter().chain(moved).map(PathBuf::as_path).collect();
    let create = |target: &OutputRequest| OutputFolder::create(&target.dir, target.force, &inputs);
    let folder = request.target.as_ref().map(create).transpose()?;
    progress.stage("read", "rows", 0);
    let runs = [Run::read(&request.a, progress)?, Run::read(&request.b, progress)?];
    let work = Work { request, runs: &runs, folder: folder.as_ref().map(OutputFolder::path), progress };
    let (compared, not_attributed) = if request.plain {
        (work.plain()?, None)
    } else {
        match work.attributed() {
            Ok(compared) => (compared, None),
            // What the runs have written is still there.
            Err(error @ (Error::Invalid(_) | Error::Io { .. })) => {
                folder.as_ref().map(OutputFolder::clear).transpose()?;
                (work.plain()?, Some(error))
            }
            Err(error) => return Err(error),
        }
    };
    let [a, b] = &runs;
    let unmargined = work.unmargined();
    let plain = || "plain differences were asked for".to_owned();
    let about = About {
        a: a.summary(),
        b: b.summary(),
        parameters: match (&a.rules, &b.rules) {
            (Ok(a), Ok(b)) => parameter_changes(a, b),
            _ => Vec::new(),
        },
        unmargined: unmargined.len() as u64,
        not_attributed: if request.plain { Some(plain()) } else { not_attributed.as_ref().map(first_line) },
    };
    let Compared { stats, units, changes, snapshots } = compared;
    let summary = summary::of(about, &stats, &units)?;
    if let (Some(folder), Some(target)) = (folder, &request.target) {
        progress.stage("write", "files", 0);
        let mut outputs: Vec<_> = changes.into_iter().collect();
        outputs.extend(write_tables(folder.path(), target.format, &stats, &units, &unmargined, &summary)?);
        progress.check()?;
        let side = |side: usize| Side {
            run: Some(&runs[side].about.dir),
            snapshot: &snapshots[side],
            rules: runs[side].rules.as_ref().ok(),
            inputs: &runs[side].about.inputs,
        };
        manifest::write(&folder, &target.command_line, &[side(0), side(1)], &outputs, clock.elapsed())?;
        folder.publish()?;
    }
    Ok(CompareOutcome { summary, too_many_rejects: false, not_attributed })
}

/// Without the places that an error names: outputs know nothing of paths.
fn first_line(error: &Error) -> String {
    match error {
        Error::Invalid(_) => "the runs cannot be reproduced from their snapshots".to_owned(),
        _ => "a snapshot cannot be read".to_owned(),
    }
}

struct Work<'a> {
    request: &'a RunsRequest,
    runs: &'a [Run; 2],
    folder: Option<&'a Path>,
    progress: &'a dyn Progress,
}

/// Everything but the files at the end.
struct Compared {
    stats: Stats,
    /// Names of the risk units.
    units: Vec<String>,
    changes: Option<OutputFile>,
    /// Where the snapshots are.
    snapshots: [PathBuf; 2],
}

impl Work<'_> {
    /// Accounts that a run left out, and how both saw them.
    fn unmargined(&self) -> Vec<(String, [Sight; 2])> {
        let [a, b] = self.runs;
        let ids: BTreeSet<&String> = a.about.unmargined.keys().chain(b.about.unmargined.keys()).collect();
        ids.into_iter().map(|id| (id.clone(), [a.sight(id), b.sight(id)])).collect()
    }

    fn is_left_out(&self, id: &str) -> bool {
        self.runs.iter().any(|run| run.about.unmargined.contains_key(id))
    }

    fn table(&self) -> Result<Option<(encode::Encoder, encode::TableFile)>> {
        match (self.folder, &self.request.target) {
            (Some(folder), Some(target)) => encode::create(folder, &RUNS_CHANGES, target.format).map(Some),
            _ => Ok(None),
        }
    }

    /// From the tables of the runs.
    fn plain(&self) -> Result<Compared> {
        let [a, b] = self.runs;
        let read = |run: &Run| recorded::units(&run.about.dir, &run.accounts, self.progress);
        let units = [read(a)?, read(b)?];
        let groups = Groups::new(&units.each_ref().map(|units| units.names.clone()));
        let pairs = Pairs::new(&a.accounts.ids, &b.accounts.ids, |id| self.is_left_out(id));
        self.progress.stage("compare", "accounts", pairs.len() as u64);
        let compute = |range: Range<usize>| {
            let change = |pair: usize| {
                let [in_a, in_b] = pairs.get(pair);
                let figures = |run: &Run, account: Option<usize>| account.map(|account| run.accounts.figures[account]);
                Change { a: figures(a, in_a), b: figures(b, in_b), why: None }
            };
            let side = |side: usize| {
                let renumbered = |unit: &UnitFigures| UnitFigures { group: groups.of(side, unit.group), ..*unit };
                let rows = pairs.of(side, &range).flat_map(|account| units[side].of(account));
                rows.map(renumbered).collect()
            };
            let units = vec![side(0), side(1)];
            Ok(Slice { changes: range.clone().map(change).collect(), units })
        };
        let (stats, changes) = pass::run(&pairs, compute, groups.names.len(), self.table()?, true, self.progress)?;
        let snapshots = [&a.about, &b.about].map(|about| about.snapshot.clone());
        Ok(Compared { stats, units: groups.names, changes, snapshots })
    }

    /// Margined again, with the states between.
    fn attributed(&self) -> Result<Compared> {
        let [a, b] = self.runs;
        let (rules_a, rules_b) = (a.rules()?, b.rules()?);
        let defaults = [rules_a, rules_b].map(|loaded| loaded.rules.default_spot_offset);
        let [moved_a, moved_b] = &self.request.snapshots;
        let dirs = [a.about.find_snapshot(moved_a.as_deref())?, b.about.find_snapshot(moved_b.as_deref())?];
        let (snapshot_a, _) = load_for(&dirs[0], &Expectations::NONE, [defaults[0]; 2], self.progress)?;
        a.about.check_inputs(&dirs[0], &snapshot_a)?;
        let (snapshot_b, [modes_between, modes_b]) = load_for(&dirs[1], &Expectations::NONE, defaults, self.progress)?;
        b.about.check_inputs(&dirs[1], &snapshot_b)?;
        for (run, snapshot) in [(a, &snapshot_a), (b, &snapshot_b)] {
            if !run.accounts.ids.iter().eq(snapshot.book.accounts().iter()) {
                return Err(run.differs("other accounts are margined"));
            }
        }

        let Snapshot { market: market_a, book: book_a, .. } = &snapshot_a;
        let Snapshot { market: market_b, book, .. } = &snapshot_b;
        let [positions, prices, vols] = between(market_a, market_b);
        let (book_between, book_b) = (with_modes(book, modes_between)?, with_modes(book, modes_b)?);
        let under_a = |book, market| (book, engine::price(market, &rules_a.rules));
        let walk = Walk {
            states: [
                under_a(book_a, market_a),
                under_a(&book_between, &positions),
                under_a(&book_between, &prices),
                under_a(&book_between, &vols),
                under_a(&book_between, market_b),
                (&book_b, engine::price(market_b, &rules_b.rules)),
            ],
        };
        let groups = walk.groups();
        let pairs = Pairs::new(book_a.accounts(), book.accounts(), |id| self.is_left_out(id));
        self.progress.stage("compare", "accounts", pairs.len() as u64);
        let compute = |range: Range<usize>| {
            let margins = walk.margins(&pairs, &range)?;
            if let [first, .., last] = margins.as_slice() {
                a.check(first)?;
                b.check(last)?;
            }
            Ok(slice(&pairs, &range, &margins, &groups))
        };
        let (stats, changes) = pass::run(&pairs, compute, groups.names.len(), self.table()?, true, self.progress)?;
        Ok(Compared { stats, units: groups.names, changes, snapshots: dirs })
    }
}
