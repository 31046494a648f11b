//! What the risk units of a group of accounts come to.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use super::at_risk::Binding;
use super::charges::{COUNTED, Charges, counted};
use super::sum::Sum;
use super::unit_columns::UnitColumns;
use crate::margin::UnitMargin;
use crate::margin::real::Lanes;
use hashbrown::HashTable;
use std::ops::AddAssign;

/// Sums over the accounts of a group that have a risk unit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct UnitSums {
    /// How often each of [`Binding::ALL`] binds.
    pub binding: [u64; Binding::ALL.len()],
    often: Often,
    seldom: Seldom,
}

/// MMR, IMR, MMR with spot hedging off, cash delta; charges of MR1, MR4, MR6, MR7.
type Often = Sum<Lanes<8>>;
/// Gamma, vega, theta; charges of MR2, MR3, MR5, MR9. Zero in units without options.
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
    counts: Vec<Counts>,
    often: Vec<Often>,
    /// Of those that ever had options.
    seldom: Vec<Seldom>,
}

/// What is counted of a unit. Accounts have numbers of 32 bits.
#[derive(Debug, Clone, Copy)]
struct Counts {
    /// How often each of [`Binding::ALL`] binds.
    binding: [u32; Binding::ALL.len()],
    /// The place of its sums among `seldom`, or [`Counts::NO_OPTIONS`].
    options: u32,
}

impl Counts {
    const NO_OPTIONS: u32 = u32::MAX;
    const NONE: Self = Self { binding: [0; Binding::ALL.len()], options: Self::NO_OPTIONS };

    fn options(&self) -> Option<usize> {
        (self.options != Self::NO_OPTIONS).then_some(self.options as usize)
    }
}

impl Units {
    /// Bytes of a unit, and of its place twice: tables have room for more.
    const BYTES: usize =
        size_of::<Counts>() + size_of::<Often>() + size_of::<(u32, u32)>() + 2 * size_of::<((u32, u32), u32)>();

    /// Bytes that they take, with room for more.
    pub fn bytes(&self) -> usize {
        self.often.capacity() * Self::BYTES + self.seldom.capacity() * size_of::<Seldom>()
    }

    /// What some rows come to, in their order; `group` says the group of an account.
    ///
    /// Figure after figure: the sums of one fit the second cache, those of all do not.
    pub fn of_rows(rows: &UnitColumns, some: &[u32], group: impl Fn(u32) -> u32) -> Self {
        let mut units = Self::default();
        let places = some.iter().map(|&row| {
            let (account, unit) = rows.key(row);
            (row, units.place((group(account), unit)) as u32)
        });
        let places: Vec<(u32, u32)> = places.collect();
        units.make_room();
        let places = || places.iter().map(|&(row, place)| (row as usize, place as usize));
        for (row, place) in places() {
            let binding = rows.binding(row);
            units.counts[place].binding[binding] += 1;
            if let Some(seldom) = rows.seldom(row) {
                units.seldom_of(place).add(counted(seldom, &SELDOM[binding]));
            }
        }
        let often: [Vec<Sum>; 8] = std::array::from_fn(|figure| {
            let mut sums = vec![Sum::default(); units.keys.len()];
            let (column, counts) = (rows.often(figure), OFTEN.map(|counts| counts[figure]));
            for (row, place) in places() {
                sums[place].add(column[row] * counts[rows.binding(row)]);
            }
            sums
        });
        for (place, sums) in units.often.iter_mut().enumerate() {
            *sums = Often::side_by_side(|figure| often[figure][place]);
        }
        units
    }

    /// Counts the units of an account of a group.
    #[inline(always)]
    pub fn count(&mut self, group: u32, units: &[UnitMargin]) {
        for unit in units {
            let place = self.place((group, unit.unit));
            self.make_room();
            self.add(place, unit);
        }
    }

