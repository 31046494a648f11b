//! The parts of an explanation, in the structure of its JSON form. USD unless the name says otherwise.

use serde::Serialize;
use std::collections::BTreeMap;

/// Every step of one account's margin.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The account.
    pub account_id: String,
    /// Valuation time, RFC 3339.
    pub as_of: String,
    /// Name of the parameter set.
    pub rules: String,
    /// How positions are grouped: `separate` or `merged`.
    pub risk_unit: &'static str,
    /// The account's spot hedging mode.
    pub spot_offset: &'static str,
    /// Equity of each currency.
    pub currencies: Vec<CurrencyStep>,
    /// Stress of each risk unit.
    pub units: Vec<UnitStep>,
    /// The account's totals.
    pub totals: Totals,
    /// How far prices are from a liquidation, all coins together first; left out if that was not searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distances: Option<Vec<DistanceStep>>,
}

/// The nearest moves of a coin at which the margin ratio reaches the liquidation threshold.
#[derive(Debug, Clone, Serialize)]
pub struct DistanceStep {
    /// `BTC`, or `*` for all coins together.
    pub base: String,
    /// Its price now; `null` for all coins together.
    pub px_usd: Option<f64>,
    /// The nearest fall.
    pub down: WayStep,
    /// The nearest rise.
    pub up: WayStep,
}

/// A fall or a rise. Without one all figures are `null`.
#[derive(Debug, Clone, Serialize)]
pub struct WayStep {
    /// `crossed`, `jump` or `none`.
    pub reach: &'static str,
    /// The move, a fraction.
    pub price_move: Option<f64>,
    /// The price of the coin there.
    pub px_usd: Option<f64>,
    /// The margin ratio there.
    pub margin_ratio: Option<f64>,
}

/// Equity of one currency. Amounts are in the currency unless the name ends in `_usd`.
#[derive(Debug, Clone, Serialize)]
pub struct CurrencyStep {
    /// `BTC`.
    pub ccy: String,
    /// Cash minus interest.
    pub cash: f64,
    /// Unrealised P&L of swaps and futures settled in it.
    pub upl: f64,
    /// Value of options settled in it.
    pub option_value: f64,
    /// `cash + upl + option_value`.
    pub equity: f64,
    /// USD value of one unit; `null` if nothing is held and no price is known.
    pub fx_usd: Option<f64>,
    /// Equity in USD without discount.
    pub total_usd: f64,
    /// True if it may not back new orders; left out if it may.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub restricted: bool,
    /// The discount tiers that the equity reaches; in USD where the rules say that of bounds of other coins.
    pub discount: Vec<TierStep>,
    /// Equity in USD after discount.
    pub adjusted_usd: f64,
    /// MR8, if the equity is negative.
    pub borrowing: Option<BorrowingStep>,
}

/// One tier of an incremental table.
#[derive(Debug, Clone, Serialize)]
pub struct TierStep {
    /// Lower bound.
    pub from: f64,
    /// Part of the amount inside the tier.
    pub amount: f64,
    /// Rate, share or multiplier of the tier.
    pub rate: f64,
    /// `amount x rate`.
    pub counted: f64,
}

/// MR8 of one currency.
#[derive(Debug, Clone, Serialize)]
pub struct BorrowingStep {
    /// Liability in currency units.
    pub liability: f64,
    /// Maintenance rate of the tier that contains it.
    pub mmr_rate: f64,
    /// Initial rate of that tier.
    pub imr_rate: f64,
    /// Borrowing MMR.
    pub mmr_usd: f64,
    /// Borrowing IMR.
    pub imr_usd: f64,
    /// Liquidation fee.
    pub fee_usd: f64,
    /// What the rates are: `assumed`, `own`, `measured`, `published`; left out if that is not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rests_on: String,
}

