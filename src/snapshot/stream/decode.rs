//! Row groups of each table, decoded: the rows of a batch judged and gathered.

use crate::Result;
use crate::book::Grouping;
use crate::formats::batch::Batch;
use crate::market::Market;
use crate::progress::Progress;
use crate::snapshot::LoadOptions;
use crate::snapshot::accounts::balances::Balances;
use crate::snapshot::accounts::orders::Orders;
use crate::snapshot::accounts::positions::Positions;
use crate::snapshot::accounts::{AccountRuns, Settings};
use crate::snapshot::market::{Listings, Priced};
use crate::snapshot::reject::Broken;
use std::collections::HashMap;

/// What decoding needs besides the rows.
pub(super) struct Decoder<'a> {
    listings: &'a Listings,
    /// Index, and the most that may be held if there is a price, by name.
    currencies: HashMap<&'a str, (u32, Option<f64>)>,
    priced: Priced<'a>,
    /// How accounts are put together.
    pub groups: &'a [Grouping],
    pub progress: &'a dyn Progress,
}

impl<'a> Decoder<'a> {
    pub fn new(listings: &'a Listings, market: &'a Market, groups: &'a [Grouping], options: &LoadOptions<'a>) -> Self {
        let named = market.currencies.iter().zip(0..);
        let most = |fx| options.expectations.most_held(fx);
        let currencies = named.map(|(currency, index)| (currency.name.as_str(), (index, currency.fx.map(most))));
        let priced = Priced::new(market);
        Self { listings, currencies: currencies.collect(), priced, groups, progress: options.progress }
    }
}

/// The rows of one row group of a table.
pub(super) trait Rows: Default + Send + Sync {
    fn read(&mut self, batch: &Batch, decoder: &Decoder) -> Result<()>;
    /// After the last batch.
    fn complete(&mut self, _decoder: &Decoder) {}
    fn runs(&self) -> &AccountRuns;
    /// Number of sound rows.
    fn sound(&self) -> usize;
    fn broken(&self) -> &[Broken];
}

impl Rows for Positions {
    fn read(&mut self, batch: &Batch, decoder: &Decoder) -> Result<()> {
        Self::read(self, batch, decoder.listings)
    }
    fn runs(&self) -> &AccountRuns {
        &self.runs
    }
    fn sound(&self) -> usize {
        self.instrument.len()
    }
    fn broken(&self) -> &[Broken] {
        &self.broken
    }
}

/// Balances, and the market's index of each of their currencies: `None` for one the market does not know, of which
/// sound rows hold nothing.
#[derive(Default)]
pub(super) struct NumberedBalances {
    pub rows: Balances,
    pub index: Vec<Option<u32>>,
}

impl Rows for NumberedBalances {
    fn read(&mut self, batch: &Batch, decoder: &Decoder) -> Result<()> {
        self.rows.read(batch, |name| decoder.currencies.get(name).and_then(|&(_, most)| most))
    }
    fn complete(&mut self, decoder: &Decoder) {
        let index = |name| decoder.currencies.get(name).map(|&(index, _)| index);
        self.index = self.rows.currencies.ids().iter().map(index).collect();
    }
    fn runs(&self) -> &AccountRuns {
        &self.rows.runs
    }
    fn sound(&self) -> usize {
        self.rows.ccy.len()
    }
    fn broken(&self) -> &[Broken] {
        &self.rows.broken
    }
}

impl Rows for Settings {
    fn read(&mut self, batch: &Batch, decoder: &Decoder) -> Result<()> {
        Self::read(self, batch, decoder.groups)
    }
    fn runs(&self) -> &AccountRuns {
        &self.runs
    }
    fn sound(&self) -> usize {
        self.offset.len()
    }
    fn broken(&self) -> &[Broken] {
        &self.broken
    }
}

impl Rows for Orders {
    fn read(&mut self, batch: &Batch, decoder: &Decoder) -> Result<()> {
        Self::read(self, batch, decoder.listings, &decoder.priced)
    }
    fn runs(&self) -> &AccountRuns {
        &self.runs
    }
    fn sound(&self) -> usize {
        self.order.len()
    }
    fn broken(&self) -> &[Broken] {
        &self.broken
    }
}
