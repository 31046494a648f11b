//! Prices that contradict each other: a unit was mixed up. Percent in place of a fraction, USD in place of coins.
//!
//! All bounds follow from one share `p`, half unless the caller says otherwise:
//!
//! ```text
//! mark of a swap or future   index x (1 - p) to index x (1 + p)
//! forward of an option       the same
//! mark_vol                   at most 10 p: 5, which is 500 %
//! mark of an option          intrinsic value to the forward (call) or strike (put), p/10 of the larger of forward and
//!                            strike more on either side; and no further from Black 1976 at mark_vol than p of the
//!                            larger of the two values and p/20 of the larger of forward and strike
//! ```

use super::contracts::Contract;
use super::{PriceGap, Reason, Refusal};
use crate::cells::number::written;
use crate::margin::black76;
use crate::market::InstrumentKind;
use crate::{Invalid, Result};

/// What is checked. Each is a kind of number with a unit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    Mark,
    Forward,
    Vol,
    OptionMark,
}

/// The prices of an instrument whose index is known.
#[derive(Clone, Copy)]
pub(crate) struct Quoted {
    pub mark_px: f64,
    pub mark_vol: f64,
    pub fwd_px: f64,
    pub index_px: f64,
    pub years: f64,
}

/// What was found of each kind of number.
#[derive(Default)]
pub(crate) struct Tally {
    checked: [u32; 4],
    failed: [u32; 4],
    /// The first that failed.
    first: [Option<String>; 4],
}

/// Rows from which on a table is judged as a whole.
const ENOUGH: u32 = 10;
const SECONDS_OF_YEAR: f64 = 365.0 * 86_400.0;

/// Years from the valuation time to an expiry.
pub(crate) fn years(as_of_ns: i64, expiry_ns: Option<i64>) -> f64 {
    expiry_ns.map_or(0.0, |expiry_ns| (expiry_ns.saturating_sub(as_of_ns)) as f64 / 1e9 / SECONDS_OF_YEAR)
}

/// What is implausible about the prices of an instrument, if anything is.
pub(crate) fn check(contract: &Contract, quoted: Quoted, share: f64, tally: &mut Tally) -> Option<(PriceGap, Refusal)> {
    let Quoted { mark_px, mark_vol, fwd_px, index_px, years } = quoted;
    let near = |px: f64| (px / index_px - 1.0).abs() <= share;
    let InstrumentKind::Option { call, strike } = contract.kind else {
        let value = || format!("{} beside the index {} at {}", written(mark_px), contract.uly, written(index_px));
        return tally.note(Check::Mark, near(mark_px), value);
    };
    let value = || format!("{} beside the index {} at {}", written(fwd_px), contract.uly, written(index_px));
    if let Some(found) = tally.note(Check::Forward, near(fwd_px), value) {
        return Some(found);
    }
    if let Some(found) = tally.note(Check::Vol, mark_vol <= 10.0 * share, || written(mark_vol)) {
        return Some(found);
    }
    // In the quote currency: the mark of a coin option is in coins.
    let base = super::base_quote(&contract.uly).map_or("", |(base, _)| base);
    let px = if contract.settle == base { mark_px * index_px } else { mark_px };
    let (least, most) =
        if call { ((fwd_px - strike).max(0.0), fwd_px.max(index_px)) } else { ((strike - fwd_px).max(0.0), strike) };
    // Of an option deep in the money, index and forward differ by more than of its own forward.
    let slack = share / 10.0 * fwd_px.max(strike);
    let model = black76::value(fwd_px, strike, mark_vol, years.max(0.0), 0.0, call);
    let in_bounds = px >= least - slack && px <= most + slack;
    let fits_model = (px - model).abs() <= share * px.max(model) + slack / 2.0;
    tally.note(Check::OptionMark, in_bounds && fits_model, || {
        let per = if contract.settle == base { model / index_px } else { model };
        let (mark_px, mark_vol, ccy) = (written(mark_px), written(mark_vol), &contract.settle);
        format!("{mark_px} beside {per:.6} {ccy}, its value at mark_vol {mark_vol} and fwd_px {}", written(fwd_px))
    })
}

impl Check {
    const ALL: [Self; 4] = [Self::Mark, Self::Forward, Self::Vol, Self::OptionMark];

    fn names(self) -> (PriceGap, Reason, &'static str) {
        match self {
            Self::Mark | Self::OptionMark => (PriceGap::Mark, Reason::ImplausibleMark, "mark_px"),
            Self::Forward => (PriceGap::Forward, Reason::ImplausibleForward, "fwd_px"),
            Self::Vol => (PriceGap::Vol, Reason::ImplausibleVol, "mark_vol"),
        }
    }

    /// What a table of which most numbers fail is told.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Mark => (
                "most marks of swaps and futures are far from their index",
                "marks in the quote currency of the underlying, near the index",
                "the marks or the indices are in another unit, or of another time",
            ),
            Self::Forward => (
                "most forwards of options are far from their index",
                "forwards in the quote currency of the underlying, near the index",
                "the forwards or the indices are in another unit, or of another time",
            ),
            Self::Vol => (
                "most volatilities of options are implausibly large",
                "volatilities as fractions per square root of a year: 0.57 for 57 %",
                "the column seems to be in percent: divide it by 100",
            ),
            Self::OptionMark => (
                "most marks of options contradict their forward, strike and volatility",
                "marks for one coin, in the settle currency: a coin option's in coins, such as 0.0525",
                "the marks seem to be in USD, or the volatilities in another unit",
            ),
        }
    }
}

impl Tally {
    fn note(&mut self, check: Check, holds: bool, value: impl FnOnce() -> String) -> Option<(PriceGap, Refusal)> {
        let place = check as usize;
        self.checked[place] += 1;
        if holds {
            return None;
        }
        self.failed[place] += 1;
        let value = value();
        self.first[place].get_or_insert_with(|| value.clone());
        let (gap, reason, column) = check.names();
        Some((gap, Refusal { reason, column, value }))
    }

    /// The table as a whole.
    ///
    /// # Errors
    /// [`Invalid`] if more than half of ten or more numbers of a kind are implausible: that is a unit, not a row.
    pub fn verdict(&self) -> Result<()> {
        for check in Check::ALL {
            let place = check as usize;
            let (checked, failed) = (self.checked[place], self.failed[place]);
            if checked >= ENOUGH && failed > checked / 2 {
                let (problem, expected, hint) = check.words();
                let first = self.first[place].as_deref().unwrap_or_default();
                return Err(Invalid::new(format!("{problem}: {failed} of {checked}"))
                    .column(check.names().2)
                    .value(first)
                    .expected(expected)
                    .hint(format!("{hint}; `--mark-check` widens the bounds or switches them off"))
                    .into());
            }
        }
        Ok(())
    }
}
