//! Output tables: which columns, rows of margins as record batches, and batches as finished bytes.
//!
//! In reading order: [`columns`] (which columns a table has), `filled` (columns declared with what fills them),
//! [`rows`] (record batches from a [`Chunk`](crate::engine::Chunk)), [`at_risk`], [`rejects`], [`groups`], [`stress`]
//! and [`breaches`], [`encode`] (a batch becomes finished bytes in any thread, an ordered sink appends them). The bytes
//! depend on the rows alone: not on threads, time, paths or the machine.

pub mod at_risk;
pub mod breaches;
pub mod columns;
mod csv;
pub mod encode;
pub(crate) mod filled;
pub mod groups;
mod parquet;
pub mod rejects;
pub mod rows;
pub mod stress;

pub(crate) use csv::{formula_safe, unguarded};
