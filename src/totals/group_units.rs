//! What the risk units of a group of accounts come to.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use super::at_risk::Binding;
use super::charges::{COUNTED, Charges, counted};
use super::sum::Sum;
use crate::margin::UnitMargin;
use crate::margin::real::Lanes;
use hashbrown::HashTable;

/// Sums over the accounts of a group that have a risk unit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct UnitSums {
    /// How often each of [`Binding::ALL`] binds.
    pub binding: [u64; Binding::ALL.len()],
    often: Often,
    seldom: Seldom,
}

/// MMR, IMR, MMR with spot hedging off, cash delta; charges of MR1, MR4, MR6, MR7.
type Often = Sum<Lanes<8>>;
/// Gamma, vega, theta; charges of MR2, MR3, MR5, MR9. Zero in units without options, unless they are merged.
type Seldom = Sum<Lanes<8>>;

/// As [`COUNTED`], for the figures of [`Often`] and of [`Seldom`]. What is no charge always counts.
const OFTEN: [[f64; 8]; Binding::ALL.len()] = placed([None, None, None, None, Some(0), Some(3), Some(5), Some(6)]);
const SELDOM: [[f64; 8]; Binding::ALL.len()] = placed([None, None, None, Some(1), Some(2), Some(4), Some(7), None]);

/// [`COUNTED`] with its columns at other places.
const fn placed(columns: [Option<usize>; 8]) -> [[f64; 8]; Binding::ALL.len()] {
    let mut placed = [[1.0; 8]; Binding::ALL.len()];
    let mut cell = 0;
    while cell < 8 * Binding::ALL.len() {
        let (binding, figure) = (cell / 8, cell % 8);
        if let Some(column) = columns[figure] {
            placed[binding][figure] = COUNTED[binding][column];
        }
        cell += 1;
    }
    placed
}

/// Units whose sums are asked of the memory together. They fit the first cache.
const TOGETHER: usize = 64;

impl UnitSums {
    fn merge(&mut self, later: &Self) {
        merge_counts(&mut self.binding, &later.binding);
        self.often.merge(&later.often);
        self.seldom.merge(&later.seldom);
    }

    /// Of several risk units.
    pub fn of_all(units: impl Iterator<Item = Self>) -> Self {
        let mut all = Self::default();
        units.for_each(|unit| all.merge(&unit));
        all
    }

    /// Each of them binds once.
    pub fn accounts(&self) -> u64 {
        self.binding.iter().sum()
    }

    /// MMR, IMR, MMR with spot hedging off, cash delta, gamma, vega, theta.
    pub fn figures(&self) -> [f64; 7] {
        let ([mmr, imr, mmr_no_hedge, cash_delta, ..], [gamma, vega, theta, ..]) =
            (self.often.values(), self.seldom.values());
        [mmr, imr, mmr_no_hedge, cash_delta, gamma, vega, theta]
    }

    /// What its MMR is made of.
    pub fn charges(&self) -> Charges {
        let ([.., mr1, mr4, mr6, mr7], [_, _, _, mr2, mr3, mr5, mr9, _]) = (self.often.values(), self.seldom.values());
        Charges { mr1, mr2, mr3, mr4, mr5, mr6, mr7, mr9 }
    }
}

/// The risk units of the groups of one grouping, found by group and unit. Many units are a few megabytes: what an
/// account adds to is held together, apart from what it mostly does not touch.
#[derive(Debug, Clone, Default)]
pub(super) struct Units {
    /// With the key, so that it is at hand where a place is looked up.
    places: HashTable<((u32, u32), u32)>,
    pub keys: Vec<(u32, u32)>,
    binding: Vec<[u64; Binding::ALL.len()]>,
    often: Vec<Often>,
    seldom: Vec<Seldom>,
}

impl Units {
    /// Bytes of a unit, and of its place twice: tables have room for more.
    pub const BYTES: usize = size_of::<UnitSums>() + size_of::<(u32, u32)>() + 2 * size_of::<((u32, u32), u32)>();

    /// For how many there is room.
    pub fn capacity(&self) -> usize {
        self.often.capacity()
    }

