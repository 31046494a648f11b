//! Limits: rules over figures of accounts, groups, risk units and the book, and the figures that are beyond them.
//!
//! ```text
//! limits.toml --file, rule--> Limits          each rule: whose figure, which, how it must compare with which number
//! written tables of a run ----check--> breaches, and for each limit how many were compared and the worst
//! ```
//!
//! Which figures there are is what the tables have: a rule names a column (see `figures`). The tables are read back as
//! they were written, so a breach is a row that anybody can look up, and no more than a few row groups are in memory.

// What comes from outside must end in an error, not in a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod check;
mod explain;
mod figures;
mod file;
mod filter;
mod missing;
mod parts;
mod rounds;
mod rule;
mod scan;
mod sums;
#[cfg(test)]
mod tests;

pub(crate) use check::{Checked, Written, check};
pub use figures::{Command, Figure, Source};
pub use file::{Limit, Limits};
pub use rule::{Rule, Scope, Test, Which};
pub(crate) use sums::Sums;
