//! What a run adds up over all accounts: sums, distributions, the summary, and which accounts are at risk.

pub mod at_risk;
pub mod before;
pub(crate) mod beside;
pub mod charges;
pub mod counts;
pub(crate) mod first;
pub(crate) mod flagged;
pub mod footprint;
pub(crate) mod group_list;
pub(crate) mod group_spelling;
pub mod group_summary;
mod group_units;
pub(crate) mod groups;
pub mod limit_summary;
pub mod losses;
pub mod netting_summary;
pub mod reach;
pub mod spread;
pub(crate) mod sum;
pub mod summary;
mod text;
pub mod trust;
pub(crate) mod unit_columns;
pub mod weighted;

pub use summary::Summary;
pub use text::summary_table;
