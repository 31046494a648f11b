//! What an answer says of its operation.

use super::Row;
use super::amount::{Most, Unit};
use super::operation::{OperationAccount, RequestText};
use crate::snapshot::Snapshot;

/// The columns with the request and the answer.
pub struct Fields<'a> {
    /// The caller's name for the operation.
    pub op_id: &'a str,
    /// The account as asked.
    pub account_id: &'a str,
    /// Empty if the operation has no group.
    pub group: &'a str,
    /// The request.
    pub words: RequestText,
    /// `pass`, `adjust`, `reject` or `invalid`.
    pub verdict: &'static str,
    /// Why there is no answer; empty otherwise.
    pub reason: &'static str,
    /// The largest amount and its unit.
    pub most: Option<(f64, &'a str)>,
}

impl<'a> Fields<'a> {
    /// The columns of a row.
    #[must_use]
    pub fn of(row: &'a Row<'a>, snapshot: &'a Snapshot) -> Self {
        let operation = row.operation;
        let words = match &operation.action {
            Ok(action) => action.words(&snapshot.market),
            Err((_, words)) => words.as_ref().clone(),
        };
        let most = row.answer.as_ref().ok().and_then(|(answer, leg)| answer.most.get(*leg).copied().flatten());
        let named = |most: Most| match most.unit {
            Unit::Contracts => (most.amount, "contracts"),
            Unit::Currency(ccy) => (most.amount, snapshot.market.currencies[ccy as usize].name.as_str()),
            Unit::Share => (most.amount, "share"),
        };
        Self {
            op_id: &operation.op_id,
            account_id: match &operation.account {
                OperationAccount::Account(account) => snapshot.book.accounts().get(*account as usize),
                OperationAccount::Unknown(id) => id,
            },
            group: operation.group.as_deref().unwrap_or_default(),
            words,
            verdict: row.answer.as_ref().map_or("invalid", |(answer, _)| answer.verdict.name()),
            reason: row.answer.as_ref().err().map_or("", |refusal| refusal.code()),
            most: most.map(named),
        }
    }
}
