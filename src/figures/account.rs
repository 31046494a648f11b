//! The figures of an account, in the order of their columns. A new one goes to the end.

#[allow(clippy::wildcard_imports)]
use super::*;
use crate::margin::account_figures::AccountFigures;
use crate::margin::real::Real;
use crate::margin::{AccountMargin, Status};
use serde::{Deserialize, Serialize};

/// The words of `status`, worst first, `no_risk` last.
static STATUSES: [&str; Status::ALL.len()] = {
    let mut words = [""; Status::ALL.len()];
    let mut place = 0;
    while place < words.len() {
        words[place] = Status::ALL[place].name();
        place += 1;
    }
    words
};

fn place(status: Status) -> u32 {
    Status::ALL.iter().position(|other| *other == status).unwrap_or(usize::MAX) as u32
}

figures! {
    /// The columns of `accounts` behind its keys.
    list ACCOUNT of AccountMargin;
    /// A figure of an account, by its place in [`ACCOUNT`].
    place AccountFigure;
    /// The figures of one account as numbers: what is missing is NaN, a flag 0 or 1, a label its place among its words.
    row AccountRow;
    /// Sums over all margined accounts of the columns of `accounts`.
    totals Totals;

    /// Equity after collateral discounts.
    sum adj_eq: number(|m| m.adj_eq) => usd();
    /// Equity before discounts.
    sum total_eq: number(|m| m.total_eq) => usd();
    /// Unrealised profit and loss of swaps and futures.
    sum upl: number(|m| m.upl) => usd();
    /// Maintenance margin requirement, `deriv_mmr + borrow_mmr`.
    sum mmr: number(|m| m.mmr) => usd();
    /// Initial margin requirement, with what pending orders and borrowing add.
    sum imr: number(|m| m.imr) => usd();
    /// Maintenance margin of the derivatives: the sum over the risk units.
    sum deriv_mmr: number(|m| m.deriv_mmr) => usd();
    /// Maintenance margin of borrowed coins (MR8).
    sum borrow_mmr: number(|m| m.borrow_mmr) => usd();
    /// Initial margin of borrowed coins (MR8).
    sum borrow_imr: number(|m| m.borrow_imr) => usd();
    /// Fee that a liquidation would cost.
    sum liquidation_fee: number(|m| m.liquidation_fee) => usd();
    /// `adj_eq / (mmr + liquidation_fee)`; null where that sum is below 1e-6 USD.
    one margin_ratio: optional(|m| m.margin_ratio) => ratio().with_statistics();
    /// Where the account stands: `liquidation`, `near_liquidation`, `warning`, `healthy`, or `no_risk` without a ratio.
    one status: label[&STATUSES](|m| place(m.status)) => word().within(Tolerance::Rule).with_statistics();
    /// `adj_eq` is below `imr`.
    one im_deficit: flag(|m| m.im_deficit) => yes_or_no().within(Tolerance::Rule).with_statistics();
    /// `total_eq` is below the least that the rules ask of an account in this mode.
    one ineligible: flag(|m| m.ineligible) => yes_or_no().within(Tolerance::Rule);
    /// `mmr` as it would be with spot hedging off.
    sum mmr_no_hedge: number(|m| m.mmr_no_hedge) => usd();
    /// `imr` as it would be with spot hedging off.
    sum imr_no_hedge: number(|m| m.imr_no_hedge) => usd();
    /// What pending orders add to `imr`.
    sum order_imr: number(|m| m.order_imr) => usd().not_compared();
}

impl Totals {
    /// What sums up, of an account in several markets at once: as [`Totals::of`], in its order.
    #[must_use]
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them")]
    pub fn beside<R: Real>(figures: &AccountFigures<R>) -> [R; Totals::NAMES.len()] {
        [
            figures.adj_eq,
            figures.total_eq,
            figures.upl,
            figures.mmr,
            figures.imr,
            figures.deriv_mmr,
            figures.borrow_mmr,
            figures.borrow_imr,
            figures.liquidation_fee,
            figures.mmr_no_hedge,
            figures.imr_no_hedge,
            figures.order_imr,
        ]
    }
}

impl AccountRow {
    /// Where the account stands; `None` where that is not known.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        Status::ALL.get(self.label(AccountFigure::status)?).copied()
    }
}
