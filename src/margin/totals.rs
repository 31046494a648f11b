//! What the units and currencies of an account add up to.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use super::account::{Account, NotFinite};
use super::account_figures::{AccountFigures, LEAST_REQUIREMENT_USD};
use super::borrowing::Borrowing;
use super::equity::CountedEquity;
use super::gathered::Gathered;
use super::priced::PricedMarket;
use super::real::Real;
use super::unit_margin::UnitMargin;
use super::{borrowing, equity};

/// Sums of an account, USD.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals<R = f64> {
    adj_eq: R,
    total_eq: R,
    upl: R,
    deriv_mmr: R,
    deriv_imr: R,
    deriv_mmr_no_hedge: R,
    deriv_imr_no_hedge: R,
    order_imr: R,
    /// Every figure of the units: a sum is finite only if all its terms are, and none is so large that others would
    /// not matter.
    all_figures: R,
    borrow_mmr: R,
    borrow_imr: R,
    fee_usd: R,
}

impl<R: Real> Totals<R> {
    #[inline(always)]
    pub(super) fn new(priced: &PricedMarket<R>, fee_base_usd: R) -> Self {
        Self { fee_usd: fee_base_usd * priced.rules.liquidation_fee_derivatives, ..Self::default() }
    }

    #[inline(always)]
    pub(super) fn add_unit(&mut self, margin: &UnitMargin<R>, imr_no_hedge: R) {
        self.upl += margin.upl;
        self.deriv_mmr += margin.mmr;
        self.deriv_imr += margin.imr;
        self.deriv_mmr_no_hedge += margin.mmr_no_hedge;
        self.deriv_imr_no_hedge += imr_no_hedge;
        self.order_imr += margin.order_imr;
        self.all_figures += margin.sum();
    }

    /// Adds what other sums hold in every market.
    #[inline(always)]
    pub(super) fn and(mut self, fixed: &Totals) -> Self {
        self.adj_eq += R::splat(fixed.adj_eq);
        self.total_eq += R::splat(fixed.total_eq);
        self.upl += R::splat(fixed.upl);
        self.deriv_mmr += R::splat(fixed.deriv_mmr);
        self.deriv_imr += R::splat(fixed.deriv_imr);
        self.deriv_mmr_no_hedge += R::splat(fixed.deriv_mmr_no_hedge);
        self.deriv_imr_no_hedge += R::splat(fixed.deriv_imr_no_hedge);
        self.order_imr += R::splat(fixed.order_imr);
        self.all_figures += R::splat(fixed.all_figures);
        self.borrow_mmr += R::splat(fixed.borrow_mmr);
        self.borrow_imr += R::splat(fixed.borrow_imr);
        self.fee_usd += R::splat(fixed.fee_usd);
        self
    }

    /// Adds the liquidation fee of more derivatives; `fee_base_usd` is what it is taken on.
    pub(super) fn add_fee(&mut self, priced: &PricedMarket<R>, fee_base_usd: R) {
        self.fee_usd += fee_base_usd * priced.rules.liquidation_fee_derivatives;
    }

    /// Takes an amount in USD off adjusted equity.
    pub(super) fn deduct(&mut self, loss_usd: R) {
        self.adj_eq += -loss_usd;
    }

    /// Adds the currencies of the account whose rows were gathered last.
    #[inline(always)]
    pub(super) fn finish_account(
        mut self,
        priced: &PricedMarket<R>,
        account: &Account<'_>,
        gathered: &Gathered<R>,
    ) -> Result<AccountFigures<R>, NotFinite> {
        let fee_rate = account.fee_rate.unwrap_or(priced.rules.mr8.fee_rate);
        for (ccy, ledger) in gathered.ledgers() {
            self.add_currency(priced, ccy, ledger.equity(), fee_rate);
        }
        let figures = self.finish();
        if (self.all_figures + figures.sum()).is_finite() { Ok(figures) } else { Err(NotFinite) }
    }

    #[inline(always)]
    pub(super) fn add_currency(&mut self, priced: &PricedMarket<R>, ccy: u32, equity_coin: R, fee_rate: f64) {
        let (counted, borrowing) = currency_of(priced, ccy, equity_coin, fee_rate);
        self.adj_eq += counted.adjusted_usd;
        self.total_eq += counted.total_usd;
        if let Some(borrowing) = borrowing {
            self.borrow_mmr += borrowing.mmr_usd;
            self.borrow_imr += borrowing.imr_usd;
            self.fee_usd += borrowing.fee_usd;
        }
    }

    #[inline(always)]
    fn finish(&self) -> AccountFigures<R> {
        let mmr = self.deriv_mmr + self.borrow_mmr;
        let required = mmr + self.fee_usd;
        let least = R::splat(LEAST_REQUIREMENT_USD);
        AccountFigures {
            adj_eq: self.adj_eq,
            total_eq: self.total_eq,
            upl: self.upl,
            mmr,
            imr: self.deriv_imr + self.borrow_imr,
            deriv_mmr: self.deriv_mmr,
            borrow_mmr: self.borrow_mmr,
            borrow_imr: self.borrow_imr,
            liquidation_fee: self.fee_usd,
            margin_ratio: required.if_at_least(least, self.adj_eq.over(required), R::splat(f64::INFINITY)),
            mmr_no_hedge: self.deriv_mmr_no_hedge + self.borrow_mmr,
            imr_no_hedge: self.deriv_imr_no_hedge + self.borrow_imr,
            order_imr: self.order_imr,
        }
    }
}

/// What the equity of a currency counts, and what borrowing it costs if it is negative, in a market at least.
#[inline(always)]
pub(super) fn currency_of<R: Real>(
    priced: &PricedMarket<R>,
    ccy: u32,
    equity_coin: R,
    fee_rate: f64,
) -> (CountedEquity<R>, Option<Borrowing<R>>) {
    let (params, zero) = (&priced.currencies[ccy as usize], R::splat(0.0));
    let counted = equity::count(equity_coin, params.fx_usd, &params.discount, params.discount_unit);
    if !equity_coin.any_below(zero) {
        return (counted, None);
    }
    let charged = borrowing::charge(-equity_coin, params.fx_usd, (&params.borrow, params.borrow_unit), fee_rate);
    let if_owed = |charge: R| equity_coin.if_below(zero, charge, zero);
    let borrowing = Borrowing {
        mmr_usd: if_owed(charged.mmr_usd),
        imr_usd: if_owed(charged.imr_usd),
        fee_usd: if_owed(charged.fee_usd),
    };
    (counted, Some(borrowing))
}
