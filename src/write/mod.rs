//! Writes snapshots, for `generate` and `import`; and Parquet as the crate lays it out, with checksums of pages.

pub(crate) mod sealed;
pub(crate) mod tables;
