//! The model: published figures, the fast kernel against the reference, edges, distances, checks before the order.

#[path = "../common/mod.rs"]
mod common;
mod differential;
mod differential_generated;
mod differential_stress;
mod distance;
mod edges;
mod golden;
mod golden_reference;
mod golden_residuals;
mod lanes;
mod parts;
mod published;
mod simulate;
