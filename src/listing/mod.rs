//! What the exchange lists, as probes and their answers need it: contracts, indices, and what each probe is for.
//!
//! `remargin probe` writes it beside the requests, and `remargin calibrate` reads it back: the exchange's answers name
//! contracts, and say neither what one is worth in coins nor when it ends.

use crate::market::{Currency, Instrument, InstrumentKind, Market, Underlying};
use crate::{Error, Invalid, Result, source};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The file of a listing, below the folder of the probes.
pub const LISTING: &str = "listing/listing.json";

/// The largest file that is read.
const LARGEST: u64 = 64 << 20;

/// What a contract is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Swap or future, `multiplier` coins a contract.
    Linear,
    /// Swap or future, `multiplier` USD a contract.
    Inverse,
    /// Option, `multiplier` coins a contract.
    Call,
    /// Option, `multiplier` coins a contract.
    Put,
}

impl Kind {
    /// A call or a put.
    #[must_use]
    pub fn is_option(self) -> bool {
        matches!(self, Self::Call | Self::Put)
    }
}

/// A contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contract {
    /// `BTC-USDT-SWAP`.
    pub inst_id: String,
    /// What it is.
    pub kind: Kind,
    /// Base currency.
    pub base: String,
    /// Quote currency of its underlying.
    pub quote: String,
    /// Settle currency.
    pub settle: String,
    /// Coins, or USD of an inverse contract.
    pub multiplier: f64,
    /// Smallest step of a quantity, contracts.
    pub lot: f64,
    /// Expiry, milliseconds since 1970 UTC; `None` for swaps.
    pub expiry_ms: Option<i64>,
    /// Strike of an option; zero otherwise.
    pub strike: f64,
    /// Mark price, as in `marks`.
    pub mark_px: f64,
    /// Mark volatility of an option; zero otherwise.
    pub mark_vol: f64,
    /// Forward price of an option; zero otherwise.
    pub fwd_px: f64,
}

impl Contract {
    /// The underlying: `BTC-USDT`.
    #[must_use]
    pub fn underlying(&self) -> String {
        format!("{}-{}", self.base, self.quote)
    }
}

/// A request and what its answer tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeNote {
    /// Name of the file.
    pub file: String,
    /// What it is, in words.
    pub what: String,
    /// Keys of the rules that its answer helps to determine.
    pub tells: Vec<String>,
}

/// Contracts and indices of a snapshot.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Listing {
    /// Valuation time of the snapshot, milliseconds since 1970 UTC.
    pub as_of_ms: i64,
    /// By their ids.
    pub contracts: BTreeMap<String, Contract>,
    /// Index prices: `BTC-USDT`.
    pub indices: BTreeMap<String, f64>,
    /// The probes, in their order.
    pub probes: Vec<ProbeNote>,
}

impl Listing {
    /// Every contract of a market that has a price, and every index.
    #[must_use]
    pub fn of(market: &Market) -> Self {
        let name = |ccy: u32| market.currencies.get(ccy as usize).map(|ccy| ccy.name.clone()).unwrap_or_default();
        let contract = |instrument: &Instrument| {
            let underlying = market.underlyings.get(instrument.underlying as usize)?;
            let (kind, strike) = match instrument.kind {
                InstrumentKind::Linear => (Kind::Linear, 0.0),
                InstrumentKind::Inverse => (Kind::Inverse, 0.0),
                InstrumentKind::Option { call: true, strike } => (Kind::Call, strike),
                InstrumentKind::Option { call: false, strike } => (Kind::Put, strike),
            };
            Some(Contract {
                inst_id: instrument.inst_id.clone(),
                kind,
                base: name(underlying.base),
                quote: name(underlying.quote),
                settle: name(instrument.settle),
                multiplier: instrument.multiplier,
                lot: instrument.lot_sz,
                expiry_ms: instrument.expiry_ns.map(|ns| ns / NS_A_MS),
                strike,
                mark_px: instrument.mark_px,
                mark_vol: instrument.mark_vol,
                fwd_px: instrument.fwd_px,
            })
        };
        let priced = market.instruments.iter().filter(|instrument| instrument.gap.is_none());
        let contracts = priced.filter_map(contract).map(|contract| (contract.inst_id.clone(), contract)).collect();
        let indices = market.underlyings.iter().filter_map(|index| Some((index.name.clone(), index.index_px?)));
        Self { as_of_ms: market.as_of_ns / NS_A_MS, contracts, indices: indices.collect(), probes: Vec::new() }
    }

