//! The parameters of the model, resolved and valid: what the formulas read.
//!
//! No formula of this crate holds a constant of its own; whatever a desk may want to change stands here and comes
//! from a dated, cited TOML file (see [`crate::rules`], which reads, merges and validates). Rates and shocks are
//! fractions (0.12 is 12 %), money is USD, tier bounds are in the unit that their field names.

use super::tiers::{BorrowTiers, Tiers};

/// Price moves of MR1, in the order of the parameter list.
pub const MR1_MOVES: usize = 7;

/// How an asset is stressed: the exchange's three groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// BTC and ETH.
    Major,
    /// Large, liquid coins.
    Middle,
    /// Everything else.
    Other,
}

impl Class {
    /// All classes, in the order of [`PerClass`].
    pub const ALL: [Self; 3] = [Self::Major, Self::Middle, Self::Other];

    /// The key of the class in a rules file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Major => "major",
            Self::Middle => "middle",
            Self::Other => "other",
        }
    }
}

/// One parameter for each class.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PerClass<T> {
    /// For [`Class::Major`].
    pub major: T,
    /// For [`Class::Middle`].
    pub middle: T,
    /// For [`Class::Other`].
    pub other: T,
}

impl<T> PerClass<T> {
    /// The value for `class`.
    pub fn get(&self, class: Class) -> &T {
        match class {
            Class::Major => &self.major,
            Class::Middle => &self.middle,
            Class::Other => &self.other,
        }
    }
}

/// Base currency to class. A currency that is not listed has the class of `"*"`.
#[derive(Debug, Clone, PartialEq)]
pub struct Classes {
    /// The listed currencies; each stands in one class only.
    pub listed: Vec<(String, Class)>,
    /// The class of every other currency (the one that holds `"*"`).
    pub rest: Class,
}

impl Classes {
    /// The class of a currency.
    #[must_use]
    pub fn of(&self, ccy: &str) -> Class {
        self.listed.iter().find(|(listed, _)| listed == ccy).map_or(self.rest, |(_, class)| *class)
    }
}

/// One parameter for each currency, and one for those that are not listed (`"*"`).
#[derive(Debug, Clone, PartialEq)]
pub struct ByCurrency<T> {
    /// The listed currencies.
    pub listed: Vec<(String, T)>,
    /// For every other currency.
    pub rest: T,
}

impl<T> ByCurrency<T> {
    /// The value for a currency.
    pub fn get(&self, ccy: &str) -> &T {
        self.listed.iter().find(|(listed, _)| listed == ccy).map_or(&self.rest, |(_, value)| value)
    }

    /// True if the currency has a value of its own.
    #[must_use]
    pub fn lists(&self, ccy: &str) -> bool {
        self.listed.iter().any(|(listed, _)| listed == ccy)
    }
}

/// What is margined together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RiskUnitMode {
    /// The underlying: `BTC-USD`, `BTC-USDT` and `BTC-USDC` never offset one another.
    Separate,
    /// The base currency: one unit `BTC`; stablecoin differences are charged by MR9.
    Merged,
}

/// An account's spot hedging mode: which of a coin's risk units its spot hedges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpotOffset {
    /// Spot hedges `B-USDT`.
    Usdt,
    /// Spot hedges `B-USDC`.
    Usdc,
    /// Spot hedges `B-USD`, the coin-margined unit.
    Coin,
    /// Spot hedges nothing.
    None,
}

impl SpotOffset {
    /// All modes, in the order of their index.
    pub const ALL: [Self; Self::COUNT] = [Self::Usdt, Self::Usdc, Self::Coin, Self::None];
    /// Number of modes.
    pub const COUNT: usize = 4;

    /// The name in tables and rules.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Usdt => "usdt",
            Self::Usdc => "usdc",
            Self::Coin => "coin",
            Self::None => "none",
        }
    }

    /// The mode of a name, `None` if there is no such mode.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// The quote currency of the unit that spot hedges in separate mode; `None` for [`SpotOffset::None`].
    #[must_use]
    pub fn quote(self) -> Option<&'static str> {
        match self {
            Self::Usdt => Some("USDT"),
            Self::Usdc => Some("USDC"),
            Self::Coin => Some("USD"),
            Self::None => None,
        }
    }
}

/// Thresholds of the margin ratio (a ratio at or below the threshold has the status).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StatusRules {
    /// At or below: `liquidation`.
    pub liquidation: f64,
    /// At or below: `near_liquidation`.
    pub near: f64,
    /// At or below: `warning`.
    pub warning: f64,
}

/// MR1, spot and volatility shock.
#[derive(Debug, Clone, PartialEq)]
pub struct Mr1Rules {
    /// Relative index moves, by class.
    pub price: PerClass<[f64; MR1_MOVES]>,
    /// A volatility that falls stops here (unless it is lower already).
    pub vol_floor: f64,
    /// Knots of the volatility shift, in days to expiry, ascending.
    pub vol_days: Vec<f64>,
    /// Absolute shift at each knot.
    pub vol_points: Vec<f64>,
    /// Shift relative to the volatility at each knot.
    pub vol_relative: Vec<f64>,
}

