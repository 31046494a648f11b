//! A probe: one portfolio that the exchange is asked for, and its request.

use crate::listing::Contract;
use serde_json::{Value, json};

/// Most positions of a request.
pub const MOST_LEGS: usize = 200;

/// A what-if portfolio.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Probe {
    /// Part of the file's name: `borrow-BTC`.
    pub name: String,
    /// What it is, in words.
    pub what: String,
    /// Keys of the rules that its answer helps to determine.
    pub tells: Vec<String>,
    /// Positions: contract, signed contracts, entry price.
    pub positions: Vec<(String, f64, f64)>,
    /// Cash: currency, signed amount.
    pub assets: Vec<(String, f64)>,
}

impl Probe {
    pub(super) fn new(name: impl Into<String>, what: impl Into<String>, tells: &[&str]) -> Self {
        let tells = tells.iter().map(|&key| key.to_owned()).collect();
        Self { name: name.into(), what: what.into(), tells, ..Self::default() }
    }

    /// Adds a position at its mark.
    pub(super) fn hold(self, contract: &Contract, qty: f64) -> Self {
        self.hold_at(contract, qty, contract.mark_px)
    }

    pub(super) fn hold_at(mut self, contract: &Contract, qty: f64, avg_px: f64) -> Self {
        self.positions.push((contract.inst_id.clone(), qty, avg_px));
        self
    }

    pub(super) fn cash(mut self, ccy: &str, amount: f64) -> Self {
        self.assets.push((ccy.to_owned(), amount));
        self
    }

    /// The body of `POST /api/v5/account/position-builder`.
    #[must_use]
    pub fn request(&self) -> Value {
        let positions = self
            .positions
            .iter()
            .map(|(inst_id, qty, avg_px)| json!({ "instId": inst_id, "pos": figure(*qty), "avgPx": figure(*avg_px) }));
        let assets = self.assets.iter().map(|(ccy, amount)| json!({ "ccy": ccy, "amt": figure(*amount) }));
        json!({
            "inclRealPosAndEq": false,
            "simPos": positions.collect::<Vec<_>>(),
            "simAsset": assets.collect::<Vec<_>>(),
        })
    }
}

/// Contracts worth about so many USD, in whole lots, one lot at least.
pub(super) fn contracts_worth(contract: &Contract, usd: f64, usd_a_contract: f64) -> f64 {
    let lots = (usd / usd_a_contract / contract.lot).round().max(1.0);
    // A lot such as 0.1 has no exact double: whole lots are counted by division where that is exact.
    let lots_a_contract = (1.0 / contract.lot).round();
    if contract.lot < 1.0 && (lots_a_contract * contract.lot - 1.0).abs() < 1e-9 {
        lots / lots_a_contract
    } else {
        lots * contract.lot
    }
}

/// The shortest decimal of the same double.
fn figure(number: f64) -> String {
    (number + 0.0).to_string()
}

/// Amounts from `first` to at least `last`, each `ratio` times the one before, to `digits` significant digits.
pub(super) fn ladder(first: f64, last: f64, ratio: f64, digits: i32) -> Vec<f64> {
    let mut steps = Vec::new();
    let mut amount = first;
    while amount < last * ratio {
        steps.push(rounded(amount, digits));
        amount *= ratio;
    }
    steps
}

/// To so many significant digits.
pub(super) fn rounded(amount: f64, digits: i32) -> f64 {
    if amount == 0.0 || !amount.is_finite() {
        return amount;
    }
    let places = digits - 1 - amount.abs().log10().floor() as i32;
    // The text gives the nearest double of the decimal, which a product with a power of ten does not.
    let text = if places >= 0 {
        format!("{amount:.*}", places.unsigned_abs() as usize)
    } else {
        let scale = 10f64.powi(-places);
        format!("{}", (amount / scale).round() * scale)
    };
    text.parse().unwrap_or(amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        assert_eq!(rounded(123_456.0, 3), 123_000.0);
        assert_eq!(rounded(0.012_345, 3), 0.0123);
        assert_eq!(rounded(0.0, 3), 0.0);
        assert_eq!(ladder(1.0, 2.0, 1.5, 3), [1.0, 1.5, 2.25]);
    }
}
