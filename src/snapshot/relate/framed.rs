//! By polars, whose joins run on all cores.

use crate::{Error, Result};
use polars::prelude::*;
use std::collections::HashSet;

fn failed(error: &PolarsError) -> Error {
    Error::Runtime(format!("a join of the snapshot's tables failed: {error}"))
}

fn frame(ids: &[Option<&str>], rows: PlSmallStr) -> PolarsResult<DataFrame> {
    let numbers: Vec<u32> = (0..ids.len() as u32).collect();
    DataFrame::new(ids.len(), vec![Column::new("id".into(), ids), Column::new(rows, numbers)])
}

/// The first row, from 0, whose key stands in an earlier row already. Missing keys are no duplicates.
pub(in super::super) fn first_duplicate(ids: &[Option<&str>]) -> Result<Option<usize>> {
    let search = || {
        let keys = frame(ids, "row".into())?.select(["id"])?;
        let repeated = keys.is_duplicated()?;
        let mut seen = HashSet::new();
        let candidates = repeated.iter().enumerate().filter(|(_, repeated)| *repeated == Some(true));
        Ok(candidates
            .filter_map(|(row, _)| Some((row, ids.get(row).copied().flatten()?)))
            .find(|(_, id)| !seen.insert(*id))
            .map(|(row, _)| row))
    };
    search().map_err(|error: PolarsError| failed(&error))
}

/// For each key on the left the row on the right that has it. Keys on the right are unique; missing keys match none.
pub(in super::super) fn left_join(left: &[Option<&str>], right: &[Option<&str>]) -> Result<Vec<Option<usize>>> {
    let join = || {
        let joined = frame(left, "left".into())?.left_join(&frame(right, "right".into())?, ["id"], ["id"])?;
        let mut matches = vec![None; left.len()];
        for (row, found) in joined.column("left")?.u32()?.iter().zip(joined.column("right")?.u32()?.iter()) {
            if let Some(slot) = row.and_then(|row| matches.get_mut(row as usize)) {
                *slot = found.map(|found| found as usize);
            }
        }
        Ok(matches)
    };
    join().map_err(|error: PolarsError| failed(&error))
}
