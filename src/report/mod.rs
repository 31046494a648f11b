//! What goes out: tables, the at-risk list, rejects, summary and manifest of a run.
//!
//! In reading order: [`columns`] (which columns, and record batches from a [`Chunk`](crate::recompute::Chunk)),
//! [`encode`] (a batch becomes finished bytes in any thread, an ordered sink appends them), [`at_risk`], [`rejects`],
//! [`summary`] (counts and totals), [`spread`] (how the accounts lie), [`stress`] (the tables of price scenarios),
//! [`html`] (the page that people look at), [`compare`] (what changed between two rule sets or runs), [`checks`]
//! (answers of a simulation), [`manifest`] (provenance), [`recorded`] (provenance read back), [`terminal`] (the table a
//! person sees), [`folder`] (whole or not at all; on `disk`, under a `lock`). [`crate::run`], [`mod@crate::stress`] and
//! [`mod@crate::compare`] put them together.
//!
//! The bytes of every file but `manifest.json` depend on the snapshot and the rules alone: not on threads, time,
//! paths or the machine.

pub mod at_risk;
pub mod checks;
pub mod columns;
pub mod compare;
mod csv;
mod disk;
pub mod distances;
pub mod encode;
pub mod folder;
pub mod html;
mod hybrid;
mod labels;
mod lock;
pub mod manifest;
mod numbers;
mod pages;
mod parquet;
mod pieces;
pub mod recorded;
pub mod rejects;
pub mod rows;
pub mod spread;
pub mod stress;
pub mod stress_stats;
pub mod stress_summary;
pub(crate) mod sum;
pub mod summary;
pub mod terminal;
mod whole_file;

pub(crate) use csv::formula_safe;
pub use encode::{Format, OutputFile};
pub use folder::OutputFolder;
pub use html::REPORT;
pub use summary::Summary;
pub use terminal::{stress_table, summary_table};
pub use whole_file::write_file;

#[cfg(test)]
pub(crate) use disk::{Op, fixture::Fault, fixture::How};
#[cfg(test)]
pub(crate) mod fixture;
