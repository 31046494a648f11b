//! The output figures of an account and of a risk unit: one declaration for each.
//!
//! [`account`] and [`mod@unit`] list the figures in the order of their columns. A declaration says what a figure is
//! called, what it means, its unit, how it is taken from a margin, whether it sums up, how it is compared with the
//! reference model, and how it is stored. The tables, `summary.json`, the comparison of runs, the verification of a run
//! and the data dictionary go through these lists, so that a new figure is declared here and nowhere else.
//!
//! The model in [`crate::margin`] knows nothing of this.

#[macro_use]
mod declare;
pub mod account;
pub mod unit;

pub use account::{ACCOUNT, AccountFigure, AccountRow, Totals};
pub use unit::{UNIT, UnitFigure, UnitRow, UnitTotals};

/// What the values of a column are measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Money.
    Usd,
    /// Units of a coin.
    Coin,
    /// A fraction: 0.1 is 10 %.
    Ratio,
    /// True or false.
    Flag,
    /// One of a few words.
    Label,
    /// An id, or other text.
    Text,
    /// A whole number of things.
    Count,
    /// Days.
    Days,
    /// What a scenario weighs beside others.
    Weight,
    /// A price as `mark_px` has it: options in their settle currency per coin, all else in the quote currency.
    Price,
    /// Contracts of a derivative, coins of a spot pair, or the unit that another column names.
    Amount,
}

impl Unit {
    /// As the data dictionary has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usd => "USD",
            Self::Coin => "coin",
            Self::Ratio => "ratio",
            Self::Flag => "flag",
            Self::Label => "label",
            Self::Text => "text",
            Self::Count => "count",
            Self::Days => "days",
            Self::Weight => "weight",
            Self::Price => "price",
            Self::Amount => "amount",
        }
    }
}

/// How far a figure may lie from that of the reference model; see [`crate::reference::compare`].
#[derive(Debug, Clone, Copy)]
pub enum Tolerance<M: 'static> {
    /// Nine digits of what the account or the risk unit has at stake, or 1e-6 USD.
    Money,
    /// The same, or nine digits of the figure itself, whichever is more.
    Own,
    /// The same, or nine digits of another size, whichever is more.
    Of(fn(&M) -> f64),
    /// What [`Tolerance::Money`] is worth in coins, or nine digits of the figure itself, whichever is more.
    Coins,
    /// None: the two are equal.
    Exact,
    /// A rule of its own, which the comparison knows by the name of the figure.
    Rule,
}

/// How a column of numbers is stored in Parquet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// As it is: a dictionary of margins would be larger than the margins.
    Plain,
    /// Through a dictionary: a table holds few different values.
    Dictionary,
}

/// How a figure is taken from a margin: from one, and from many in a loop of its own, column by column.
#[derive(Debug)]
pub enum Get<M: 'static> {
    /// A number that is always there.
    Number(fn(&M) -> f64, fn(&[M], &mut Vec<f64>)),
    /// A number that may be missing: null in tables.
    Optional(fn(&M) -> Option<f64>, fn(&[M], &mut Vec<Option<f64>>)),
    /// True or false.
    Flag(fn(&M) -> bool, fn(&[M], &mut Vec<bool>)),
    /// One of a few names, by its place among them.
    Label(&'static [&'static str], fn(&M) -> u32, fn(&[M], &mut Vec<u32>)),
}

// Derived, these would ask the same of the margin.
impl<M> Clone for Get<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Get<M> {}

/// All that is known of an output figure. `M` is the margin that has it.
#[derive(Debug)]
pub struct Figure<M: 'static> {
    /// The name of its column.
    pub name: &'static str,
    /// What it means, in one sentence.
    pub meaning: &'static str,
    /// What it is measured in.
    pub unit: Unit,
    /// Where it is taken from.
    pub get: Get<M>,
    /// Its sum over accounts means something and is reported.
    pub sums: bool,
    /// How it is compared with the reference model.
    pub tolerance: Tolerance<M>,
    /// How Parquet stores it.
    pub stored: Stored,
    /// Parquet keeps least and greatest value of each row group, so that readers can skip groups.
    pub statistics: bool,
    /// It also stands in the tables of `compare` and among the totals of `scenarios`.
    pub compared: bool,
}

/// What a declaration says beside name, meaning and getter.
#[derive(Clone, Copy)]
pub(crate) struct About<M: 'static> {
    unit: Unit,
    tolerance: Tolerance<M>,
    stored: Stored,
    statistics: bool,
    compared: bool,
}

impl<M: Copy> About<M> {
    const fn new(unit: Unit, tolerance: Tolerance<M>) -> Self {
        Self { unit, tolerance, stored: Stored::Plain, statistics: false, compared: true }
    }

    const fn within(mut self, tolerance: Tolerance<M>) -> Self {
        self.tolerance = tolerance;
        self
    }

