//! The risk units of the accounts at the head of `at_risk`, gathered while accounts are computed.
//!
//! There may be many accounts at risk, and their units are many more: only those of the worst accounts so far are
//! kept.

use super::AT_RISK_SHOWN;
use crate::book::Book;
use crate::engine::Chunk;
use crate::margin::UnitMargin;
use crate::totals::at_risk::{AtRisk, lower_first};
use std::collections::BTreeMap;

/// An account at risk with its units.
#[derive(Debug, Clone)]
struct Entry {
    margin_ratio: Option<f64>,
    account_id: String,
    units: Vec<UnitMargin>,
}

/// The worst accounts of some consecutive ones, with their units.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drill(Vec<Entry>);

impl Drill {
    /// Takes the rows at risk of a chunk of the base case.
    pub(crate) fn offer(&mut self, chunk: &Chunk, rows: &[AtRisk], book: &Book) {
        for row in rows {
            let place = row.account - chunk.first_account;
            let start = if place == 0 { 0 } else { chunk.unit_end[place - 1] };
            self.0.push(Entry {
                margin_ratio: row.margin.margin_ratio,
                account_id: book.accounts().get(row.account).to_owned(),
                units: chunk.units[start..chunk.unit_end[place]].to_vec(),
            });
        }
        if self.0.len() >= 2 * AT_RISK_SHOWN {
            self.cut();
        }
    }

    /// Adds the accounts that follow.
    pub(crate) fn merge(&mut self, later: Self) {
        self.0.extend(later.0);
        if self.0.len() >= 2 * AT_RISK_SHOWN {
            self.cut();
        }
    }

    /// Accounts come in order, and a stable sort leaves equals in it, as in `at_risk`.
    fn cut(&mut self) {
        self.0.sort_by(|a, b| lower_first(a.margin_ratio, b.margin_ratio));
        self.0.truncate(AT_RISK_SHOWN);
    }

    /// The units by account.
    pub(crate) fn by_account(self) -> BTreeMap<String, Vec<UnitMargin>> {
        self.0.into_iter().map(|entry| (entry.account_id, entry.units)).collect()
    }
}
