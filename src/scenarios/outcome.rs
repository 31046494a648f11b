//! What was made: counts, and what the user should know, as text.

use super::MarkedScenario;
use super::moves::Moves;
use super::prices::Prices;
use super::returns::LeftOut;
use crate::snapshot::InputFile;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// What was made of a history.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Made {
    /// Scenarios written.
    pub scenarios: u64,
    /// Rows written.
    pub rows: u64,
    /// The first and the last scenario.
    pub ends: (String, String),
    /// Rows by coin or stablecoin and origin.
    pub origins: BTreeMap<(String, Arc<str>), u64>,
    /// Windows that were left out.
    pub left_out: LeftOut,
    /// Scenarios with a price but no volatility of a coin that has volatilities elsewhere.
    pub without_vol: u64,
    /// Of drawn scenarios: windows that the covariance is of, and how many prices and volatilities have one.
    pub covariance: Option<(usize, usize)>,
    /// Windows that are kept.
    pub windows: usize,
    /// What was read.
    pub inputs: Vec<InputFile>,
    /// What else the user should know.
    pub notes: Vec<String>,
    /// Hash of the file that was written.
    pub blake3: String,
    with_vol: Vec<Arc<str>>,
}

impl Made {
    pub(super) fn new(prices: Prices, moves: &Moves) -> Self {
        let Prices { inputs, mut notes, .. } = prices;
        notes.extend(moves.unneeded.iter().map(|coin| format!("the proxy of {coin} is not needed: it has prices")));
        let coins = moves.windows.coins.iter();
        Self {
            left_out: moves.windows.left_out,
            windows: moves.windows.names.len(),
            with_vol: coins.filter(|coin| coin.has_vol()).map(|coin| Arc::clone(&coin.name)).collect(),
            inputs,
            notes,
            ..Self::default()
        }
    }

    pub(super) fn count(&mut self, marked: &MarkedScenario) {
        let scenario = &marked.scenario;
        if self.scenarios == 0 {
            self.ends.0.clone_from(&scenario.name);
        }
        self.ends.1.clone_from(&scenario.name);
        self.scenarios += 1;
        self.rows += marked.origins.len() as u64;
        let names = scenario.shocks.iter().map(|shock| &shock.base).chain(scenario.fx.iter().map(|(ccy, _)| ccy));
        for (name, origin) in names.zip(&marked.origins) {
            *self.origins.entry((name.clone(), Arc::clone(origin))).or_default() += 1;
        }
        let lacks = scenario
            .shocks
            .iter()
            .any(|shock| shock.vol.is_none() && self.with_vol.iter().any(|coin| **coin == *shock.base));
        self.without_vol += u64::from(lacks);
    }

    /// A few lines for people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for input in &self.inputs {
            let rows = input.rows.unwrap_or_default();
            let _ = writeln!(text, "read {}: {rows} rows, blake3 {}", input.path.display(), input.blake3);
        }
        let _ = match self.scenarios {
            1 => writeln!(text, "1 scenario, {}", self.ends.0),
            count => writeln!(text, "{count} scenarios, {} to {}", self.ends.0, self.ends.1),
        };
        for ((coin, origin), rows) in &self.origins {
            let _ = writeln!(text, "  {coin}: {rows} rows, {origin}");
        }
        if let Some((windows, variables)) = self.covariance {
            let of = self.windows;
            let _ = writeln!(text, "covariance of {variables} prices and volatilities over {windows} of {of} windows");
        }
        let LeftOut { gaps, jumps, stale } = self.left_out;
        for (count, why) in [(gaps, "a missing price"), (jumps, "a jump"), (stale, "a price that stands still")] {
            if count > 0 {
                let _ = writeln!(text, "left out for {why}: {count} windows");
            }
        }
        if self.without_vol > 0 {
            let _ = writeln!(
                text,
                "scenarios without the volatility of a coin, which stays as it is: {}",
                self.without_vol
            );
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        text.truncate(text.trim_end().len());
        text
    }
}
