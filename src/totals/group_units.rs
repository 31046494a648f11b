//! What the risk units of a group of accounts come to.

use super::at_risk::Binding;
use super::spread::{TERMS, add_terms};
use super::sum::Sum;
use crate::margin::UnitMargin;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

/// Sums over the accounts of a group that have a risk unit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct UnitSums {
    pub accounts: u64,
    /// How often each of [`Binding::ALL`] binds.
    pub binding: [u64; Binding::ALL.len()],
    pub charges: [Sum; TERMS],
    pub figures: [Sum; UNIT_FIGURES],
}

/// Figures of a risk unit that are summed up, in order: see [`UnitRow`](super::groups::UnitRow).
const UNIT_FIGURES: usize = 7;

impl UnitSums {
    pub fn count(&mut self, unit: &UnitMargin) {
        self.accounts += 1;
        self.binding[Binding::place(unit)] += 1;
        add_terms(&mut self.charges, unit);
        let &UnitMargin { mmr, imr, mmr_no_hedge, cash_delta, gamma, vega, theta, .. } = unit;
        let figures = [mmr, imr, mmr_no_hedge, cash_delta, gamma, vega, theta];
        self.figures.iter_mut().zip(figures).for_each(|(sum, value)| sum.add(value));
    }

    pub fn merge(&mut self, later: &Self) {
        self.accounts += later.accounts;
        self.binding.iter_mut().zip(later.binding).for_each(|(count, more)| *count += more);
        self.charges.iter_mut().zip(&later.charges).for_each(|(sum, part)| sum.merge(part));
        self.figures.iter_mut().zip(&later.figures).for_each(|(sum, part)| sum.merge(part));
    }
}

/// The risk units of the groups of one grouping, found by group and unit.
#[derive(Debug, Clone, Default)]
pub(super) struct Units {
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
    pub keys: Vec<(u32, u32)>,
    pub sums: Vec<UnitSums>,
}

impl Units {
    /// The sums of a unit of a group, by their numbers.
    pub fn of(&mut self, key: (u32, u32)) -> &mut UnitSums {
        let Self { places, hasher, keys, sums } = self;
        let found = places.find(hasher.hash_one(key), |&place| keys[place as usize] == key).copied();
        let place = found.unwrap_or_else(|| {
            let place = keys.len() as u32;
            keys.push(key);
            sums.push(UnitSums::default());
            places.insert_unique(hasher.hash_one(key), place, |&other| hasher.hash_one(keys[other as usize]));
            place
        });
        &mut sums[place as usize]
    }

    /// Without room for more.
    pub fn fit(&mut self) {
        let Self { places, hasher, keys, sums } = self;
        keys.shrink_to_fit();
        sums.shrink_to_fit();
        places.shrink_to_fit(|&place| hasher.hash_one(keys[place as usize]));
    }
}
