//! What comes in: every reason, every broken table, the same snapshot in every format and order.

mod expectations;
mod extremes;
mod formats;
mod rows;
mod tables;