    #[inline(always)]
    fn add(&mut self, place: usize, unit: &UnitMargin) {
        let binding = Binding::place(unit);
        self.counts[place].binding[binding] += 1;
        let &UnitMargin { mr1, mr2, mr3, mr4, mr5, mr6, mr7, mr9, .. } = unit;
        let &UnitMargin { mmr, imr, mmr_no_hedge, cash_delta, gamma, vega, theta, .. } = unit;
        let often = [mmr, imr, mmr_no_hedge, cash_delta, mr1, mr4, mr6, mr7];
        self.often[place].add(counted(often, &OFTEN[binding]));
        let seldom = [gamma, vega, theta, mr2, mr3, mr5, mr9, 0.0];
        if seldom != [0.0; 8] {
            self.seldom_of(place).add(counted(seldom, &SELDOM[binding]));
        }
    }

    /// Adds what follows; `numbers` are those here of its groups.
    ///
    /// The sums lie anywhere in a few megabytes. Those of many units are asked of the memory at once, before the first
    /// is added to: one after the other, each would be waited for.
    pub fn merge(&mut self, later: &Self, numbers: &[u32]) {
        for (number, keys) in later.keys.chunks(TOGETHER).enumerate() {
            let mut places = [0u32; TOGETHER];
            for (mine, &(group, unit)) in places.iter_mut().zip(keys) {
                *mine = self.place((numbers[group as usize], unit)) as u32;
            }
            self.make_room();
            self.touch(places.iter().take(keys.len()));
            for (place, &mine) in (number * TOGETHER..later.keys.len()).zip(&places) {
                let (mine, counts) = (mine as usize, &later.counts[place]);
                merge_counts(&mut self.counts[mine].binding, &counts.binding);
                self.often[mine].merge(&later.often[place]);
                if let Some(options) = counts.options() {
                    self.seldom_of(mine).merge(&later.seldom[options]);
                }
            }
        }
    }

    fn touch<'p>(&self, places: impl Iterator<Item = &'p u32>) {
        let touched = places.fold(0, |touched, &place| {
            let place = place as usize;
            touched ^ u64::from(self.counts[place].options) ^ self.often[place].touched()
        });
        std::hint::black_box(touched);
    }

    /// The sums at a place among the keys.
    pub fn at(&self, place: usize) -> UnitSums {
        let counts = &self.counts[place];
        let seldom = counts.options().map_or_else(Seldom::default, |options| self.seldom[options]);
        UnitSums { binding: counts.binding.map(u64::from), often: self.often[place], seldom }
    }

    /// The sums of what only options have.
    fn seldom_of(&mut self, place: usize) -> &mut Seldom {
        let options = &mut self.counts[place].options;
        if *options == Counts::NO_OPTIONS {
            *options = self.seldom.len() as u32;
            self.seldom.push(Seldom::default());
        }
        &mut self.seldom[*options as usize]
    }

    /// The place of a unit of a group, by their numbers. Its sums may have no room yet.
    #[inline(always)]
    fn place(&mut self, key: (u32, u32)) -> usize {
        match self.places.find(hash(key), |(known, _)| *known == key) {
            Some(&(_, place)) => place as usize,
            None => self.new_place(key),
        }
    }

    #[inline(never)]
    fn new_place(&mut self, key: (u32, u32)) -> usize {
        let place = self.keys.len();
        self.keys.push(key);
        self.places.insert_unique(hash(key), (key, place as u32), |(other, _)| hash(*other));
        place
    }

    /// Has sums at every place.
    #[inline(always)]
    fn make_room(&mut self) {
        let Self { keys, counts, often, .. } = self;
        if often.len() < keys.len() {
            counts.resize(keys.len(), Counts::NONE);
            often.resize(keys.len(), Often::default());
        }
    }

    /// Without room for more.
    pub fn fit(&mut self) {
        let Self { places, keys, counts, often, seldom } = self;
        keys.shrink_to_fit();
        counts.shrink_to_fit();
        often.shrink_to_fit();
        seldom.shrink_to_fit();
        places.shrink_to_fit(|(key, _)| hash(*key));
    }
}

