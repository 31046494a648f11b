//! Every step of one account's margin. (Declarations only in this branch: the owner's files replace it.)

use crate::Result;
use crate::progress::Progress;
use crate::rules::LoadedRules;
use std::path::Path;

/// The steps.
#[derive(Debug, Clone)]
pub struct Explanation;

impl Explanation {
    /// For people.
    #[must_use]
    pub fn to_text(&self) -> String {
        todo!()
    }

    /// # Errors
    /// If it cannot be serialised.
    pub fn to_json(&self) -> Result<serde_json::Value> {
        todo!()
    }
}

/// # Errors
/// A broken snapshot, an unknown account.
pub fn explain(snapshot: &Path, account_id: &str, rules: &LoadedRules, progress: &dyn Progress) -> Result<Explanation> {
    let _ = (snapshot, account_id, rules, progress.interrupted());
    todo!()
}