/// One risk unit.
#[derive(Debug, Clone, Serialize)]
pub struct UnitStep {
    /// `BTC-USDT`, or `BTC` in a merged book.
    pub risk_unit: String,
    /// Class for MR1.
    pub class_mr1: &'static str,
    /// Class for MR4, MR6 and MR7.
    pub class_mr4_mr6_mr7: &'static str,
    /// Its positions.
    pub positions: Vec<PositionStep>,
    /// Spot in use.
    pub spot: SpotStep,
    /// Slope of the positions. The linear part is `slope_positions + slope_spot`, zero for a perfect hedge.
    pub slope_positions: f64,
    /// Slope of spot in use.
    pub slope_spot: f64,
    /// `L`: P&L for a relative index move `s` is `L s`.
    pub slope: f64,
    /// MR1's grid.
    pub mr1: GridStep,
    /// MR2: P&L of the days.
    pub mr2: DecayStep,
    /// MR3, by expiry.
    pub mr3: TermStep,
    /// MR4, by expiry.
    pub mr4: BasisStep,
    /// MR5: P&L of a higher and a lower rate.
    pub mr5: RateStep,
    /// MR6: P&L of the fall and the rise.
    pub mr6: ExtremeStep,
    /// MR7: raw charge through its tiers.
    pub mr7: MinimumStep,
    /// MR9: stablecoin hedges, merged books only.
    pub mr9: StablecoinStep,
    /// What the figures behind each component are: `assumed`, `own`, `measured`, `published`, the least certain first.
    /// Left out if the marks of the rules are not known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rests_on: BTreeMap<&'static str, String>,
    /// The component that decides the MMR: `mr1`, `mr2`, `mr6` (each with the sums) or `mr7`, as in the tables; null
    /// where there is no margin.
    pub binding: Option<&'static str>,
    /// Maintenance margin.
    pub mmr: f64,
    /// Initial margin.
    pub imr: f64,
    /// IMR of pending orders; `null` if the account has none.
    pub orders: Option<OrderStep>,
    /// Summed cash deltas.
    pub cash_delta: f64,
    /// Change of the options' delta for +1 % of the index.
    pub gamma: f64,
    /// P&L of +1 volatility point.
    pub vega: f64,
    /// P&L of MR2's days.
    pub theta: f64,
    /// Unrealised P&L of swaps and futures.
    pub upl: f64,
}

/// Pending orders. IMR is computed from the largest of the unit's MMR and these two.
#[derive(Debug, Clone, Serialize)]
pub struct OrderStep {
    /// MMR with all buys of the account filled.
    pub mmr_with_buys: f64,
    /// MMR with all sells filled.
    pub mmr_with_sells: f64,
    /// The increase of IMR.
    pub order_imr: f64,
}

/// One position row.
#[derive(Debug, Clone, Serialize)]
pub struct PositionStep {
    /// Instrument.
    pub inst_id: String,
    /// `linear`, `inverse`, `call`, `put`.
    pub kind: &'static str,
    /// Signed contracts.
    pub qty: f64,
    /// Average entry price.
    pub avg_px: f64,
    /// Mark price.
    pub mark_px: f64,
    /// Coins per contract; USD face for inverse contracts.
    pub multiplier: f64,
    /// Years to expiry.
    pub years: f64,
    /// Settlement currency.
    pub settle_ccy: String,
    /// Unrealised P&L in the settlement currency.
    pub upl_settle: f64,
    /// Value of an option in the settlement currency.
    pub option_value_settle: f64,
    /// `q`, coins.
    pub delta_coin: f64,
    /// `D`.
    pub cash_delta: f64,
    /// Raw MR7 charge, before tiers.
    pub mr7_raw: f64,
    /// Inputs of an option.
    pub option: Option<OptionStep>,
    /// Size: `abs(D)`, options `abs(n) m S phi`.
    pub notional_usd: f64,
    /// Part of the unit's gamma.
    pub gamma: f64,
    /// Part of the unit's vega.
    pub vega: f64,
    /// Part of the unit's theta.
    pub theta: f64,
}

/// Price inputs of an option.
#[derive(Debug, Clone, Serialize)]
pub struct OptionStep {
    /// Strike, quote currency.
    pub strike: f64,
    /// Forward price, quote currency.
    pub fwd_px: f64,
    /// Mark volatility.
    pub vol: f64,
    /// Volatility in the state `up`.
    pub vol_up: f64,
    /// Volatility in the state `down`.
    pub vol_down: f64,
    /// Black-76 value per coin, quote currency.
    pub value: f64,
}

/// Spot in use.
#[derive(Debug, Clone, Serialize)]
pub struct SpotStep {
    /// True if the account's mode lets spot hedge this unit.
    pub hedges_this_unit: bool,
    /// `E`: equity of the base currency minus option values, coins.
    pub equity_coin: f64,
    /// `Q_u`: summed coin deltas of the unit.
    pub delta_coin: f64,
    /// The account's own limit; `null` if not set.
    pub cap_coin: Option<f64>,
    /// Spot in use, coins, signed.
    pub spot_in_use_coin: f64,
    /// USD value of one coin of spot in use; `null` if unknown and unused.
    pub px_usd: Option<f64>,
    /// What limits its size.
    pub reason: &'static str,
}

/// MR1: P&L of the 7 x 3 scenarios.
#[derive(Debug, Clone, Serialize)]
pub struct GridStep {
    /// Price moves.
    pub moves: Vec<f64>,
    /// P&L with volatility up.
    pub up: Vec<f64>,
    /// P&L with volatility unchanged.
    pub same: Vec<f64>,
    /// P&L with volatility down.
    pub down: Vec<f64>,
    /// The move of the worst scenario.
    pub worst_price: f64,
    /// The volatility state of the worst scenario.
    pub worst_vol: &'static str,
    /// `max(0, -worst)`.
    pub charge: f64,
}

