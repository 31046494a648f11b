//! Checksums of Parquet pages: written and checked.
//!
//! The format has a field for the CRC-32 of each page (`PageHeader.crc`, the polynomial of gzip, over the page as in
//! the file, without its header). The parquet crate writes no checksums, so [`seal`] adds them to finished column
//! chunks. [`header`] reads page headers with limits, before anything is allocated for the page.

// Bad input must cause an error, not a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub(crate) mod header;
pub(crate) mod seal;
pub(crate) mod thrift;
