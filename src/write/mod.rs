//! How snapshots are written: by `generate` and `import`.

mod sealed;
pub(crate) mod tables;
