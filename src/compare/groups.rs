//! Risk units of several states, matched by name; by base currency where some are merged and some are not.

use super::change::UnitFigures;
use crate::engine::Chunk;
use std::collections::BTreeSet;

/// The rows of `unit_changes`, and the row of each unit of each state.
#[derive(Debug, Default)]
pub(super) struct Groups {
    pub names: Vec<String>,
    rows: Vec<Vec<u32>>,
}

impl Groups {
    /// `states` name the units of each state by their numbers.
    pub fn new(states: &[Vec<String>]) -> Self {
        // A separate unit is named after its underlying, a merged one after a currency.
        let is_separate = |names: &Vec<String>| names.iter().any(|name| name.contains('-'));
        let mut kinds = states.iter().filter(|names| !names.is_empty()).map(is_separate);
        let by_base = kinds.next().is_some_and(|first| kinds.any(|kind| kind != first));
        let key = |name: &str| {
            let base = name.split('-').next().unwrap_or(name);
            (if by_base { base } else { name }).to_owned()
        };
        let names: BTreeSet<String> = states.iter().flatten().map(|name| key(name)).collect();
        let names: Vec<String> = names.into_iter().collect();
        let place = |name: &String| names.partition_point(|other| *other < key(name)) as u32;
        let rows = states.iter().map(|state| state.iter().map(place).collect()).collect();
        Self { names, rows }
    }

    /// The row of a unit.
    pub fn of(&self, state: usize, unit: u32) -> u32 {
        self.rows.get(state).and_then(|rows| rows.get(unit as usize)).copied().unwrap_or(u32::MAX)
    }

    /// The units of an account of a chunk, which is named by its number in the book.
    pub fn figures<'a>(
        &'a self,
        state: usize,
        chunk: &'a Chunk,
        account: usize,
    ) -> impl Iterator<Item = UnitFigures> + 'a {
        let place = account - chunk.first_account;
        let start = if place == 0 { 0 } else { chunk.unit_end[place - 1] };
        let units = chunk.units[start..chunk.unit_end[place]].iter();
        units.map(move |unit| UnitFigures::of(account as u32, self.of(state, unit.unit), unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_match_by_name_or_by_base() {
        for (a, b, names, of_a, of_b) in [
            (
                vec!["BTC-USD", "ETH-USDT"],
                vec!["BTC-USD", "BTC-USDT", "ETH-USDT"],
                vec!["BTC-USD", "BTC-USDT", "ETH-USDT"],
                vec![0, 2],
                vec![0, 1, 2],
            ),
            (
                vec!["BTC-USD", "BTC-USDT", "ETH-USDT"],
                vec!["BTC", "ETH"],
                vec!["BTC", "ETH"],
                vec![0, 0, 1],
                vec![0, 1],
            ),
            (vec!["BTC"], vec!["BTC-USDT"], vec!["BTC"], vec![0], vec![0]),
            (vec![], vec!["BTC-USDT"], vec!["BTC-USDT"], vec![], vec![0]),
        ] {
            let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
            let groups = Groups::new(&[list(&a), list(&b)]);
            assert_eq!(groups.names, list(&names));
            assert_eq!(groups.rows, [of_a, of_b], "{a:?} {b:?}");
            assert_eq!(groups.of(1, 9), u32::MAX);
        }
    }
}