/// MR2.
#[derive(Debug, Clone, Serialize)]
pub struct DecayStep {
    /// Days that pass.
    pub days: f64,
    /// P&L of these days.
    pub pnl: f64,
    /// `max(0, -pnl)`.
    pub charge: f64,
}

/// MR3.
#[derive(Debug, Clone, Serialize)]
pub struct TermStep {
    /// P&L of volatility up, by expiry.
    pub expiries: Vec<ExpiryPnl>,
    /// `sum |W| - |sum W|`.
    pub offset: f64,
    /// Rate on the offset.
    pub rate: f64,
    /// `offset x rate`.
    pub charge: f64,
}

/// An amount of one expiry.
#[derive(Debug, Clone, Serialize)]
pub struct ExpiryPnl {
    /// Date of the expiry, or `perpetual`.
    pub expiry: String,
    /// P&L.
    pub pnl: f64,
}

/// MR4.
#[derive(Debug, Clone, Serialize)]
pub struct BasisStep {
    /// One line per expiry.
    pub expiries: Vec<BasisLine>,
    /// Their sum.
    pub charge: f64,
}

/// MR4 of one expiry.
#[derive(Debug, Clone, Serialize)]
pub struct BasisLine {
    /// Date of the expiry, or `perpetual`.
    pub expiry: String,
    /// `D_e`.
    pub cash_delta: f64,
    /// `max(floor, annualized x T_e)`.
    pub rate: f64,
    /// `|D_e| x rate`.
    pub charge: f64,
}

/// MR5.
#[derive(Debug, Clone, Serialize)]
pub struct RateStep {
    /// P&L of a higher rate.
    pub up: f64,
    /// P&L of a lower rate.
    pub down: f64,
    /// `max(0, -worse)`.
    pub charge: f64,
}

/// MR6.
#[derive(Debug, Clone, Serialize)]
pub struct ExtremeStep {
    /// Size of the moves.
    pub size: f64,
    /// P&L of the fall.
    pub fall: f64,
    /// P&L of the rise.
    pub rise: f64,
    /// Share of the loss that is charged.
    pub share: f64,
    /// The move of the worse scenario.
    pub worst_price: f64,
    /// `share x max(0, -worse)`.
    pub charge: f64,
}

/// MR7.
#[derive(Debug, Clone, Serialize)]
pub struct MinimumStep {
    /// Summed raw charges.
    pub raw: f64,
    /// The multiplier tiers it reaches.
    pub tiers: Vec<TierStep>,
    /// Raw charge after multipliers.
    pub charge: f64,
}

/// MR9.
#[derive(Debug, Clone, Serialize)]
pub struct StablecoinStep {
    /// One line per pair of settlement groups, in order.
    pub pairs: Vec<StablecoinPair>,
    /// Their sum.
    pub charge: f64,
}

/// MR9 of one pair.
#[derive(Debug, Clone, Serialize)]
pub struct StablecoinPair {
    /// `USDT-USD`.
    pub pair: String,
    /// Hedged size.
    pub hedged: f64,
    /// Price of the cheaper stablecoin, if the rates depend on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_usd: Option<f64>,
    /// Charge on it.
    pub charge: f64,
}

/// The account's totals.
#[derive(Debug, Clone, Serialize)]
pub struct Totals {
    /// Adjusted equity.
    pub adj_eq: f64,
    /// Equity without discounts.
    pub total_eq: f64,
    /// Unrealised P&L of swaps and futures.
    pub upl: f64,
    /// Sum of the units' MMR.
    pub deriv_mmr: f64,
    /// Borrowing MMR.
    pub borrow_mmr: f64,
    /// Borrowing IMR.
    pub borrow_imr: f64,
    /// Maintenance margin.
    pub mmr: f64,
    /// Initial margin.
    pub imr: f64,
    /// Liquidation fee.
    pub liquidation_fee: f64,
    /// The account's own taker fee; left out if that of the rules holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee_rate: Option<f64>,
    /// Loss and fees of pending orders, taken off adjusted equity; left out if the rules do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_loss: Option<f64>,
    /// `adj_eq / (mmr + liquidation_fee)`.
    pub margin_ratio: Option<f64>,
    /// Status.
    pub status: &'static str,
    /// Adjusted equity is below IMR.
    pub im_deficit: bool,
    /// Total equity is below the eligibility threshold.
    pub ineligible: bool,
    /// MMR with spot hedging off.
    pub mmr_no_hedge: f64,
    /// IMR with spot hedging off.
    pub imr_no_hedge: f64,
    /// IMR of pending orders.
    pub order_imr: f64,
}
