//! How snapshots are written: by `generate` and `import`.

pub(crate) mod folder;
mod sealed;
pub(crate) mod tables;