    const fn through_dictionary(mut self) -> Self {
        self.stored = Stored::Dictionary;
        self
    }

    const fn with_statistics(mut self) -> Self {
        self.statistics = true;
        self
    }

    const fn not_compared(mut self) -> Self {
        self.compared = false;
        self
    }
}

/// Money.
const fn usd<M: Copy>() -> About<M> {
    About::new(Unit::Usd, Tolerance::Money)
}

/// An amount of coins.
const fn coin<M: Copy>() -> About<M> {
    About::new(Unit::Coin, Tolerance::Coins)
}

/// A fraction, compared by a rule of its own.
const fn ratio<M: Copy>() -> About<M> {
    About::new(Unit::Ratio, Tolerance::Rule)
}

/// True or false.
const fn yes_or_no<M: Copy>() -> About<M> {
    About::new(Unit::Flag, Tolerance::Exact)
}

/// One of a few words.
const fn word<M: Copy>() -> About<M> {
    About::new(Unit::Label, Tolerance::Exact)
}

impl<M> Figure<M> {
    /// True if it is a number, which may be missing.
    #[must_use]
    pub const fn is_number(&self) -> bool {
        matches!(self.get, Get::Number(..) | Get::Optional(..))
    }

    /// True if it may be missing.
    #[must_use]
    pub const fn is_nullable(&self) -> bool {
        matches!(self.get, Get::Optional(..))
    }
}

/// The columns of a table of figures, by how a reader asks for them.
#[derive(Debug, Clone)]
pub struct Layout<M: 'static> {
    /// The keys, then the labels.
    pub names: Vec<&'static str>,
    /// The flags, which a reader gives as names behind the names.
    pub flags: Vec<&'static str>,
    /// The numbers.
    pub numbers: Vec<&'static str>,
    keys: usize,
    asked: fn(&Figure<M>) -> bool,
}

/// A label with a text that is none of its words: its name and the text.
pub type Unknown = (&'static str, String);

impl<M> Layout<M> {
    /// The keys of a table, and the figures of its list that are `asked` for.
    #[must_use]
    pub fn of(keys: &[&'static str], figures: &[Figure<M>], asked: fn(&Figure<M>) -> bool) -> Self {
        let those = |is: fn(&Figure<M>) -> bool| {
            figures.iter().filter(move |figure| asked(figure) && is(figure)).map(|figure| figure.name)
        };
        Self {
            names: keys.iter().copied().chain(those(|figure| matches!(figure.get, Get::Label(..)))).collect(),
            flags: those(|figure| matches!(figure.get, Get::Flag(..))).collect(),
            numbers: those(Figure::is_number).collect(),
            keys: keys.len(),
            asked,
        }
    }

    /// The values of a row in the order of the list, as [`AccountRow`] has them; what was not asked for is NaN. The
    /// first label that is none of its words is named, and NaN.
    fn values<const N: usize>(
        &self,
        figures: &[Figure<M>; N],
        names: &[&str],
        numbers: &[Option<f64>],
    ) -> ([f64; N], Option<Unknown>) {
        let (keys, flags) = names.split_at(self.names.len().min(names.len()));
        let mut labels = keys.iter().skip(self.keys);
        let (mut flags, mut numbers) = (flags.iter(), numbers.iter());
        let (mut values, mut unknown) = ([f64::NAN; N], None);
        for (value, figure) in values.iter_mut().zip(figures).filter(|(_, figure)| (self.asked)(figure)) {
            *value = match figure.get {
                Get::Number(..) | Get::Optional(..) => numbers.next().copied().flatten().unwrap_or(f64::NAN),
                Get::Flag(..) => flags.next().map_or(f64::NAN, |text| (*text == "true").into_number()),
                Get::Label(words, ..) => {
                    let text = labels.next().copied().unwrap_or_default();
                    let place = words.iter().position(|word| *word == text);
                    if place.is_none() {
                        unknown.get_or_insert_with(|| (figure.name, text.to_owned()));
                    }
                    place.map_or(f64::NAN, |place| place as f64)
                }
            };
        }
        (values, unknown)
    }
}

/// A value as a number: what is missing is NaN, a flag 0 or 1, a label its place among its words.
trait IntoNumber {
    fn into_number(self) -> f64;
}

impl IntoNumber for f64 {
    fn into_number(self) -> f64 {
        self
    }
}

impl IntoNumber for Option<f64> {
    fn into_number(self) -> f64 {
        self.unwrap_or(f64::NAN)
    }
}

impl IntoNumber for bool {
    fn into_number(self) -> f64 {
        f64::from(u8::from(self))
    }
}

impl IntoNumber for u32 {
    fn into_number(self) -> f64 {
        f64::from(self)
    }
}

#[cfg(test)]
mod tests;
