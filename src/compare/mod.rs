//! What changed, for whom, and why: `remargin compare`.
//!
//! ```text
//! rules    one snapshot, read once, margined under A and under B                    the effect of parameters
//! runs     two finished runs, each margined again from its snapshot, and between    positions, prices, volatilities,
//!          them the book of B in four markets that lead from A's to B's              time, parameters
//! ```
//!
//! Both put accounts of A and B side by side in byte order of their ids, in pieces on all threads, and write the pieces
//! in order (`pass.rs`). [`attribution`] makes the markets between, `recorded.rs` reads what runs have written.

pub mod attribution;
pub(crate) mod before;
pub mod by_group;
pub mod change;
mod groups;
pub mod manifest;
mod pass;
mod recorded;
mod rules;
mod runs;
pub mod stats;
pub mod summary;
pub mod tables;
pub mod text;
mod walk;

pub use rules::{Basis, RulesRequest, compare_rules};
pub(crate) use runs::COMPARED;
pub use runs::{RunsRequest, compare_runs};

use crate::rules::{Difference, LoadedRules, RuleValue, diff};
use summary::{CompareSummary, NewBreach, ParameterChange};

/// What a comparison brought.
#[derive(Debug)]
pub struct CompareOutcome {
    /// Counts and totals.
    pub summary: CompareSummary,
    /// So many rows of the snapshot are broken, more than the request tolerates (exit 4); everything is written all the
    /// same.
    pub too_many_rejects: Option<u64>,
    /// Every account that breaches in B and did not in A: liquidation before IM deficit, the lowest ratio first.
    pub new_breaches: Vec<NewBreach>,
    /// Why the changes of two runs are not attributed to causes, if so; what the runs say is compared all the same.
    pub not_attributed: Option<crate::Error>,
}

/// The parameters whose values differ, in the order of A.
fn parameter_changes(a: &LoadedRules, b: &LoadedRules) -> Vec<ParameterChange> {
    let text = |value: Option<&RuleValue>| value.map(|value| value.value.clone());
    let change = |pair: &Difference| ParameterChange { key: pair.key().to_owned(), a: text(pair.a), b: text(pair.b) };
    diff(a, b).iter().map(change).collect()
}
