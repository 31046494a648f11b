//! What a finished run came from, read again.

use super::VerifyRequest;
use crate::Result;
use crate::book::{Book, IdTable, Interner};
use crate::engine::{CHUNK_ACCOUNTS, Memory, OpenBook};
use crate::market::scenario::{Scenario, with_base};
use crate::memory::Need;
use crate::progress::Progress;
use crate::publish::recorded::Request;
use crate::rules::LoadedRules;
use crate::snapshot::stream::{Currencies, Cut, Piece};
use crate::snapshot::{self, LoadOptions, Snapshot};
use crate::source::Format;
use crate::stress::ScenarioSources;
use crate::tables::formula_safe;
use crate::totals::footprint::bear;
use crate::totals::group_spelling;
use crate::totals::groups::group_names;
use std::borrow::Cow;
use std::path::Path;

/// A run and what it came from, read again.
pub(super) struct Origin {
    /// Its book has the accounts' names and no rows.
    pub snapshot: Snapshot,
    pub rules: LoadedRules,
    pub scenarios: Vec<Scenario>,
    format: Format,
}

impl Origin {
    /// A name as it stands in the tables of the run.
    pub fn written<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if self.format == Format::Csv { formula_safe(name) } else { Cow::Borrowed(name) }
    }

    pub fn book(&self) -> &Book {
        &self.snapshot.book
    }

    /// Also returns the book, for a second look at the accounts of the sample; it has the groups that the run had.
    pub fn read<'a>(
        dir: &Path,
        request: &'a Request,
        rules: LoadedRules,
        verify: &VerifyRequest,
        progress: &'a dyn Progress,
    ) -> Result<(Self, OpenBook<'a>)> {
        let options = LoadOptions {
            default_spot_offset: rules.rules.default_spot_offset,
            expectations: &request.expectations,
            progress,
        };
        let memory = Memory::new(verify.memory_limit, Need::BOOK, None);
        let by = request.groups()?;
        let book = OpenBook::open_grouped(dir, Currencies::Named, &by, memory, &options)?;
        let mut book = if verify.rebuild { book.told() } else { book };
        let (market, group_rows) = (book.market().clone(), book.group_rows());
        let (scenarios, more_inputs) = match (&request.stress, &request.shocks) {
            (Some(part), _) => ScenarioSources::recorded(request, part)?.resolve(dir, &market, progress)?,
            (None, Some(shocks)) => {
                let (scenarios, _) = snapshot::read_shocks(Path::new(shocks), &market, progress)?;
                (with_base(&market, scenarios)?, Vec::new())
            }
            (None, None) => (vec![Scenario::base()], Vec::new()),
        };
        // The sample is derived in all scenarios at once.
        bear(&mut book, Need::BOOK, scenarios.len() + 1, "")?;
        // A fifth for the names.
        let (threads, need) = (rayon::current_num_threads(), book.memory().need);
        let room = verify.memory_limit.spare(group_rows, threads, need) / 5;
        book.need(need.keeping(room));
        book.keep();
        let (named, mut snapshot) = book.pass(
            SAMPLE_CUT,
            || Ok(((), Named::default())),
            |(): &(), piece: &Piece| Ok((piece.book.accounts().clone(), group_names(&piece.book))),
            |named, (ids, groups)| {
                named.add(&ids, &groups);
                let kept = named.bytes();
                if kept > room {
                    let need = need.keeping(kept.saturating_mul(10));
                    return Err(verify.memory_limit.exceeded(
                        "the names of all accounts do not fit",
                        group_rows,
                        threads,
                        need,
                    ));
                }
                Ok(())
            },
        )?;
        let groups = by.iter().zip(&named.groups);
        let odd = groups.filter_map(|(by, names)| group_spelling::of_grouping(&by.to_string(), names.ids()));
        snapshot.warnings.extend(odd);
        snapshot.inputs.extend(more_inputs);
        snapshot.book = Book::of_ids(named.ids);
        Ok((Self { snapshot, rules, scenarios, format: request.format }, book))
    }
}

/// The names of all accounts, and of the groups of each grouping.
#[derive(Default)]
struct Named {
    ids: IdTable,
    groups: Vec<Interner>,
}

impl Named {
    fn add(&mut self, ids: &IdTable, groups: &[IdTable]) {
        for id in ids.iter() {
            self.ids.push(id);
        }
        self.groups.resize_with(self.groups.len().max(groups.len()), Interner::default);
        for (known, names) in self.groups.iter_mut().zip(groups) {
            for name in names.iter() {
                known.intern(name);
            }
        }
    }

    fn bytes(&self) -> u64 {
        self.ids.len() as u64 * ID_BYTES + self.groups.iter().map(|names| names.bytes() as u64).sum::<u64>()
    }
}

/// Pieces in which the accounts are looked at, twice.
pub(super) const SAMPLE_CUT: Cut = Cut::Margined(CHUNK_ACCOUNTS);
/// Bytes of an account's name.
const ID_BYTES: u64 = 40;
