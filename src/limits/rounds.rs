//! All limits beside all figures: what stands in one table is read once for all limits that are about it.
//!
//! ```text
//! the first limit without an answer, and all later ones about the same table     a round: one pass over the table
//!   its breaches                  -> to the sink, as they come
//!   those of the later limits     -> kept, until their turn comes
//!   more than may be kept         -> given up, from the last limit on: these take part in another round
//! ```
//!
//! So breaches come in the order of the limits, in bounded memory, however many there are.

use super::figures::Source;
use super::filter::{OneLimit, Seen};
use super::scan::Tables;
use super::sums::Sums;
use crate::progress::Progress;
use crate::totals::limit_summary::Compared;
use crate::{Error, Result};

/// Bytes of breaches that are kept for later limits, and of those that a thread gathers of consecutive rows.
const KEPT_BYTES: usize = 64 << 20;
const LOCAL_BYTES: usize = 8 << 20;

/// Takes the breaches of one limit after another.
pub(super) type Sink<'a> = &'a mut dyn FnMut(&OneLimit, Compared) -> Result<()>;

/// All limits, and where their figures are.
pub(super) struct Rounds<'a> {
    pub limits: &'a [OneLimit<'a>],
    pub tables: Tables<'a>,
    /// Figures over all accounts, if some limit is about one.
    pub sums: &'a Sums,
    pub progress: &'a dyn Progress,
    /// Bytes that may be kept and gathered.
    room: [usize; 2],
}

/// What consecutive rows of a table gave, by place in the round.
#[derive(Default)]
struct Part {
    seen: Vec<Seen>,
    kept_bytes: usize,
}

/// Gives up breaches of the last limits that have some, all but the first of the round, until the others fit. Returns
/// the bytes that remain.
fn trim<'s>(seen: impl DoubleEndedIterator<Item = &'s mut Seen>, mut bytes: usize, room: usize) -> usize {
    for seen in seen.rev() {
        if bytes <= room {
            break;
        }
        if seen.kept_bytes > 0 {
            bytes -= seen.give_up().min(bytes);
        }
    }
    bytes
}

