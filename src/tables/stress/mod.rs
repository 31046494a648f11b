//! The tables of a stress: columns, rows, and the counts and sums that rows are made of.

pub mod columns;
pub(crate) mod rows;
pub(crate) mod stats;
