//! `remargin report`: the page of a finished run, built again from its files.

mod rebuild;

pub use rebuild::{Rebuilt, rebuild};
