//! What goes out: tables, the at-risk list, rejects, summary and manifest of a run.
//!
//! In reading order: [`columns`] (which columns, and record batches from a [`Chunk`](crate::recompute::Chunk)),
//! [`encode`] (a batch becomes finished bytes in any thread, an ordered sink appends them), [`at_risk`], [`rejects`],
//! [`summary`] (counts and totals), [`spread`] (how the accounts lie), [`stress`] (the tables of price scenarios),
//! [`html`] (the page that people look at), [`manifest`] (provenance), [`terminal`] (the table a person sees),
//! [`folder`] (whole or not at all). [`crate::run`] and
//! [`mod@crate::stress`] put them together.
//!
//! The bytes of every file but `manifest.json` depend on the snapshot and the rules alone: not on threads, time,
//! paths or the machine.

pub mod at_risk;
pub mod columns;
mod csv;
pub mod distances;
pub mod encode;
pub mod folder;
pub mod html;
mod labels;
pub mod manifest;
mod pages;
mod parquet;
pub mod rejects;
pub mod rows;
pub mod spread;
pub mod stress;
pub mod stress_stats;
pub mod stress_summary;
mod sum;
pub mod summary;
pub mod terminal;
mod whole_file;

pub use encode::{Format, OutputFile};
pub use folder::OutputFolder;
pub use html::REPORT;
pub use summary::Summary;
pub use terminal::{stress_table, summary_table};
pub use whole_file::write_file;

#[cfg(test)]
pub(crate) mod fixture;
