//! What others saved becomes a snapshot: the formats of exchanges, one module each.

pub mod okx;
