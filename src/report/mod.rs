//! `remargin report`: rebuilds the page of a finished run from its files.

mod rebuild;

pub(crate) use rebuild::page_of;
pub use rebuild::{Rebuilt, rebuild};
