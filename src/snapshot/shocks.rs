//! The table `shocks`: price scenarios, one row for each scenario and currency.
//!
//! Unlike the rows of accounts, a broken row here is an error: a scenario that lacks one of its moves would be
//! another scenario.

use super::declared::SHOCKS;
use super::unused::refuse_columns;
use super::{InputFile, checksums};
use crate::cells::number::{NumberError, Numbers};
use crate::cells::text::cut;
use crate::formats::batch::Batch;
use crate::formats::scan::{Opened, scan};
use crate::market::Market;
use crate::market::scenario::{BASE, Fault, Scenario, Shock, check_days, check_fx, check_shock, check_weight};
use crate::progress::Progress;
use crate::source::{self, Input, LARGEST_JSON, Source};
use crate::{Invalid, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The table `shocks` of the snapshot in `dir`, if it has one: a file, or a folder of Parquet parts.
///
/// # Errors
/// [`crate::Error::Invalid`] if there are two of them.
pub fn find_shocks(dir: &Path) -> Result<Option<PathBuf>> {
    Ok(source::find(dir, "shocks")?.map(|found| found.path))
}

/// Reads scenarios from a table `shocks` in a file (`*.csv`, `*.parquet`, `*.arrow`), a folder of Parquet parts
/// or a named pipe.
/// A scenario is the rows of one name; scenarios stand in the order in which their names first appear. The scenario
/// `base` is left out if it moves nothing.
///
/// # Errors
/// [`crate::Error::Invalid`] with file, column, row and value: an unknown currency, a move of -100 % or less, two
/// rows of one scenario and currency, `days`, `fx` or `weight` that contradict an earlier row of the scenario, a `base`
/// that moves or weighs something, weights of some scenarios but not of all, weights that are all zero, a cell that
/// cannot be read.
pub fn read_shocks(path: &Path, market: &Market, progress: &dyn Progress) -> Result<(Vec<Scenario>, Vec<InputFile>)> {
    let source = open(path, progress)?;
    let mut inputs = Vec::new();
    for (file, (bytes, blake3)) in source.files.iter().zip(source::hash_all(&source.files, progress)?) {
        let input = InputFile { path: file.path().to_path_buf(), bytes, rows: None, blake3 };
        checksums::verify_listed(&input)?;
        inputs.push(input);
    }
    let opened = Opened::new(&source, SHOCKS)?;
    refuse_columns(&opened, SHOCKS)?;
    let mut scenarios = Scenarios::default();
    for (input, rows) in inputs.iter_mut().zip(scenarios.read(opened, market, progress)?) {
        input.rows = Some(rows);
    }
    Ok((scenarios.finish()?, inputs))
}

/// Scenarios are held in memory, so that their table has a bound.
fn open(path: &Path, progress: &dyn Progress) -> Result<Source> {
    let source = source::open_table(path, progress)?;
    let bytes = source.files.iter().map(Input::len).sum::<u64>();
    if bytes > LARGEST_JSON {
        let expected = format!("at most {LARGEST_JSON} bytes ({} MiB) of scenarios", LARGEST_JSON >> 20);
        let invalid = Invalid::new("the table is too large").file(path).value(format!("{bytes} bytes"));
        return Err(invalid.expected(expected).into());
    }
    Ok(source)
}

/// As [`read_shocks`], from a table that is open.
pub(super) fn read_opened(opened: Opened, market: &Market, progress: &dyn Progress) -> Result<Vec<Scenario>> {
    let mut scenarios = Scenarios::default();
    scenarios.read(opened, market, progress)?;
    scenarios.finish()
}

/// A row, read and checked on its own.
struct Row {
    file: Arc<Path>,
    number: u64,
    scenario: String,
    shock: Option<Shock>,
    fx: Option<(String, f64)>,
    days: Option<f64>,
    weight: Option<f64>,
}

impl Row {
    fn fault(&self, fault: Invalid) -> Invalid {
        fault.file(&self.file).row(self.number)
    }
}

/// A scenario that is being read.
struct Partial {
    scenario: Scenario,
    days: Option<f64>,
    first: (Arc<Path>, u64),
}

#[derive(Default)]
struct Scenarios {
    list: Vec<Partial>,
    places: HashMap<String, usize>,
}

impl Scenarios {
    fn read(&mut self, opened: Opened, market: &Market, progress: &dyn Progress) -> Result<Vec<u64>> {
        scan(
            opened,
            progress,
            |rows: &mut Vec<Row>, batch| read_batch(rows, batch, market),
            |rows: Vec<Row>| rows.iter().try_for_each(|row| self.add(row)),
        )
    }

    fn add(&mut self, row: &Row) -> Result<()> {
        let place = if let Some(&place) = self.places.get(&row.scenario) {
            place
        } else {
            let scenario = Scenario { name: row.scenario.clone(), ..Scenario::default() };
            self.list.push(Partial { scenario, days: None, first: (Arc::clone(&row.file), row.number) });
            self.places.insert(row.scenario.clone(), self.list.len() - 1);
            self.list.len() - 1
        };
        let Some(partial) = self.list.get_mut(place) else { return Ok(()) };
        partial.add(row)
    }

    fn finish(self) -> Result<Vec<Scenario>> {
        self.check_weights()?;
        let mut scenarios = Vec::with_capacity(self.list.len());
        for Partial { mut scenario, days, first: (file, row) } in self.list {
            scenario.days = days.unwrap_or(0.0);
            let of_base = |problem: &str, column: &str, value: String, expected: &str| {
                Err(Invalid::new(problem).file(&file).column(column).row(row).value(value).expected(expected).into())
            };
            if scenario.name != BASE {
                scenarios.push(scenario);
            } else if !scenario.moves_nothing() {
                let expected = "another name: `base` is the market as it is";
                return of_base("the scenario `base` moves something", "scenario", BASE.to_owned(), expected);
            } else if let Some(weight) = scenario.weight.filter(|weight| *weight != 0.0) {
                let expected = "no weight: the base case is no part of a distribution; or another name";
                return of_base("the scenario `base` has a weight", "weight", weight.to_string(), expected);
            }
        }
        Ok(scenarios)
    }

    /// All scenarios have a weight or none has, and not all weights are zero. The base case needs none.
    fn check_weights(&self) -> Result<()> {
        let weighted = || self.list.iter().filter(|partial| partial.scenario.name != BASE);
        let weights = || weighted().filter_map(|partial| partial.scenario.weight);
        let Some(first) = weighted().next().filter(|_| weights().next().is_some()) else { return Ok(()) };
        let at = |problem: String, partial: &Partial, expected: &str| {
            let (file, row) = &partial.first;
            Err(Invalid::new(problem).file(file).column("weight").row(*row).expected(expected).into())
        };
        if let Some(partial) = weighted().find(|partial| partial.scenario.weight.is_none()) {
            let problem = format!("scenario `{}` has no weight, and others have one", partial.scenario.name);
            return at(problem, partial, "a weight for each scenario, in one of its rows at least, or for none");
        }
        if weights().all(|weight| weight == 0.0) {
            return at("the weights of all scenarios are zero".to_owned(), first, "a weight above zero");
        }
        Ok(())
    }
}

impl Partial {
    fn add(&mut self, row: &Row) -> Result<()> {
        let twice = |column: &str, value: &str| {
            let problem = format!("duplicate row in scenario `{}`", row.scenario);
            row.fault(Invalid::new(problem).column(column).value(value).expected("one row for each currency"))
        };
        let conflict = |column: &str, value: f64, earlier: f64| {
            let problem = format!("`{column}` contradicts an earlier row of scenario `{}`", row.scenario);
            row.fault(Invalid::new(problem).column(column).value(value.to_string()).expected(earlier.to_string()))
        };
        let Self { scenario, days, .. } = self;
        if let Some((ccy, fx)) = &row.fx {
            match scenario.fx.iter().find(|(other, _)| other == ccy) {
                Some((_, earlier)) if earlier != fx => return Err(conflict("fx", *fx, *earlier).into()),
                // A move of a stablecoin may be repeated beside each coin, as `days` may.
                Some(_) if row.shock.is_none() => return Err(twice("fx_ccy", ccy).into()),
                Some(_) => {}
                None => scenario.fx.push((ccy.clone(), *fx)),
            }
        }
        if let Some(shock) = &row.shock {
            if scenario.shocks.iter().any(|other| other.base == shock.base) {
                return Err(twice("base", &shock.base).into());
            }
            scenario.shocks.push(shock.clone());
        }
        if let Some(both) = scenario.shocks.iter().find(|shock| scenario.fx.iter().any(|(ccy, _)| *ccy == shock.base)) {
            return Err(twice("fx_ccy", &both.base).into());
        }
        for (column, all, now) in [("days", days, row.days), ("weight", &mut scenario.weight, row.weight)] {
            match (*all, now) {
                (Some(earlier), Some(now)) if earlier != now => return Err(conflict(column, now, earlier).into()),
                (None, Some(now)) => *all = Some(now),
                _ => {}
            }
        }
        Ok(())
    }
}

fn read_batch(rows: &mut Vec<Row>, batch: &Batch, market: &Market) -> Result<()> {
    let (scenario, base, fx_ccy) = (batch.text("scenario")?, batch.text("base")?, batch.text("fx_ccy")?);
    let (price, vol) = (batch.numbers("price")?, batch.numbers("vol")?);
    let (fx, days, weight) = (batch.numbers("fx")?, batch.numbers("days")?, batch.numbers("weight")?);
    for index in 0..batch.rows {
        let number = batch.first_row + index as u64;
        let at = |fault: Fault| fault.file(&batch.file).row(number);
        let missing = |column: &str, why: &str| {
            at(Invalid::new(format!("missing `{column}`")).column(column).expected(why).into())
        };
        let figure =
            |column: &str, numbers: &Numbers| figure(column, numbers, index).map_err(|fault| Fault::new(at(fault)));
        let name = scenario.get(index).ok_or_else(|| missing("scenario", "the name of a scenario"))?;
        let (price, vol, fx) = (figure("price", &price)?, figure("vol", &vol)?, figure("fx", &fx)?);
        let shock = match base.get(index) {
            Some(base) => Some(Shock { base: base.to_owned(), price, vol }),
            None if price.is_some() || vol.is_some() => {
                return Err(missing("base", "the coin that `price` and `vol` move, or `*` for all").into());
            }
            None => None,
        };
        let fx = match (fx_ccy.get(index), fx) {
            (Some(ccy), Some(fx)) => Some((ccy.to_owned(), fx)),
            (None, None) => None,
            (Some(_), None) => return Err(missing("fx", "the move of `fx_ccy` against USD").into()),
            (None, Some(_)) => return Err(missing("fx_ccy", "the stablecoin that `fx` moves").into()),
        };
        let (days, weight) = (figure("days", &days)?, figure("weight", &weight)?);
        shock.iter().try_for_each(|shock| check_shock(market, shock)).map_err(at)?;
        fx.iter().try_for_each(|(ccy, fx)| check_fx(market, ccy, *fx)).map_err(at)?;
        days.map_or(Ok(()), check_days).map_err(at)?;
        weight.map_or(Ok(()), check_weight).map_err(at)?;
        rows.push(Row { file: Arc::clone(&batch.file), number, scenario: name.to_owned(), shock, fx, days, weight });
    }
    Ok(())
}

fn figure(column: &str, numbers: &Numbers, row: usize) -> Result<Option<f64>, Fault> {
    numbers.get(row).map_err(|error| {
        let problem = match error {
            NumberError::Invalid => "not a number",
            NumberError::OutOfRange => "a number out of range",
        };
        let expected = "a decimal number, such as -0.3";
        Invalid::new(problem).column(column).value(cut(&numbers.raw(row))).expected(expected).into()
    })
}
