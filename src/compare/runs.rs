//! Two finished runs: what changed from A to B and, where both snapshots are still there, why.

use super::attribution::between;
use super::by_group::{self, Membership};
use super::change::{Change, UnitFigures};
use super::groups::Groups;
use super::manifest::{self, Side, write_tables};
use super::pass::{self, Comparer, Pairs, Slice};
use super::recorded::{self, Accounts, Room};
use super::rules::{with_default, with_modes};
use super::stats::Stats;
use super::summary::{self, About, SideSummary};
use super::tables::{RUNS_CHANGES, Sight};
use super::walk::{Walk, slice};
use super::{CompareOutcome, parameter_changes};
use crate::engine::{self, CHUNK_ACCOUNTS, Chunk, Memory, OpenBook, Pair, side_by_side};
use crate::figures::{AccountFigure, AccountRow};
use crate::memory::{MemoryLimit, Need};
use crate::progress::Progress;
use crate::publish::recorded::Recorded;
use crate::publish::{OutputFile, OutputFolder};
use crate::request::OutputRequest;
use crate::results::{FinishedRun, check_run, read_finished};
use crate::rules::{self, LoadedRules, RulesId};
use crate::snapshot::stream::Currencies;
use crate::snapshot::{Expectations, LoadOptions, input_hashes};
use crate::tables::encode;
use crate::totals::footprint::bear;
use crate::{Error, Invalid, Result};
use std::cell::Cell;
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
    /// How much memory may be resident; at first what the machine has to give. Results do not depend on it.
    pub memory_limit: MemoryLimit,
    /// Where to write, if anywhere; at first nowhere. There is no page of it.
    pub target: Option<OutputRequest>,
}

impl RunsRequest {
    /// Compares two finished runs, whose snapshots are where the runs found them.
    pub fn new(a: impl Into<PathBuf>, b: impl Into<PathBuf>) -> Self {
        let memory_limit = MemoryLimit::of_machine();
        Self { a: a.into(), b: b.into(), snapshots: [None, None], plain: false, memory_limit, target: None }
    }
}

/// One run, as far as it can be known without its snapshot.
struct Run {
    about: FinishedRun,
    rules: Result<LoadedRules>,
    /// What a margin that is computed again must agree with.
    accounts: Accounts<Written>,
}

/// MMR, adjusted equity and IMR.
type Written = [f64; 3];

impl Run {
    fn read(about: FinishedRun, room: Room, progress: &dyn Progress) -> Result<Self> {
        let rules = rules_of(&about);
        let kept = [AccountFigure::mmr, AccountFigure::adj_eq, AccountFigure::imr];
        let written = |figures: AccountRow| kept.map(|figure| figures.number(figure));
        let known = rules.as_ref().ok().map(|loaded| &loaded.rules);
        let accounts = recorded::accounts(&about.dir, known, room, progress, written)?;
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
        let mmr = |place: usize| Sight::Margined(self.accounts.figures.get(place).map(|[mmr, ..]| *mmr));
        self.accounts.find(id).map_or(Sight::Absent, mmr)
    }

    /// Checks that accounts margined again are the run's own, to the accuracy of the model; `numbers` are those of the
    /// accounts of the chunk's book.
    fn check(&self, chunk: &Chunk, numbers: &[usize]) -> Result<()> {
        for (place, margin) in chunk.accounts.iter().enumerate() {
            let account = numbers[chunk.first_account + place];
            let pairs = self.accounts.figures[account].into_iter().zip([margin.mmr, margin.adj_eq, margin.imr]);
            let agree = |(a, b): &(f64, f64)| (a - b).abs() <= (1e-9 * a.abs().max(b.abs())).max(1e-6);
            if let Some((then, now)) = pairs.into_iter().find(|pair| !agree(pair)) {
                let id = self.accounts.ids.get(account);
                return Err(self.differs(&format!("account `{id}` had {then} and has {now}")));
            }
        }
        Ok(())
    }

    /// Checks that the account that comes next is the one that the run has there.
    fn check_next(&self, id: &str, number: usize) -> Result<()> {
        let is_same = number < self.accounts.ids.len() && self.accounts.ids.get(number) == id;
        if is_same { Ok(()) } else { Err(self.others()) }
    }

