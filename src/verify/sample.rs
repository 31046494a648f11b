//! Accounts of a run, derived again by the reference model and compared column by column.

use super::origin::SAMPLE_CUT;
use super::tables::{ACCOUNT_COLUMNS, Key, SampleRows, UNIT_COLUMNS};
use super::{Derived, Difference, Findings, Origin, Sample, VerifyRequest};
use crate::book::{Book, BookBuilder};
use crate::engine::OpenBook;
use crate::figures::UnitRow;
use crate::market::{Market, scenario};
use crate::progress::Progress;
use crate::reference::{self, Mismatch};
use crate::snapshot::stream::Piece;
use crate::{Error, Result};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;

/// Rows of `accounts` that are in memory at once, at most.
const SLICE_ROWS: usize = 1 << 17;
/// Bytes of such a row with its risk units, about.
const ROW_BYTES: u64 = 1536;

/// Derives the accounts of the sample and compares.
pub(super) fn check(
    request: &VerifyRequest,
    origin: &Origin,
    book: &mut OpenBook,
    findings: &mut Findings,
    progress: &dyn Progress,
) -> Result<Derived> {
    let of_accounts = origin.book().len();
    let drawn = match request.sample {
        Sample::All => None,
        Sample::Accounts(count) => Some(draw(count, of_accounts, request.seed)),
    };
    let accounts = drawn.as_ref().map_or(of_accounts, BTreeSet::len);
    let rate = origin.rules.rules.rate;
    let apply = |scenario| scenario::apply(&origin.snapshot.market, scenario, rate);
    let markets: Vec<Market> = origin.scenarios.par_iter().map(apply).collect::<Result<_>>()?;
    progress.stage("derive", "accounts x scenarios", (accounts * markets.len()) as u64);
    let spare = request.memory_limit.spare(book.group_rows(), rayon::current_num_threads(), book.memory().need);
    let rows = usize::try_from(spare / ROW_BYTES).unwrap_or(SLICE_ROWS).min(SLICE_ROWS);
    let derived = Derived {
        accounts: accounts as u64,
        of_accounts: of_accounts as u64,
        scenarios: markets.len() as u64,
        ..Derived::default()
    };
    let mut slices = Slices {
        most: (rows / markets.len().max(1)).max(1),
        run: &request.run,
        origin,
        markets: &markets,
        slice: Slice::default(),
        derived,
        findings,
        progress,
    };
    let work = |(): &(), piece: &Piece| Slice::of(piece, drawn.as_ref());
    book.again(SAMPLE_CUT, || Ok(((), ())), work, |(), slice| slices.add(&slice))?;
    slices.derive()?;
    Ok(slices.derived)
}

/// Accounts of the sample, in order.
#[derive(Default)]
struct Slice {
    book: BookBuilder,
    /// Their numbers among all accounts.
    numbers: Vec<usize>,
}

impl Slice {
    /// Those of a piece; all without a sample.
    fn of(piece: &Piece, drawn: Option<&BTreeSet<usize>>) -> Result<(Book, Vec<usize>)> {
        let range = piece.first..piece.first + piece.book.len();
        let numbers: Vec<usize> = match drawn {
            Some(drawn) => drawn.range(range).copied().collect(),
            None => range.collect(),
        };
        let mut book = BookBuilder::default();
        for number in &numbers {
            book.copy_account(&piece.book, number - piece.first);
        }
        Ok((book.build()?, numbers))
    }
}

/// Derives accounts, so many at a time: for each slice the tables of the run are read once.
struct Slices<'a> {
    most: usize,
    run: &'a Path,
    origin: &'a Origin,
    markets: &'a [Market],
    slice: Slice,
    derived: Derived,
    findings: &'a mut Findings,
    progress: &'a dyn Progress,
}

impl Slices<'_> {
    fn add(&mut self, (book, numbers): &(Book, Vec<usize>)) -> Result<()> {
        for (account, &number) in numbers.iter().enumerate() {
            self.slice.book.copy_account(book, account);
            self.slice.numbers.push(number);
            if self.slice.numbers.len() == self.most {
                self.derive()?;
            }
        }
        Ok(())
    }

    fn derive(&mut self) -> Result<()> {
        let Slice { book, numbers } = std::mem::take(&mut self.slice);
        if numbers.is_empty() {
            return Ok(());
        }
        let (book, origin, progress) = (book.build()?, self.origin, self.progress);
        let rows = SampleRows::read(self.run, origin, &numbers, progress)?;
        let work = |(account, &number): (usize, &usize)| {
            let mut found = Findings::default();
            let mut units = 0;
            for (place, market) in self.markets.iter().enumerate() {
                progress.check()?;
                units += one(origin, market, (&book, account), (number, place), &rows, &mut found)?;
                progress.advance(1);
            }
            Ok::<_, Error>((found, units))
        };
        for (found, units) in numbers.par_iter().enumerate().map(work).collect::<Result<Vec<_>>>()? {
            self.derived.figures += found.compared;
            self.derived.risk_units += units;
            self.findings.take(found);
        }
        Ok(())
    }
}

