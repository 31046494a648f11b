//! By the standard library's hash map, for builds without polars.
#![allow(clippy::unnecessary_wraps, reason = "the signatures of the other implementation, which can fail")]

use crate::Result;
use std::collections::{HashMap, HashSet};

/// The first row, from 0, whose key stands in an earlier row already. Missing keys are no duplicates.
pub(in super::super) fn first_duplicate(ids: &[Option<&str>]) -> Result<Option<usize>> {
    let mut seen = HashSet::with_capacity(ids.len());
    Ok(ids.iter().position(|id| id.is_some_and(|id| !seen.insert(id))))
}

/// For each key on the left the row on the right that has it. Keys on the right are unique; missing keys match none.
pub(in super::super) fn left_join(left: &[Option<&str>], right: &[Option<&str>]) -> Result<Vec<Option<usize>>> {
    let rows: HashMap<&str, usize> = right.iter().enumerate().filter_map(|(row, id)| Some(((*id)?, row))).collect();
    Ok(left.iter().map(|id| rows.get((*id)?).copied()).collect())
}