impl<'a> Rounds<'a> {
    pub fn new(limits: &'a [OneLimit<'a>], tables: Tables<'a>, sums: &'a Sums, progress: &'a dyn Progress) -> Self {
        Self { limits, tables, sums, progress, room: [KEPT_BYTES, LOCAL_BYTES] }
    }

    /// What was found of each limit; `sink` gets the breaches in the order of the limits. A limit on a table that is
    /// not there has seen nothing.
    ///
    /// # Errors
    /// Those of reading, of `sink`; [`Error::Interrupted`].
    pub fn run(&self, sink: Sink) -> Result<Vec<Seen>> {
        let mut all: Vec<Option<Seen>> = self.limits.iter().map(|_| None).collect();
        for number in 0..all.len() {
            self.progress.check()?;
            if all.get(number).is_some_and(Option::is_none) {
                self.round(number, &mut all, sink)?;
            }
            let (Some(limit), Some(Some(seen))) = (self.limits.get(number), all.get_mut(number)) else { continue };
            seen.kept_bytes = 0;
            std::mem::take(&mut seen.kept).into_iter().try_for_each(|found| sink(limit, found))?;
        }
        Ok(all.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Answers the limit of this number, and those of the same table that can be answered with it.
    fn round(&self, first: usize, all: &mut [Option<Seen>], sink: Sink) -> Result<()> {
        let Some(limit) = self.limits.get(first) else { return Ok(()) };
        match limit.source {
            Source::Table(_) | Source::Distribution(..) => self.scan(first, all, sink),
            Source::OverAccounts | Source::OverUnits => {
                let mut seen = Seen::default();
                self.sums.each(limit, |names, value| limit.take(&mut seen, names, value))?;
                if let Some(place) = all.get_mut(first) {
                    *place = Some(seen);
                }
                Ok(())
            }
        }
    }

    fn scan(&self, first: usize, all: &mut [Option<Seen>], sink: Sink) -> Result<()> {
        let (Some(one), [kept_room, local_room]) = (self.limits.get(first), self.room) else { return Ok(()) };
        let table = one.source.table();
        let numbers = (first..self.limits.len()).filter(|&number| matches!(all.get(number), Some(None)));
        let limits = numbers.filter_map(|number| Some((number, self.limits.get(number)?)));
        let is_of_table = |limit: &OneLimit| {
            matches!(limit.source, Source::Table(_) | Source::Distribution(..)) && limit.source.table() == table
        };
        let (mut round, mut figures): (Vec<(usize, &OneLimit, usize)>, Vec<&'static str>) = Default::default();
        for (number, limit) in limits.filter(|(_, limit)| is_of_table(limit)) {
            let column = limit.column()?;
            let known = figures.iter().position(|figure| *figure == column);
            let place = known.unwrap_or_else(|| {
                figures.push(column);
                figures.len() - 1
            });
            round.push((number, limit, place));
        }
        let fold = |part: &mut Part, names: &[&str], figures: &[Option<f64>]| {
            part.seen.resize_with(round.len(), Seen::default);
            for ((_, limit, figure), seen) in round.iter().zip(&mut part.seen) {
                let before = seen.kept_bytes;
                limit.take(seen, names, figures.get(*figure).copied().flatten());
                part.kept_bytes += seen.kept_bytes - before;
            }
            if part.kept_bytes > local_room {
                let of_first = part.seen.first().map_or(0, |seen| seen.kept_bytes);
                let others = part.kept_bytes - of_first;
                part.kept_bytes = of_first + trim(part.seen.iter_mut().skip(1), others, local_room / 2);
            }
        };
        let mut found: Vec<Seen> = round.iter().map(|_| Seen::default()).collect();
        let waiting: usize = all.iter().flatten().map(|seen| seen.kept_bytes).sum();
        let merge = |part: Part| {
            for (place, (seen, later)) in found.iter_mut().zip(part.seen).enumerate() {
                let breaches = seen.merge(later);
                if place > 0 {
                    seen.keep(breaches);
                } else {
                    breaches.into_iter().try_for_each(|breach| sink(one, breach))?;
                }
            }
            let kept = found.iter().skip(1).map(|seen| seen.kept_bytes).sum();
            trim(found.iter_mut().skip(1), kept, kept_room.saturating_sub(waiting));
            Ok(())
        };
        let is_there = self.tables.scan(table, &one.names(), &figures, fold, merge, self.progress)?;
        if let (false, Tables::Folder(_)) = (is_there, self.tables) {
            let name = &one.limit.name;
            return Err(Error::Runtime(format!("limit `{name}`: the table `{table}` is not written")));
        }
        for ((number, ..), seen) in round.into_iter().zip(found).filter(|(_, seen)| !seen.is_given_up) {
            if let Some(place) = all.get_mut(number) {
                *place = Some(seen);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::memory::Rows;
    use crate::limits::{Command, Limits};
    use crate::progress::Silent;
    use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
    use std::fmt::Write;
    use std::path::Path;
    use std::sync::Arc;

    /// Accounts and risk units whose figures are their numbers.
    fn table(units: bool) -> Rows {
        let accounts = 0..60;
        let ids: StringArray = accounts.clone().map(|row| Some(format!("a{row:02}"))).collect();
        let scenarios: StringArray = accounts.clone().map(|_| Some("base")).collect();
        let names: StringArray = accounts.clone().map(|row| Some(["BTC", "ETH"][row % 2])).collect();
        let figures: Float64Array = accounts.map(|row| (row % 7 != 3).then_some(row as f64)).collect();
        let mut columns: Vec<(&str, ArrayRef)> = vec![("account_id", Arc::new(ids)), ("scenario", Arc::new(scenarios))];
        if units {
            columns.push(("risk_unit", Arc::new(names)));
        }
        columns.extend([("mmr", Arc::new(figures.clone()) as ArrayRef), ("imr", Arc::new(figures))]);
        RecordBatch::try_from_iter(columns).unwrap().into()
    }

    /// Limits on two tables in turn, in little room and in much.
    #[test]
    fn breaches_come_in_order_whatever_is_kept() {
        let mut text = String::new();
        for number in 0..9 {
            let scope = ["account", "account.unit.*"][number % 2];
            let rule = format!("{scope}.{} < {}", ["mmr", "imr"][number % 3 % 2], number * 7);
            writeln!(text, "[[limit]]\nname = 'l{number}'\nrule = '{rule}'\nseverity = 'soft'").unwrap();
        }
        let limits = Limits::parse(text, Path::new("limits.toml")).unwrap();
        let each: Vec<OneLimit> = limits.all().iter().map(|of| OneLimit::new(of, Command::Run).unwrap()).collect();
        let (accounts, units, sums) = (table(false), table(true), Sums::default());
        let tables = [("accounts", &accounts), ("risk_units", &units)];
        let found = |room: [usize; 2]| {
            let rounds = Rounds { room, ..Rounds::new(&each, Tables::Memory(&tables), &sums, &Silent) };
            let mut rows = Vec::new();
            let seen = rounds.run(&mut |limit, found| {
                rows.push((limit.limited.limit.clone(), found));
                Ok(())
            });
            let counts = seen.unwrap().into_iter().map(|seen| (seen.checked, seen.breaches, seen.worst));
            (rows, counts.collect::<Vec<_>>())
        };
        let (rows, counts) = found([KEPT_BYTES, LOCAL_BYTES]);
        assert!(rows.len() > 100 && rows.is_sorted_by(|(a, _), (b, _)| a <= b), "{}", rows.len());
        assert!(counts.iter().all(|(checked, breaches, worst)| *checked == 51 && *breaches > 0 && worst.is_some()));
        for room in [[0, 0], [0, LOCAL_BYTES], [KEPT_BYTES, 500], [9_000, 2_000]] {
            assert!(found(room) == (rows.clone(), counts.clone()), "{room:?}");
        }
    }
}
