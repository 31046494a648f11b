//! Moves of prices, carried out: the figures of every currency, index and instrument after them.

use super::{Currency, Instrument, InstrumentKind, Market};
use crate::margin::black76::Terms;
use crate::margin::extremes::positive_part;

/// Currencies that move by `fx` only, whatever a scenario says about all coins.
const STABLE: [&str; 3] = ["USD", "USDC", "USDT"];

/// True for a currency that moves by `fx` only: USD and the dollar coins.
#[must_use]
pub fn moves_by_fx(ccy: &str) -> bool {
    STABLE.contains(&ccy)
}

/// Factors by currency.
#[derive(Debug, Clone)]
pub(super) struct Moves {
    /// `1 + u(c)`.
    pub usd: Vec<f64>,
    /// `1 + vol` of options on the currency.
    pub vol: Vec<f64>,
    /// Valuation time.
    pub as_of_ns: i64,
}

impl Moves {
    /// The factor for a price of `base` in `quote`.
    fn price(&self, base: u32, quote: u32) -> f64 {
        self.usd[base as usize] / self.usd[quote as usize]
    }

    /// Writes the time and the prices of `market` after these moves into `after`, a copy of it.
    pub fn apply(&self, market: &Market, rate: f64, after: &mut Market) {
        after.as_of_ns = self.as_of_ns;
        for ((then, now), factor) in after.currencies.iter_mut().zip(&market.currencies).zip(&self.usd) {
            then.fx = now.fx.map(|fx| fx * factor);
        }
        for (then, now) in after.underlyings.iter_mut().zip(&market.underlyings) {
            let factor = self.price(now.base, now.quote);
            then.index_px = now.index_px.map(|px| px * factor);
        }
        for (place, now) in market.instruments.iter().enumerate() {
            let [mark_px, fwd_px, mark_vol] = moved_prices(market, after, now, self, rate);
            let then = &mut after.instruments[place];
            (then.mark_px, then.fwd_px, then.mark_vol) = (mark_px, fwd_px, mark_vol);
        }
    }
}

/// Mark, forward and volatility of an instrument of `market` in `after`, whose currencies and time are already moved.
fn moved_prices(market: &Market, after: &Market, now: &Instrument, moves: &Moves, rate: f64) -> [f64; 3] {
    let underlying = &market.underlyings[now.underlying as usize];
    let factor = moves.price(underlying.base, underlying.quote);
    let InstrumentKind::Option { call, strike } = now.kind else {
        return [now.mark_px * factor, now.fwd_px, now.mark_vol];
    };
    let (fwd_px, mark_vol) = (now.fwd_px * factor, now.mark_vol * moves.vol[underlying.base as usize]);
    let fx = |market: &Market, ccy: u32| market.currencies[ccy as usize].fx.unwrap_or(f64::NAN);
    let state = |market: &Market, forward: f64, vol: f64| {
        let years = market.years_to(now.expiry_ns);
        (Terms { forward, strike, vol, years, rate, call }, fx(market, underlying.quote), fx(market, now.settle))
    };
    let (was, is) = (state(market, now.fwd_px, now.mark_vol), state(after, fwd_px, mark_vol));
    if now.gap.is_some() || is == was {
        return [now.mark_px, fwd_px, mark_vol];
    }
    let ((terms, phi, settle), (terms_after, phi_after, settle_after)) = (was, is);
    let mark_usd = now.mark_px * settle + (terms_after.value() * phi_after - terms.value() * phi);
    [positive_part(mark_usd) / settle_after, fwd_px, mark_vol]
}

/// A market under one price move after the other: of one coin, or of all coins together.
#[derive(Debug, Clone)]
pub struct PriceMoves {
    before: Market,
    after: Market,
    /// By currency: the move changes it.
    is_moved: Vec<bool>,
    moves: Moves,
}

impl PriceMoves {
    /// Of a coin of this market by its index, or of all.
    #[must_use]
    pub fn new(market: Market, coin: Option<u32>) -> Self {
        let is_moved = |(ccy, currency): (usize, &Currency)| match coin {
            Some(coin) => coin as usize == ccy,
            None => !moves_by_fx(&currency.name),
        };
        let is_moved: Vec<bool> = market.currencies.iter().enumerate().map(is_moved).collect();
        let still = vec![1.0; is_moved.len()];
        let moves = Moves { usd: still.clone(), vol: still, as_of_ns: market.as_of_ns };
        Self { after: market.clone(), before: market, is_moved, moves }
    }

    /// The market after a move, as [`apply`](super::scenario::apply) finds it for
    /// [`Scenario::price_move`](super::scenario::Scenario::price_move). The move is above -1.
    pub fn to(&mut self, price_move: f64, rate: f64) -> &Market {
        let Self { before, after, is_moved, moves } = self;
        for (factor, _) in moves.usd.iter_mut().zip(is_moved).filter(|(_, is_moved)| **is_moved) {
            *factor = 1.0 + price_move;
        }
        moves.apply(before, rate, after);
        after
    }
}
