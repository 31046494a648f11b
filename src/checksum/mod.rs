//! Checksums of Parquet pages, written and looked for.
//!
//! The format has a place for the CRC-32 of each page (`PageHeader.crc`, the polynomial of gzip, over the page as it
//! stands in the file, its header excluded). The library behind us writes none, so [`seal`] adds them to finished
//! column chunks; [`header`] reads what stands in front of a page, with bounds, before anything is allocated for it.

// What comes from outside must end in an error, not in a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub(crate) mod header;
pub(crate) mod seal;
pub(crate) mod thrift;