    /// USD value of one unit of a currency: 1, its USD index, or its USDT index times that of USDT.
    #[must_use]
    pub fn fx(&self, ccy: &str) -> Option<f64> {
        let index = |name: String| self.indices.get(&name).copied();
        if ccy == "USD" {
            return Some(1.0);
        }
        index(format!("{ccy}-USD")).or_else(|| Some(index(format!("{ccy}-USDT"))? * index("USDT-USD".to_owned())?))
    }

    /// Base currencies that have a contract.
    #[must_use]
    pub fn bases(&self) -> BTreeSet<&str> {
        self.contracts.values().map(|contract| contract.base.as_str()).collect()
    }

    /// A market of some contracts at a time, with every index of the listing. Contracts are in the order given.
    #[must_use]
    pub fn market(&self, contracts: &[Contract], as_of_ms: i64) -> Market {
        let mut names: BTreeSet<String> = BTreeSet::from(["USD".to_owned()]);
        let pair = |name: &str| name.split_once('-').map(|(base, quote)| (base.to_owned(), quote.to_owned()));
        let mut pairs: BTreeMap<String, Option<f64>> =
            self.indices.iter().map(|(name, px)| (name.clone(), Some(*px))).collect();
        for contract in contracts {
            pairs.entry(contract.underlying()).or_default();
            names.insert(contract.settle.clone());
        }
        for (base, quote) in pairs.keys().filter_map(|name| pair(name)) {
            names.extend([base, quote]);
        }
        let place = |name: &str| {
            let found = names.iter().position(|known| known == name).unwrap_or(0);
            u32::try_from(found).unwrap_or(0)
        };
        let currencies = names.iter().map(|name| Currency { name: name.clone(), fx: self.fx(name) }).collect();
        let underlying = |(name, px): (&String, &Option<f64>)| {
            let (base, quote) = pair(name)?;
            Some(Underlying { name: name.clone(), base: place(&base), quote: place(&quote), index_px: *px })
        };
        let underlyings: Vec<Underlying> = pairs.iter().filter_map(underlying).collect();
        let instrument = |contract: &Contract| {
            let name = contract.underlying();
            let found = underlyings.iter().position(|known| known.name == name).unwrap_or(0);
            Instrument {
                inst_id: contract.inst_id.clone(),
                kind: match contract.kind {
                    Kind::Linear => InstrumentKind::Linear,
                    Kind::Inverse => InstrumentKind::Inverse,
                    Kind::Call => InstrumentKind::Option { call: true, strike: contract.strike },
                    Kind::Put => InstrumentKind::Option { call: false, strike: contract.strike },
                },
                underlying: u32::try_from(found).unwrap_or(0),
                settle: place(&contract.settle),
                multiplier: contract.multiplier,
                expiry_ns: contract.expiry_ms.map(|ms| ms.saturating_mul(NS_A_MS)),
                lot_sz: contract.lot,
                mark_px: contract.mark_px,
                mark_vol: contract.mark_vol,
                fwd_px: contract.fwd_px,
                gap: None,
            }
        };
        let instruments = contracts.iter().map(instrument).collect();
        Market { as_of_ns: as_of_ms.saturating_mul(NS_A_MS), currencies, underlyings, instruments }
    }

    /// Reads a listing.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::Invalid`] if it is not a listing.
    pub fn read(path: &Path) -> Result<Self> {
        let text = source::read_text(path, LARGEST)?;
        let read: Result<Self, _> = serde_json::from_str(&text);
        read.map_err(|error| {
            let invalid = Invalid::new(format!("not a listing: {error}")).file(path);
            Error::from(invalid.expected("the file that `remargin probe` wrote"))
        })
    }
}

const NS_A_MS: i64 = 1_000_000;
