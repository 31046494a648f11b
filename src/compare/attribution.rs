//! From A to B in five steps, each a full revaluation, and what each contributes.
//!
//! ```text
//! state          book   contracts   prices   vols   as of   rules
//! A              A      A           A        A      A       A
//! positions      B      B           A        A      A       A       positions, balances, hedging modes, contracts
//! prices         B      B           B        A      A       A       indices, fx, marks, forwards
//! vols           B      B           B        B      A       A       volatilities of options
//! time           B      B           B        B      B       A       as_of, hence every time to expiry
//! parameters     B      B           B        B      B       B       the rules and their default hedging mode
//! ```
//!
//! The first state is run A and the last is run B. A price that A's market lacks, as of a contract that was listed
//! since, is B's from the start: nothing of its change is a change of price. Contracts that expired or were closed are
//! in no book but A's, so they leave with the positions.

use super::change::{CAUSES, Causes, Why, excess_usd, im_excess_usd, mmr_usd};
use super::stats::contributions;
use crate::figures::AccountRow;
use crate::margin::AccountMargin;
use crate::market::{Instrument, Market};
use std::collections::HashMap;

/// The markets after the first three causes: B's contracts in A's prices, volatilities and time; then in B's prices;
/// then in B's volatilities. After the fourth the market is B's own.
#[must_use]
pub fn between(a: &Market, b: &Market) -> [Market; 3] {
    let vols = Market { as_of_ns: a.as_of_ns, ..b.clone() };
    let known: HashMap<&str, &Instrument> = a
        .instruments
        .iter()
        .filter(|instrument| instrument.gap.is_none())
        .map(|instrument| (instrument.inst_id.as_str(), instrument))
        .collect();
    let mut prices = vols.clone();
    for instrument in &mut prices.instruments {
        if let Some(then) =
            known.get(instrument.inst_id.as_str()).filter(|then| is_option(then) == is_option(instrument))
        {
            instrument.mark_vol = then.mark_vol;
        }
    }
    let mut positions = prices.clone();
    for instrument in &mut positions.instruments {
        if let Some(then) =
            known.get(instrument.inst_id.as_str()).filter(|then| is_option(then) == is_option(instrument))
        {
            (instrument.mark_px, instrument.fwd_px) = (then.mark_px, then.fwd_px);
        }
    }
    let fx: HashMap<&str, Option<f64>> =
        a.currencies.iter().map(|currency| (currency.name.as_str(), currency.fx)).collect();
    for currency in &mut positions.currencies {
        currency.fx = fx.get(currency.name.as_str()).copied().flatten().or(currency.fx);
    }
    let index: HashMap<&str, Option<f64>> =
        a.underlyings.iter().map(|underlying| (underlying.name.as_str(), underlying.index_px)).collect();
    for underlying in &mut positions.underlyings {
        underlying.index_px = index.get(underlying.name.as_str()).copied().flatten().or(underlying.index_px);
    }
    [positions, prices, vols]
}

/// An id that named a swap in A and an option in B has no volatility to hand on.
fn is_option(instrument: &Instrument) -> bool {
    matches!(instrument.kind, crate::market::InstrumentKind::Option { .. })
}

/// What each cause contributed to an account that is in both runs; `states` are its margins in the order of the table
/// above.
#[must_use]
pub fn why(states: [&AccountMargin; CAUSES.len() + 1]) -> Why {
    let figures = states.map(|margin| {
        let row = AccountRow::from(margin);
        [mmr_usd(&row), excess_usd(&row), im_excess_usd(&row)]
    });
    let of = |figure: usize| contributions(&figures.map(|figures| figures[figure]));
    Why { mmr: of(0), excess: of(1), im_excess: of(2) }
}

/// An account of one run only: its whole change is one of positions.
#[must_use]
pub fn why_one_sided(a: Option<&AccountRow>, b: Option<&AccountRow>) -> Why {
    let of = |figure: fn(&AccountRow) -> f64| {
        let mut causes = Causes::default();
        causes[0] = b.map_or(0.0, figure) - a.map_or(0.0, figure);
        causes
    };
    Why { mmr: of(mmr_usd), excess: of(excess_usd), im_excess: of(im_excess_usd) }
}
