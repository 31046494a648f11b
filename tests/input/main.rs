//! What comes in: broken rows and tables, every format, tables that flow, files that change,
//! batches in memory, exports of the exchange.

mod bad_input;
mod batches;
mod cases;
mod changed;
#[path = "../common/mod.rs"]
mod common;
mod fuzz;
mod in_groups;
mod in_stress;
mod okx;
mod snapshot;
mod stream;
