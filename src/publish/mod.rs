//! Publishes outputs: a folder appears complete or not at all, with a manifest of its contents and of the request.
//!
//! [`folder`] (complete or not at all; uses `disk` and `lock`), `hashed` (files counted and hashed during writing),
//! [`manifest`] (provenance), `identity` (one hash of what was computed), [`recorded`] (provenance read back),
//! `scratch` (a temporary folder), `lines` (a file that grows by lines), `json`.

pub(crate) mod disk;
pub mod folder;
pub(crate) mod hashed;
pub(crate) mod identity;
pub(crate) mod json;
mod lines;
mod lock;
pub mod manifest;
pub(crate) mod owned;
pub mod recorded;
pub(crate) mod scratch;
mod whole_file;

pub use folder::OutputFolder;
pub use hashed::OutputFile;
pub use lines::append_line;
pub use manifest::Published;
pub use whole_file::{
    absolute, check_appendable, check_outside, check_replaceable, replace_file, write_file, write_new_private_file,
};

/// The name of the manifest in the output folder.
pub const MANIFEST: &str = "manifest.json";

/// The name of the signature of the manifest, as `minisign` calls it.
pub const SIGNATURE: &str = "manifest.json.minisig";

#[cfg(test)]
pub(crate) use disk::{Op, fixture::FailureMode, fixture::Fault};
