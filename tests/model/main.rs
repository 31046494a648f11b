//! The model: published figures, the fast kernel against the reference, edges, distances, checks before the order.

mod calibrate;
#[path = "../common/mod.rs"]
mod common;
mod differential;
mod differential_generated;
mod differential_stress;
mod distance;
mod edges;
mod exchange;
mod golden;
mod golden_reference;
mod golden_residuals;
mod hidden;
mod lanes;
mod parts;
mod published;
mod simulate;
