//! The figures of a risk unit of an account, in the order of their columns. A new one goes to the end.

#[allow(clippy::wildcard_imports)]
use super::*;
use crate::margin::{UnitMargin, VolState};
use serde::{Deserialize, Serialize};

/// The words of `mr1_vol`.
static VOL_STATES: [&str; VolState::ALL.len()] =
    [VolState::ALL[0].name(), VolState::ALL[1].name(), VolState::ALL[2].name()];

figures! {
    /// The columns of `risk_units` behind its keys.
    list UNIT of UnitMargin;
    /// A figure of a risk unit, by its place in [`UNIT`].
    place UnitFigure;
    /// The figures of one risk unit as numbers, as in [`AccountRow`].
    row UnitRow;
    /// Sums over accounts of a risk unit's requirements and of what they are made of.
    totals UnitTotals;

    /// Loss in the worst of the price and volatility scenarios (MR1).
    sum mr1: number(|u| u.mr1) => usd();
    /// The relative price move of the scenario that gave `mr1`.
    one mr1_price: number(|u| u.mr1_price) => ratio().through_dictionary();
    /// The volatility state of that scenario: `up`, `same` or `down`.
    one mr1_vol: label[&VOL_STATES](|u| u.mr1_vol as u32) => word().within(Tolerance::Rule);
    /// Loss of option value with time (MR2).
    sum mr2: number(|u| u.mr2) => usd();
    /// Charge on the term structure of volatility (MR3).
    sum mr3: number(|u| u.mr3) => usd();
    /// Charge on the basis between expiries (MR4).
    sum mr4: number(|u| u.mr4) => usd();
    /// Charge on a shift of the interest rate (MR5).
    sum mr5: number(|u| u.mr5) => usd();
    /// Charge on an extreme price move (MR6).
    sum mr6: number(|u| u.mr6) => usd();
    /// The relative price move that gave `mr6`.
    one mr6_price: number(|u| u.mr6_price) => ratio().through_dictionary();
    /// Minimum charge (MR7).
    sum mr7: number(|u| u.mr7) => usd();
    /// Charge on hedges in another stablecoin (MR9); only where risk units are merged.
    sum mr9: number(|u| u.mr9) => usd();
    /// Maintenance margin, `max(max(mr1, mr2, mr6) + mr3 + mr4 + mr5 + mr9, mr7)`.
    sum mmr: number(|u| u.mmr) => usd();
    /// Initial margin, with what pending orders add.
    sum imr: number(|u| u.imr) => usd().within(Tolerance::Own);
    /// Sum of the positions' exposures to the underlying, signed: positive is long. Spot in use is not included.
    one cash_delta: number(|u| u.cash_delta) => usd();
    /// Change of the options' coin delta for +1 % of the index, valued in USD.
    one gamma: number(|u| u.gamma) => usd().within(Tolerance::Own);
    /// Change of value for +1 volatility point.
    one vega: number(|u| u.vega) => usd().within(Tolerance::Own);
    /// Change of value in the days that `mr2` lets pass, signed.
    one theta: number(|u| u.theta) => usd().within(Tolerance::Own);
    /// Spot that hedges the derivatives of the risk unit, signed.
    one spot_in_use: number(|u| u.spot_in_use) => coin();
    /// Unrealised profit and loss of swaps and futures.
    one upl: number(|u| u.upl) => usd().within(Tolerance::Own);
    /// What pending orders add to `imr`.
    one order_imr: number(|u| u.order_imr) => usd().within(Tolerance::Of(|u: &UnitMargin| u.imr)).not_compared();
}

impl UnitFigure {
    /// The charges that MMR is made of.
    pub const COMPONENTS: [Self; 8] =
        [Self::mr1, Self::mr2, Self::mr3, Self::mr4, Self::mr5, Self::mr6, Self::mr7, Self::mr9];
}

impl UnitRow {
    /// The volatility state of the scenario that gave MR1; `None` where that is not known.
    #[must_use]
    pub fn mr1_vol(&self) -> Option<VolState> {
        VolState::ALL.get(self.label(UnitFigure::mr1_vol)?).copied()
    }
}
