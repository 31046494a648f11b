//! remargin recalculates the portfolio margin of every account of a crypto exchange.
#![forbid(unsafe_code)]

pub mod book;
pub mod error;
pub mod generate;
pub mod margin;
pub mod market;
pub mod progress;
pub mod recompute;
pub mod reference;
pub mod report;
pub mod rules;
pub mod run;
pub mod snapshot;

pub use error::{Error, Invalid, Result};