/// `count` different numbers below `all`, by the seed alone (Floyd's way of drawing without putting back).
fn draw(count: usize, all: usize, seed: u64) -> BTreeSet<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = BTreeSet::new();
    for last in all.saturating_sub(count)..all {
        let number = ((u128::from(rng.next_u64()) * (last as u128 + 1)) >> 64) as usize;
        if !drawn.insert(number) {
            drawn.insert(last);
        }
    }
    drawn
}

/// One account in one market; returns the number of its risk units. `key` is its number among all accounts, and that of
/// the scenario.
fn one(
    origin: &Origin,
    market: &Market,
    (book, account): (&Book, usize),
    key: Key,
    rows: &SampleRows,
    found: &mut Findings,
) -> Result<u64> {
    let rules = &origin.rules.rules;
    let id = book.accounts().get(account);
    let scenario = origin.scenarios.get(key.1).map_or("", |scenario| scenario.name.as_str());
    let difference = |file: &str, row: Option<u64>, column: &str, found: &str, expected: &str| Difference {
        file: file.to_owned(),
        row,
        column: column.to_owned(),
        account: Some(id.to_owned()),
        scenario: Some(scenario.to_owned()),
        found: found.to_owned(),
        expected: expected.to_owned(),
        ..Difference::default()
    };
    let no_account = || Error::Runtime(format!("account `{id}` is not in the book"));
    let account = reference::account_of(market, book, rules, account).ok_or_else(no_account)?;
    let expected = reference::margin(&account)?;

    let of_account = rows.accounts.get(&key).map_or(&[][..], Vec::as_slice);
    let [(row, kernel, unknown)] = of_account else {
        let second = of_account.get(1).map(|(row, ..)| *row);
        let count = format!("{} rows", of_account.len());
        found.differ(difference("accounts", second, "account_id", &count, "one row of the account and scenario"));
        return Ok(0);
    };
    if let Some((column, text)) = unknown {
        found.differ(difference("accounts", Some(*row), column, text, expected.status.name()));
        return Ok(0);
    }
    let of_units = rows.units.get(&key).map_or(&[][..], Vec::as_slice);
    if let Some((row, column, text)) =
        of_units.iter().find_map(|(row, _, _, unknown)| unknown.as_ref().map(|(column, text)| (*row, *column, text)))
    {
        found.differ(difference("risk_units", Some(row), column, text, "a state of volatility"));
        return Ok(0);
    }
    let units: Vec<UnitRow> = of_units.iter().map(|(_, _, unit, _)| *unit).collect();
    let names: Vec<&str> = of_units.iter().map(|(_, name, ..)| name.as_str()).collect();
    found.compared += ACCOUNT_COLUMNS + UNIT_COLUMNS * units.len() as u64;
    for mismatch in reference::compare_rows(kernel, &units, &names, &expected, rules) {
        let Mismatch { unit, column, kernel, reference, tolerance } = mismatch;
        let of_unit = of_units.iter().find(|(_, name, ..)| unit.as_ref() == Some(name)).map(|(row, ..)| *row);
        let in_units = unit.is_some() || column == "risk_unit";
        let (file, row) = if in_units { ("risk_units", of_unit) } else { ("accounts", Some(*row)) };
        let plain = difference(file, row, column, &kernel, &reference);
        found.differ(Difference { risk_unit: unit, tolerance, ..plain });
    }
    Ok(units.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_drawn_by_their_seed_alone() {
        for (count, all, drawn) in [(0, 10, 0), (3, 10, 3), (10, 10, 10), (11, 10, 10), (5, 0, 0)] {
            let sample = draw(count, all, 1);
            assert_eq!(sample.len(), drawn, "{count} of {all}");
            assert!(sample.iter().all(|&account| account < all));
            assert_eq!(sample, draw(count, all, 1));
        }
        assert_ne!(draw(10, 1000, 1), draw(10, 1000, 2));
        // Every number is drawn about as often as every other.
        let mut hits = [0u32; 20];
        (0..2000).flat_map(|seed| draw(5, 20, seed)).for_each(|number| hits[number] += 1);
        assert!(hits.iter().all(|&hits| (400..600).contains(&hits)), "{hits:?}");
    }
}