    /// Counts units of accounts; `group` says the group of each, by its place among them.
    ///
    /// The sums lie anywhere in a few megabytes. Those of many units are asked of the memory at once, before the first
    /// is added to: one after the other, each would be waited for.
    #[inline(always)]
    pub fn count(&mut self, units: &[UnitMargin], group: impl Fn(usize) -> u32) {
        for (number, units) in units.chunks(TOGETHER).enumerate() {
            let mut places = [0u32; TOGETHER];
            for (at, (place, unit)) in (number * TOGETHER..).zip(places.iter_mut().zip(units)) {
                *place = self.place((group(at), unit.unit)) as u32;
            }
            self.touch(places.iter().take(units.len()));
            for (&place, unit) in places.iter().zip(units) {
                self.add(place as usize, unit);
            }
        }
    }

    #[inline(always)]
    fn touch<'p>(&self, places: impl Iterator<Item = &'p u32>) {
        let touched = places.fold(0, |touched, &place| {
            let place = place as usize;
            touched ^ self.binding[place][0] ^ self.often[place].touched() ^ self.seldom[place].touched()
        });
        std::hint::black_box(touched);
    }

    #[inline(always)]
    fn add(&mut self, place: usize, unit: &UnitMargin) {
        let binding = Binding::place(unit);
        self.binding[place][binding] += 1;
        let &UnitMargin { mr1, mr2, mr3, mr4, mr5, mr6, mr7, mr9, .. } = unit;
        let &UnitMargin { mmr, imr, mmr_no_hedge, cash_delta, gamma, vega, theta, .. } = unit;
        let often = [mmr, imr, mmr_no_hedge, cash_delta, mr1, mr4, mr6, mr7];
        self.often[place].add(counted(often, &OFTEN[binding]));
        let seldom = [gamma, vega, theta, mr2, mr3, mr5, mr9, 0.0];
        if seldom != [0.0; 8] {
            self.seldom[place].add(counted(seldom, &SELDOM[binding]));
        }
    }

    /// Adds what follows; `numbers` are those here of its groups.
    pub fn merge(&mut self, later: &Self, numbers: &[u32]) {
        for (number, keys) in later.keys.chunks(TOGETHER).enumerate() {
            let mut places = [0u32; TOGETHER];
            for (mine, &(group, unit)) in places.iter_mut().zip(keys) {
                *mine = self.place((numbers[group as usize], unit)) as u32;
            }
            self.touch(places.iter().take(keys.len()));
            for (place, &mine) in (number * TOGETHER..later.keys.len()).zip(&places) {
                let mine = mine as usize;
                merge_counts(&mut self.binding[mine], &later.binding[place]);
                self.often[mine].merge(&later.often[place]);
                if later.seldom[place] != Seldom::default() {
                    self.seldom[mine].merge(&later.seldom[place]);
                }
            }
        }
    }

    /// The sums at a place among the keys.
    pub fn at(&self, place: usize) -> UnitSums {
        UnitSums { binding: self.binding[place], often: self.often[place], seldom: self.seldom[place] }
    }

    /// The place of a unit of a group, by their numbers.
    #[inline(always)]
    fn place(&mut self, key: (u32, u32)) -> usize {
        match self.places.find(hash(key), |(known, _)| *known == key) {
            Some(&(_, place)) => place as usize,
            None => self.new_place(key),
        }
    }

    #[inline(never)]
    fn new_place(&mut self, key: (u32, u32)) -> usize {
        let Self { places, keys, binding, often, seldom } = self;
        let place = keys.len();
        keys.push(key);
        binding.push(Default::default());
        often.push(Often::default());
        seldom.push(Seldom::default());
        places.insert_unique(hash(key), (key, place as u32), |(other, _)| hash(*other));
        place
    }

    /// Without room for more.
    pub fn fit(&mut self) {
        let Self { places, keys, binding, often, seldom } = self;
        keys.shrink_to_fit();
        binding.shrink_to_fit();
        often.shrink_to_fit();
        seldom.shrink_to_fit();
        places.shrink_to_fit(|(key, _)| hash(*key));
    }
}

fn merge_counts<const N: usize>(counts: &mut [u64; N], later: &[u64; N]) {
    counts.iter_mut().zip(later).for_each(|(count, more)| *count += more);
}

/// Numbers of groups and units count up from zero: nobody chooses them, and one multiplication spreads them. The table
/// takes the lowest and the highest bits.
#[inline(always)]
fn hash((group, unit): (u32, u32)) -> u64 {
    // The golden ratio in 64 bits, odd.
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let spread = (u64::from(group) << 32 | u64::from(unit)).wrapping_mul(GOLDEN);
    spread ^ spread >> 32
}
