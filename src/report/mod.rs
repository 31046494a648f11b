//! `remargin report`: rebuilds the page of a finished run from its files.

mod rebuild;

pub use rebuild::{Rebuilt, rebuild};