    fn others(&self) -> Error {
        self.differs("other accounts are margined")
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

/// What two runs need beside what is kept of them: little if their snapshots have few rows.
fn need_of<'a>(runs: impl IntoIterator<Item = &'a FinishedRun>) -> Need {
    let inputs = runs.into_iter().flat_map(|run| &run.inputs);
    Need::ROWS.of_rows(inputs.filter_map(|input| input.rows).fold(0, u64::saturating_add))
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
    let runs = [read_finished(&request.a)?, read_finished(&request.b)?];
    for run in &runs {
        check_run(&run.dir, &Recorded::of_run(&run.dir)?, &COMPARED, progress)?;
    }
    compare_trusted(request, runs, progress)
}

/// Files of a run that a comparison reads.
pub(crate) const COMPARED: [&str; 4] = ["accounts", "risk_units", "account_groups", "summary"];

/// As [`compare_runs`], of runs that are known to be what their manifests say.
pub(super) fn compare_trusted(
    request: &RunsRequest,
    abouts: [FinishedRun; 2],
    progress: &dyn Progress,
) -> Result<CompareOutcome> {
    let clock = Instant::now();
    let moved = request.snapshots.iter().flatten();
    let inputs: Vec<&Path> = [&request.a, &request.b].into_iter().chain(moved).map(PathBuf::as_path).collect();
    let create = |target: &OutputRequest| OutputFolder::create(&target.dir, target.force, &inputs);
    let folder = request.target.as_ref().map(create).transpose()?;
    progress.stage("read", "rows", 0);
    let threads = rayon::current_num_threads();
    // A quarter for what each run has written, half to read both snapshots again.
    let (limit, need) = (request.memory_limit, need_of(&abouts));
    let room = Room { limit, need, bytes: limit.spare(0, threads, need) / 4 };
    let [about_a, about_b] = abouts;
    let runs = [Run::read(about_a, room, progress)?, Run::read(about_b, room, progress)?];
    let output = folder.as_ref();
    let members = Membership::read(runs.each_ref().map(|run| (&run.about, &run.accounts)), room, progress)?;
    let members = members.as_ref();
    let work = Work { request, runs: &runs, output, folder: output.map(OutputFolder::path), members, progress };
    let (compared, not_attributed) = if request.plain {
        (work.plain()?, None)
    } else {
        match work.attributed() {
            Ok(compared) => (compared, None),
            // What the runs have written is still there.
            Err(error @ (Error::Invalid(_) | Error::Io { .. })) => {
                work.clear()?;
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
        progress.stage("write", "rows", 0);
        let mut outputs: Vec<_> = changes.into_iter().collect();
        outputs.extend(write_tables(folder.path(), target.format, &stats, &units, &unmargined, &summary)?);
        if let Some(members) = members {
            outputs.push(by_group::write(folder.path(), target.format, members, &stats.groups)?);
        }
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
    let new_breaches = summary::new_breaches(&stats);
    Ok(CompareOutcome { summary, too_many_rejects: None, new_breaches, not_attributed })
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
    output: Option<&'a OutputFolder>,
    folder: Option<&'a Path>,
    /// The groups of the accounts, if the runs have a grouping in common.
    members: Option<&'a Membership<'a>>,
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

    /// From the tables of the runs, which are read whole.
    fn plain(&self) -> Result<Compared> {
        let [a, b] = self.runs;
        let limit = self.request.memory_limit;
        let kept = a.accounts.bytes() + b.accounts.bytes();
        let need = need_of([&a.about, &b.about]);
        let spare = limit.spare(0, rayon::current_num_threads(), need.keeping(kept));
        let room = Room { limit, need, bytes: spare / 2 };
        let read = |run: &Run| {
            let known = run.rules.as_ref().ok().map(|loaded| &loaded.rules);
            let accounts = recorded::accounts(&run.about.dir, known, room, self.progress, |figures| figures)?;
            let units = recorded::units(&run.about.dir, &accounts, room, self.progress)?;
            Ok::<_, Error>((accounts, units))
        };
        let tables = [read(a)?, read(b)?];
        let groups = Groups::new(&tables.each_ref().map(|(_, units)| units.names.clone()));
        let ids = tables.each_ref().map(|(accounts, _)| &accounts.ids);
        let pairs = Pairs::new(ids[0], ids[1], |id| self.is_left_out(id));
        self.progress.stage("compare", "accounts", pairs.len() as u64);
        let compute = |range: Range<usize>| {
            let change = |pair: usize| {
                let numbers = pairs.get(pair);
                let figures = |side: usize| numbers[side].map(|account| tables[side].0.figures[account]);
                Change { a: figures(0), b: figures(1), why: None }
            };
            let side = |side: usize| {
                let renumbered = |unit: &UnitFigures| UnitFigures { group: groups.of(side, unit.group), ..*unit };
                let rows = pairs.of(side, &range).flat_map(|account| tables[side].1.of(account));
                rows.map(renumbered).collect()
            };
            let units = vec![side(0), side(1)];
            Ok(Slice { changes: range.clone().map(change).collect(), units })
        };
        let started = pass::start(groups.names.len(), self.table()?, true, self.members, self.progress);
        let (stats, changes) = pass::run(&pairs, compute, started)?;
        let snapshots = [&a.about, &b.about].map(|about| about.snapshot.clone());
        Ok(Compared { stats, units: groups.names, changes, snapshots })
    }

    /// Margined again, with the states between.
    fn attributed(&self) -> Result<Compared> {
        let [a, b] = self.runs;
        let rules = [a.rules()?, b.rules()?];
        let [moved_a, moved_b] = &self.request.snapshots;
        let dirs = [a.about.find_snapshot(moved_a.as_deref())?, b.about.find_snapshot(moved_b.as_deref())?];
        let walked = self.walked(&dirs, rules);
        if let Err(Error::Invalid(_)) = &walked {
            // Another snapshot than the run's says more than what it leads to.
            for (run, dir) in self.runs.iter().zip(&dirs) {
                run.about.check_inputs(dir, &input_hashes(dir, self.progress)?)?;
            }
        }
        walked
    }

    fn walked(&self, dirs: &[PathBuf; 2], rules: [&LoadedRules; 2]) -> Result<Compared> {
        let [a, b] = self.runs;
        let limit = self.request.memory_limit.shared(2, rayon::current_num_threads());
        // What was taken for broken in a run is so again; its age and size were judged then.
        let expectations = [a, b].map(|run| {
            let recorded = run.about.expectations.clone();
            Expectations { hash: None, max_mark_age: None, max_notional_usd: None, ..recorded }
        });
        let open = |side: usize| {
            // Those of A: modes that an account of B has not chosen are looked up for both.
            let default_spot_offset = rules[0].rules.default_spot_offset;
            let expectations = &expectations[side];
            let options = LoadOptions { default_spot_offset, expectations, progress: self.progress };
            let need = Need::ROWS.keeping(self.runs[side].accounts.bytes());
            OpenBook::open(&dirs[side], Currencies::Named, Memory::new(limit, need, self.folder), &options)
        };
        let (mut book_a, mut book_b) = (open(0)?, open(1)?);
        // Of the six states, three a side.
        for book in [&mut book_a, &mut book_b] {
            bear(book, book.memory().need, 3, "")?;
        }
        let (market_a, market_b) = (book_a.market(), book_b.market());
        let [positions, prices, vols] = between(market_a, market_b);
        let under_a = |market| engine::price(market, &rules[0].rules);
        let walk = Walk {
            states: [
                under_a(market_a),
                under_a(&positions),
                under_a(&prices),
                under_a(&vols),
                under_a(market_b),
                engine::price(market_b, &rules[1].rules),
            ],
        };
        let groups = walk.groups();
        let start = || {
            self.progress.stage("compare", "accounts", 0);
            self.clear()?;
            Ok(pass::start(groups.names.len(), self.table()?, true, self.members, self.progress))
        };
        let met = [Cell::new(0), Cell::new(0)];
        let want = |id: &str, numbers: [Option<usize>; 2]| {
            for ((run, met), number) in self.runs.iter().zip(&met).zip(numbers) {
                let Some(number) = number else { continue };
                run.check_next(id, number)?;
                met.set(number + 1);
            }
            Ok(!self.is_left_out(id))
        };
        let work = |comparer: &Comparer, pair: &Pair| {
            let [of_a, of_b] = &pair.books;
            let modes = with_default(of_b, &pair.undecided[1], rules[1].rules.default_spot_offset);
            let later = with_modes(of_b, modes)?;
            let books = [of_a, of_b, of_b, of_b, of_b, &*later];
            let pairs = Pairs::new(of_a.accounts(), of_b.accounts(), |_| false);
            comparer.part(&pairs, 0..pairs.len(), |range| {
                let margins = walk.margins(books, &pairs, &range)?;
                if let [first, .., last] = margins.as_slice() {
                    a.check(first, &pair.numbers[0])?;
                    b.check(last, &pair.numbers[1])?;
                }
                Ok(slice(&pairs, &range, &margins, &groups))
            })
        };
        let books = [&mut book_a, &mut book_b];
        let (compared, snapshots) = side_by_side(books, CHUNK_ACCOUNTS, start, want, work, pass::Compared::add)?;
        for ((run, dir), snapshot) in self.runs.iter().zip(dirs).zip(&snapshots) {
            run.about.check_inputs(dir, &snapshot.inputs)?;
        }
        if let Some((run, _)) = self.runs.iter().zip(&met).find(|(run, met)| run.accounts.ids.len() != met.get()) {
            return Err(run.others());
        }
        let (stats, changes) = compared.finish()?;
        Ok(Compared { stats, units: groups.names, changes, snapshots: dirs.clone() })
    }

    fn clear(&self) -> Result<()> {
        self.output.map_or(Ok(()), OutputFolder::clear)
    }
}
