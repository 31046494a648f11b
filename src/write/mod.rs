//! Writes snapshots, for `generate` and `import`.

mod sealed;
pub(crate) mod tables;
