//! Publishes outputs: a folder appears complete or not at all, with a manifest of its contents and of the request.
//!
//! `output` (the folder of a command: `folder` on this machine, which uses `disk` and `lock`; `store_folder` at a URL),
//! `fetched` (a run at a URL, brought here), `hashed` (files counted and hashed during writing),
//! [`manifest`] (provenance), `identity` (one hash of what was computed), [`recorded`] (provenance read back),
//! `scratch` (a temporary folder), `lines` (a file that grows by lines), `json`.

pub(crate) mod disk;
mod fetched;
mod folder;
pub(crate) mod hashed;
pub(crate) mod identity;
pub(crate) mod json;
mod lines;
mod lock;
pub mod manifest;
mod output;
pub(crate) mod owned;
pub mod recorded;
pub(crate) mod scratch;
#[cfg(feature = "cloud")]
mod store_folder;
#[cfg(all(test, feature = "cloud"))]
mod store_tests;
mod whole_file;

pub(crate) use fetched::with_run;
pub use hashed::OutputFile;
pub use lines::append_line;
pub use manifest::Published;
pub use output::OutputFolder;
pub use whole_file::{
    absolute, check_appendable, check_outside, check_replaceable, replace_file, write_file, write_new_private_file,
};

/// The name of the manifest in the output folder.
pub const MANIFEST: &str = "manifest.json";

/// The name of the signature of the manifest, as `minisign` calls it.
pub const SIGNATURE: &str = "manifest.json.minisig";

#[cfg(test)]
pub(crate) use disk::{Op, fixture::FailureMode, fixture::Fault};
