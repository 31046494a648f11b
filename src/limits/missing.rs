//! What limits name and nobody has, each with the nearest name: tables are read once more for it, each once.

use super::figures::Source;
use super::filter::{Key, OneLimit, Seen};
use super::rounds::Rounds;
use crate::Result;
use crate::formats::batch::nearest;
use crate::snapshot::Unmargined;

/// Names that nobody has, of which the nearest is looked for; the rest is counted.
const MISSING_SHOWN: usize = 20;
/// Letters of a name that may be meant by another.
const LONGEST_NEAR: usize = 200;

/// What a limit names and no row has.
struct Missing<'a> {
    limit: &'a OneLimit<'a>,
    names: Vec<(Key, &'a str)>,
    /// Further names, which are only counted.
    more: usize,
    /// The nearest name of each, as far as one is known.
    near: Near,
}

/// The nearest known name of each missing one.
type Near = Vec<Option<String>>;

/// Says of each limit what it names and nobody has, or that there was nothing to compare. `left_out` are the accounts
/// without margins, in order of their ids.
///
/// # Errors
/// Those of reading tables.
pub(super) fn not_found(rounds: &Rounds, seen: &[Seen], left_out: &[Unmargined]) -> Result<Vec<Vec<String>>> {
    let mut all: Vec<Missing> = rounds.limits.iter().zip(seen).map(|(limit, seen)| missing(limit, seen)).collect();
    let is_scanned = |of: &Missing| matches!(of.limit.source, Source::Table(_)) && !of.names.is_empty();
    let mut tables: Vec<&str> = Vec::new();
    for of in all.iter().filter(|of| is_scanned(of)) {
        if !tables.contains(&of.limit.source.table()) {
            tables.push(of.limit.source.table());
        }
    }
    for table in tables {
        let mut these: Vec<&mut Missing> =
            all.iter_mut().filter(|of| is_scanned(of) && of.limit.source.table() == table).collect();
        let asked: Vec<(&OneLimit, Vec<(Key, &str)>)> = these.iter().map(|of| (of.limit, of.names.clone())).collect();
        let Some((one, _)) = asked.first() else { continue };
        let fold = |near: &mut Vec<Near>, names: &[&str], _: &[Option<f64>]| {
            near.resize_with(asked.len(), Vec::new);
            for ((limit, missing), near) in asked.iter().zip(near) {
                note(limit, missing, near, names);
            }
        };
        let merge = |later: Vec<Near>| {
            for (of, later) in these.iter_mut().zip(later) {
                of.near.resize(of.names.len(), None);
                for (((_, wanted), near), later) in of.names.iter().zip(&mut of.near).zip(later) {
                    if let Some(later) = later {
                        offer(near, wanted, &later);
                    }
                }
            }
            Ok(())
        };
        rounds.tables.scan(table, &one.names(), &[], fold, merge, rounds.progress)?;
    }
    for of in all.iter_mut().filter(|of| matches!(of.limit.source, Source::OverAccounts | Source::OverUnits)) {
        let Missing { limit, names, near, .. } = of;
        rounds.sums.each(limit, |known, _| note(limit, names, near, known))?;
    }
    Ok(all.iter().zip(seen).map(|(of, seen)| of.words(seen, left_out)).collect())
}

fn missing<'a>(limit: &'a OneLimit<'a>, seen: &Seen) -> Missing<'a> {
    let mut names = Vec::new();
    for (place, wanted) in limit.filter.wanted.iter().enumerate() {
        let all = wanted.in_order().into_iter();
        let absent = all.filter(|(which, _)| !seen.matched.contains(&(place, *which)));
        names.extend(absent.map(|(_, name)| (wanted.key, name)));
    }
    let more = names.len().saturating_sub(MISSING_SHOWN);
    names.truncate(MISSING_SHOWN);
    Missing { limit, names, more, near: Vec::new() }
}

