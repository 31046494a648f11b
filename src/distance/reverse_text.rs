//! The answers of a reverse stress search as text and as JSON.

use super::reverse::{BookState, ReverseOutcome, ReverseStress};
use super::{HIGHEST_MOVE, LOWEST_MOVE};
use crate::{Error, Result};

impl ReverseStress {
    /// The answer as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut lines = vec![format!("statement  {}", self.statement), format!("now        {}", in_words(&self.now))];
        if self.holds_now {
            lines.push("answer     holds already, without a move".to_owned());
            return lines.join("\n") + "\n";
        }
        for (way, end, breach) in [("fall", LOWEST_MOVE, &self.down), ("rise", HIGHEST_MOVE, &self.up)] {
            match breach {
                None => lines.push(format!("{way}       none within {:+.0} %", end * 100.0)),
                Some(breach) => {
                    let price = breach.price_usd.map(|price| format!(", {price:.2} USD")).unwrap_or_default();
                    lines.push(format!("{way}       {:+.4} %{price}", breach.price_move * 100.0));
                    lines.push(format!("  there    {}", in_words(&breach.after)));
                    lines.push(format!("  before   {}", in_words(&breach.before)));
                }
            }
        }
        lines.push(format!("searched   {} revaluations of the book", self.revaluations));
        lines.join("\n") + "\n"
    }

    /// The answer as JSON.
    ///
    /// # Errors
    /// [`Error::Runtime`] if it cannot be serialised. This cannot happen for a valid answer.
    pub fn to_json(&self) -> Result<serde_json::Value> {
        serde_json::to_value(self).map_err(|error| Error::Runtime(format!("cannot write the answer as JSON: {error}")))
    }
}

impl ReverseOutcome {
    /// The answers as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut parts: Vec<String> = self.answers.iter().map(ReverseStress::to_text).collect();
        if self.unmargined > 0 {
            parts.push(format!("excluded   {} accounts with a broken row\n", self.unmargined));
        }
        parts.join("\n")
    }

    /// The answers as JSON, with the number of excluded accounts.
    ///
    /// # Errors
    /// Those of [`ReverseStress::to_json`].
    pub fn to_json(&self) -> Result<serde_json::Value> {
        let answers = self.answers.iter().map(ReverseStress::to_json).collect::<Result<Vec<_>>>()?;
        Ok(serde_json::json!({ "answers": answers, "unmargined": self.unmargined }))
    }
}

fn in_words(state: &BookState) -> String {
    let BookState { accounts, in_liquidation, at_risk, shortfall_usd } = state;
    format!("{accounts} accounts, {in_liquidation} in liquidation, {at_risk} at risk, shortfall {shortfall_usd:.2} USD")
}
