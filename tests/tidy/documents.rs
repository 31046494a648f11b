//! Documents against the code.
