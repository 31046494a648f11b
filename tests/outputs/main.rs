//! What a run leaves: the same bytes every time, figures that explain and verify themselves, runs compared.

mod before;
#[path = "../common/mod.rs"]
mod common;
mod compare;
mod determinism;
mod dictionary;
mod distribution;
mod draws;
mod explain;
mod export;
mod groups;
mod limits;
mod manifest;
mod memory;
mod partition;
mod passes;
mod report;
mod scenarios;
mod signature;
mod stress;
mod tamper;
mod verify;
mod widths;
