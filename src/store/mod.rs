//! Object stores: `s3://`, `gs://`, `az://` and, to read only, `https://`. The only module with a network, and it has
//! one only if the feature `cloud` is built in. Without it a URL is refused.
//!
//! ```text
//! Location (what a URL says) --> service (one client for each bucket) --> objects (list, head, get, put, delete)
//!                                                                     --> remote  (one object, read in blocks ahead)
//!                                                                     --> upload  (files; in parts as they grow)
//! ```
//!
//! Everything here blocks its caller; the requests run on two threads of their own. Credentials come from the
//! environment, as the library `object_store` reads them, and are in no message: what a server answers is shown without
//! the queries of URLs.

// What comes from outside must end in an error, not in a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(feature = "cloud")]
mod ahead;
#[cfg(all(test, feature = "cloud"))]
pub(crate) mod fault;
mod location;
#[cfg(feature = "cloud")]
mod objects;
#[cfg(feature = "cloud")]
mod remote;
#[cfg(all(test, feature = "cloud"))]
mod remote_tests;
#[cfg(feature = "cloud")]
mod sending;
#[cfg(feature = "cloud")]
mod service;
#[cfg(feature = "cloud")]
mod spool;
#[cfg(feature = "cloud")]
mod upload;

#[cfg(feature = "cloud")]
pub(crate) use ahead::Ahead;
pub(crate) use location::Location;
pub use location::{check, is_url};
#[cfg(feature = "cloud")]
pub(crate) use objects::{Condition, Entry, Meta, Put, delete, download, get, head, is_folder, list, put};
#[cfg(feature = "cloud")]
pub(crate) use remote::Remote;
#[cfg(feature = "cloud")]
pub use service::stop_when;
#[cfg(feature = "cloud")]
pub(crate) use upload::upload;

use crate::Error;
#[cfg(feature = "cloud")]
use std::io;
use std::path::Path;

/// Bytes that reading from a store takes beside everything else, whatever the size of the objects: blocks on their way
/// and buffers of connections. Writing to one while a command works takes as many. An estimate, on the safe side of
/// what was seen.
#[cfg(feature = "cloud")]
pub(crate) const BYTES: u64 = 48 << 20;

/// True if the program was built with a network.
pub const IS_BUILT_IN: bool = cfg!(feature = "cloud");

/// The error of a URL in a program without a network.
pub(crate) fn not_built_in(url: &Path) -> Error {
    let shown = location::shown(url);
    Error::Usage(format!("`{shown}` is a URL, and this program is built without the feature `cloud`"))
        .hint("copy the files to a folder, or build it with `cargo build --release --features cloud`")
}

/// An error of a store as one of the library; an interruption stays what it is.
#[cfg(feature = "cloud")]
pub(crate) fn failed(action: &'static str, url: &Path, error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(inner) => inner,
        Err(error) => Error::io(action, url, error),
    }
}