fn merge_counts<const N: usize, C: Copy + AddAssign>(counts: &mut [C; N], later: &[C; N]) {
    counts.iter_mut().zip(later).for_each(|(count, more)| *count += *more);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Get, UNIT};
    use crate::fixture;

    const SCENARIOS: u32 = 2;
    const ACCOUNTS: u32 = 40;

    fn group(account: u32) -> u32 {
        account % 5
    }

    /// Every other account has no options. The sums of thirds are not exact.
    fn units(account: u32, scenario: u32) -> Vec<UnitMargin> {
        let unit = |unit: UnitMargin| {
            let unit = UnitMargin { imr: unit.imr / 3.0 + f64::from(scenario), mr4: unit.mr4 / 7.0, ..unit };
            let none = UnitMargin { gamma: 0.0, vega: 0.0, theta: 0.0, mr2: 0.0, mr3: 0.0, mr5: 0.0, mr9: 0.0, ..unit };
            if account.is_multiple_of(2) { unit } else { none }
        };
        fixture::units(account as usize).map(unit).collect()
    }

    fn in_order(units: &Units) -> Vec<((u32, u32), UnitSums)> {
        let mut sums: Vec<_> = units.keys.iter().enumerate().map(|(place, &key)| (key, units.at(place))).collect();
        sums.sort_by_key(|(key, _)| *key);
        sums
    }

    #[test]
    fn columns_come_to_the_bits_of_units_one_by_one() {
        let (mut keys, mut rows) = ([const { Vec::new() }; 3], Vec::new());
        for account in 0..ACCOUNTS {
            for scenario in 0..SCENARIOS {
                for unit in units(account, scenario) {
                    keys.iter_mut().zip([account, scenario, unit.unit]).for_each(|(keys, key)| keys.push(key));
                    rows.push(unit);
                }
            }
        }
        let column = |get: Get<UnitMargin>| {
            let mut column = Vec::new();
            if let Get::Number(_, fill) = get {
                fill(&rows, &mut column);
            }
            column
        };
        let columns: Vec<Vec<f64>> = UNIT.iter().map(|figure| column(figure.get)).collect();
        let no_hedge: Vec<f64> = rows.iter().map(|unit| unit.mmr_no_hedge).collect();
        let keys = keys.each_ref().map(Vec::as_slice);
        let columns = UnitColumns::new(keys, |figure| &columns[figure as usize], &no_hedge);

        for (scenario, some) in (0..SCENARIOS).zip(columns.by_scenario(SCENARIOS as usize)) {
            let mut one_by_one = Units::default();
            (0..ACCOUNTS).for_each(|account| one_by_one.count(group(account), &units(account, scenario)));
            let by_column = Units::of_rows(&columns, &some, group);
            assert_eq!(in_order(&by_column), in_order(&one_by_one));
            assert!(one_by_one.seldom.len() < one_by_one.keys.len(), "all have options");
        }
    }

    #[test]
    fn merging_adds_what_follows_under_its_own_numbers() {
        let part = |accounts: std::ops::Range<u32>| {
            let mut part = Units::default();
            accounts.for_each(|account| part.count(group(account), &units(account, 0)));
            part
        };
        let mut merged = part(0..10);
        merged.merge(&part(10..20), &[4, 3, 2, 1, 0]);
        let sums = in_order(&merged);
        let (first, second) = (in_order(&part(0..10)), in_order(&part(10..20)));
        for ((group, unit), sums) in &sums {
            let of = |list: &[((u32, u32), UnitSums)], group: u32| {
                let found = list.iter().find(|(key, _)| *key == (group, *unit));
                found.map_or(UnitSums::default(), |(_, sums)| *sums)
            };
            let both = [of(&first, *group), of(&second, 4 - group)];
            assert_eq!(*sums, UnitSums::of_all(both.into_iter()), "group {group}, unit {unit}");
        }
        assert_eq!(
            sums.iter().map(|(_, sums)| sums.accounts()).sum::<u64>(),
            (0..20).map(|account| units(account, 0).len() as u64).sum::<u64>()
        );
    }
}
