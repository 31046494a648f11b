//! How outputs come to be on the disk: a folder appears whole or not at all, with a manifest that says what it holds
//! and what was asked for.
//!
//! [`folder`] (whole or not at all; on `disk`, under a `lock`), [`hashed`] (files counted and hashed while they are
//! written), [`manifest`] (provenance), [`recorded`] (provenance read back), [`json`].

mod disk;
pub mod folder;
pub(crate) mod hashed;
pub(crate) mod json;
mod lock;
pub mod manifest;
pub(crate) mod owned;
pub mod recorded;
mod whole_file;

pub use folder::OutputFolder;
pub use hashed::OutputFile;
pub use whole_file::write_file;

/// The name of the manifest in the output folder.
pub const MANIFEST: &str = "manifest.json";

#[cfg(test)]
pub(crate) use disk::{Op, fixture::Fault, fixture::How};
