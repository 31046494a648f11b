//! What goes out: tables, the at-risk list, rejects, summary and manifest of a run.
//!
//! In reading order: [`columns`] (which columns, and record batches from a [`Chunk`](crate::recompute::Chunk)),
//! [`encode`] (a batch becomes finished bytes in any thread, an ordered sink appends them), [`at_risk`], [`rejects`],
//! [`summary`] (counts and totals), [`stress`] (the tables of price scenarios), [`manifest`] (provenance),
//! [`terminal`] (the table a person sees), [`folder`] (whole or not at all). [`crate::run`] and
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
mod labels;
pub mod manifest;
mod pages;
mod parquet;
mod pieces;
pub mod rejects;
pub mod rows;
pub mod stress;
pub mod stress_stats;
pub mod stress_summary;
mod sum;
pub mod summary;
pub mod terminal;

pub use encode::{Format, OutputFile};
pub use folder::OutputFolder;
pub use summary::Summary;
pub use terminal::summary_table;

#[cfg(test)]
pub(crate) mod fixture;
