//! The states that lead from run A to run B, computed for accounts that stand side by side.

use super::attribution::{why, why_one_sided};
use super::change::{CAUSES, Change};
use super::groups::Groups;
use super::pass::{Pairs, Slice};
use crate::Result;
use crate::book::Book;
use crate::engine::{self, Chunk};
use crate::figures::AccountRow;
use crate::margin::AccountMargin;
use crate::margin::priced::PricedMarket;
use std::ops::Range;

/// States, A and B among them.
pub(super) const STATES: usize = CAUSES.len() + 1;

/// The priced market of each state.
pub(super) struct Walk {
    pub states: [PricedMarket; STATES],
}

impl Walk {
    pub fn groups(&self) -> Groups {
        Groups::new(&self.states.each_ref().map(PricedMarket::unit_names))
    }

    /// The margins of the accounts of some pairs in every state, each with its book.
    pub fn margins(&self, books: [&Book; STATES], pairs: &Pairs, range: &Range<usize>) -> Result<Vec<Chunk>> {
        let states = self.states.iter().zip(books).enumerate();
        states.map(|(state, (priced, book))| engine::chunk(priced, book, pairs.span(side(state), range))).collect()
    }
}

/// Whose account a state has: A's in the first, B's in all others.
fn side(state: usize) -> usize {
    usize::from(state > 0)
}

/// What became of each account and why. `margins` has one chunk a state.
pub(super) fn slice(pairs: &Pairs, range: &Range<usize>, margins: &[Chunk], groups: &Groups) -> Slice {
    let mut changes = Vec::with_capacity(range.len());
    let mut units = vec![Vec::new(); margins.len()];
    let of = |state: usize, account: usize| {
        let chunk = &margins[state];
        &chunk.accounts[account - chunk.first_account]
    };
    let last = margins.len() - 1;
    for pair in range.clone() {
        let [in_a, in_b] = pairs.get(pair);
        let a = in_a.map(|account| AccountRow::from(of(0, account)));
        let b = in_b.map(|account| AccountRow::from(of(last, account)));
        let why = match (in_a, in_b) {
            (Some(in_a), Some(in_b)) => {
                let states: [&AccountMargin; STATES] =
                    std::array::from_fn(|state| of(state, if side(state) == 0 { in_a } else { in_b }));
                why(states)
            }
            _ => why_one_sided(a.as_ref(), b.as_ref()),
        };
        changes.push(Change { a, b, why: Some(why) });
        for (state, units) in units.iter_mut().enumerate() {
            // What a new account brings, it brings with its positions.
            let state = match in_a {
                None if state == 0 => continue,
                None => last,
                Some(_) => state,
            };
            if let Some(account) = [in_a, in_b][side(state)] {
                units.extend(groups.figures(state, &margins[state], account));
            }
        }
    }
    Slice { changes, units }
}