/// Notes the names of a row that may be meant.
fn note(limit: &OneLimit, missing: &[(Key, &str)], near: &mut Near, names: &[&str]) {
    if !limit.filter.is_of_grouping(names) {
        return;
    }
    near.resize(missing.len(), None);
    for ((key, wanted), near) in missing.iter().zip(near) {
        let known = limit.filter.name(*key, names).unwrap_or_default();
        if near.as_deref() != Some(known) && is_near(wanted, known) {
            offer(near, wanted, known);
        }
    }
}

/// Keeps the nearer one: with the fewest edits or, where a name only begins alike, the first in byte order.
fn offer(near: &mut Option<String>, wanted: &str, known: &str) {
    let is_nearer = near.as_deref().is_none_or(|near| {
        let both = [near, known].into_iter();
        let nearest = nearest(wanted, both.clone()).or(both.min());
        nearest == Some(known) && near != known
    });
    if is_nearer {
        *near = Some(known.to_owned());
    }
}

/// True if a name may be meant by another: few letters differ, or it begins with it, as `BTC-USDT` with `BTC`.
fn is_near(wanted: &str, known: &str) -> bool {
    let begins = !wanted.is_empty() && known.starts_with(wanted);
    known.len() <= 4 * LONGEST_NEAR
        && known.chars().count() <= LONGEST_NEAR
        && (begins || nearest(wanted, std::iter::once(known)).is_some())
}

impl Missing<'_> {
    fn words(&self, seen: &Seen, left_out: &[Unmargined]) -> Vec<String> {
        if self.names.is_empty() {
            let is_empty = seen.checked + seen.without_figure == 0;
            let words = "it watches nothing: no row of the tables has such a figure";
            return is_empty.then(|| words.to_owned()).into_iter().collect();
        }
        let near = self.near.iter().map(Option::as_deref).chain(std::iter::repeat(None));
        let left_out = |name: &str| {
            let place = left_out.binary_search_by(|account| account.account_id.as_str().cmp(name)).ok()?;
            left_out.get(place)
        };
        let words = self.names.iter().zip(near).map(|((key, name), near)| {
            if let Some(Unmargined { table, row, reason, .. }) = left_out(name).filter(|_| *key == Key::AccountId) {
                return format!("the account `{name}` is left out, {} row {row}: {}", table.name(), reason.code());
            }
            let hint = near.map_or_else(String::new, |near| format!("; is it `{near}`?"));
            // Accounts that are left out have no row.
            let whose = if matches!(key, Key::Group | Key::RiskUnit) { " of a margined account" } else { "" };
            let noun = if *key == Key::AccountId { "margined account" } else { key.noun() };
            format!("no {noun}{whose} is called `{name}`{hint}")
        });
        let more = (self.more > 0).then(|| format!("{} more names are not found", self.more));
        words.chain(more).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_kept() {
        for (wanted, known, expected) in [
            ("rats", &["hats", "rates", "rats and more", "bats"][..], Some("bats")),
            ("BTC", &["BTC-USDT", "BTC-USD", "ETH"], Some("BTC-USD")),
            ("BTC", &["BTC-USDT", "BTT"], Some("BTT")),
            ("nobody at all", &["desk", ""], None),
            ("", &["desk"], None),
        ] {
            let mut forwards = None;
            let mut backwards = None;
            let near = || known.iter().filter(|known| is_near(wanted, known));
            near().for_each(|known| offer(&mut forwards, wanted, known));
            near().rev().for_each(|known| offer(&mut backwards, wanted, known));
            assert_eq!((forwards.as_deref(), backwards.as_deref()), (expected, expected), "{wanted}");
        }
    }

    /// The count of edits of long names takes the product of their lengths, in time and in memory.
    #[test]
    fn long_names_are_not_compared() {
        let long = "n".repeat(100_000);
        let other = format!("{}m", &long[1..]);
        assert!(!is_near(&long, &other));
        assert_eq!(nearest(&long, std::iter::once(other.as_str())), None);
    }
}