/// MR4, basis.
#[derive(Debug, Clone, PartialEq)]
pub struct Mr4Rules {
    /// Charge per year to expiry.
    pub annualized: PerClass<f64>,
    /// Least charge.
    pub floor: PerClass<f64>,
    /// Futures whose id contains one of these texts are held at spot by funding: they are perpetuals here.
    pub perpetual_like: Vec<String>,
    /// Spot in use is a bucket of its own, with no time to expiry: `abs(h S phi) x floor`.
    pub spot_bucket: bool,
}

/// MR6, extreme move.
#[derive(Debug, Clone, PartialEq)]
pub struct Mr6Rules {
    /// Size of the move each way.
    pub price: PerClass<f64>,
    /// Share of the loss that is charged.
    pub charge: f64,
}

/// MR7, minimum charge.
#[derive(Debug, Clone, PartialEq)]
pub struct Mr7Rules {
    /// Share of the notional of swaps and futures.
    pub delta_one: PerClass<f64>,
    /// Share of the index per coin of an option.
    pub option: PerClass<f64>,
    /// A long option is never charged more than this share of its value.
    pub option_premium_cap: f64,
    /// Raw charge in USD to multiplier, incremental.
    pub tiers: PerClass<Tiers>,
}

/// MR8, borrowing.
#[derive(Debug, Clone, PartialEq)]
pub struct Mr8Rules {
    /// Liquidation fee rate of a liability.
    pub fee_rate: f64,
    /// Liability in currency units to MMR and IMR rate; the whole liability bears the rates of its tier.
    pub tiers: ByCurrency<BorrowTiers>,
}

/// A settle group of MR9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SettleGroup {
    /// Settled in USDT.
    Usdt,
    /// Settled in USDC.
    Usdc,
    /// Settled in anything else: coins and USD.
    Usd,
}

impl SettleGroup {
    /// All groups, in the order of their index.
    pub const ALL: [Self; 3] = [Self::Usdt, Self::Usdc, Self::Usd];

    /// The group of a settle currency.
    #[must_use]
    pub fn of(settle_ccy: &str) -> Self {
        match settle_ccy {
            "USDT" => Self::Usdt,
            "USDC" => Self::Usdc,
            _ => Self::Usd,
        }
    }

    /// The name in a rules file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Usdt => "USDT",
            Self::Usdc => "USDC",
            Self::Usd => "USD",
        }
    }
}

/// MR9, stablecoin hedge risk.
#[derive(Debug, Clone, PartialEq)]
pub struct Mr9Rules {
    /// Pairs in the order in which they are matched.
    pub pairs: Vec<(SettleGroup, SettleGroup)>,
    /// USD prices of a stablecoin, ascending; none if rates do not depend on them.
    pub prices: Vec<f64>,
    /// Hedged size in USD to rate, incremental: a table for each of [`Self::prices`], all of the same bounds. One table
    /// without prices.
    pub tiers: Vec<Tiers>,
}

/// In what the profit and loss of an option settled in its coin is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OptionPnl {
    /// `V' - V`, in the quote currency.
    Usd,
    /// `(V'/F' - V/F) S`: in coins at the forward, then at today's index.
    Coin,
}

/// What the bounds count in tier tables of currencies without a table of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OtherBounds {
    /// Units of the currency, as in every other table.
    Units,
    /// USD.
    Usd,
}

/// A parameter set. Valid by construction when it comes from [`crate::rules`].
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Name of the set.
    pub name: String,
    /// First day on which it holds, in nanoseconds since 1970 UTC (midnight).
    pub effective_from_ns: i64,
    /// What is margined together.
    pub risk_unit: RiskUnitMode,
    /// `IMR(u) = imr_multiplier x MMR(u)`.
    pub imr_multiplier: f64,
    /// An account below this total equity, USD, is `ineligible`.
    pub min_net_equity_usd: f64,
    /// Spot hedging mode of an account that never chose one.
    pub default_spot_offset: SpotOffset,
    /// Continuously compounded rate that discounts option payoffs, per year.
    pub rate: f64,
    /// A shocked forward never falls below this share of the forward.
    pub forward_floor: f64,
    /// How profit and loss of coin-settled options is counted.
    pub coin_option_pnl: OptionPnl,
    /// What bounds count in [`Mr8Rules::tiers`] and [`Self::discount`] for currencies that are not listed there.
    pub other_bounds: OtherBounds,
    /// Adjusted equity is less the loss and the fees of pending orders.
    pub orders_deduct_loss: bool,
    /// Status thresholds.
    pub status: StatusRules,
    /// Classes for MR1.
    pub mr1_classes: Classes,
    /// Classes for MR4, MR6 and MR7.
    pub mr467_classes: Classes,
    /// MR1.
    pub mr1: Mr1Rules,
    /// MR2: days that pass.
    pub mr2_days: f64,
    /// MR3: charge on volatility P&L that offsets across expiries.
    pub mr3_offset_charge: f64,
    /// MR4.
    pub mr4: Mr4Rules,
    /// MR5: parallel shift of the rate.
    pub mr5_rate_shift: f64,
    /// MR6.
    pub mr6: Mr6Rules,
    /// MR7.
    pub mr7: Mr7Rules,
    /// MR8.
    pub mr8: Mr8Rules,
    /// MR9.
    pub mr9: Mr9Rules,
    /// Liquidation fee rate on derivatives.
    pub liquidation_fee_derivatives: f64,
    /// Collateral haircut: amount of a positive equity, in currency units, to the share counted, incremental.
    pub discount: ByCurrency<Tiers>,
}
