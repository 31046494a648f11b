//! What comes in: broken rows and tables, every format, tables that flow, batches in memory, exports of the exchange.

mod bad_input;
mod batches;
#[path = "../common/mod.rs"]
mod common;
mod fuzz;
mod okx;
mod snapshot;
mod stream;
