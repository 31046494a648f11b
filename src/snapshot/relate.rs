//! The relational work on the small tables: duplicate keys and joins, by polars.

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
pub(super) fn first_duplicate(ids: &[Option<&str>]) -> Result<Option<usize>> {
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
pub(super) fn left_join(left: &[Option<&str>], right: &[Option<&str>]) -> Result<Vec<Option<usize>>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_and_joins() {
        for (ids, expected) in [
            (vec![], None),
            (vec![Some("a"), Some("b")], None),
            (vec![None, Some("a"), None], None),
            (vec![Some("a"), Some("b"), Some("b"), Some("a")], Some(2)),
        ] {
            assert_eq!(first_duplicate(&ids).unwrap(), expected, "{ids:?}");
        }
        let left = [Some("c"), None, Some("a"), Some("x"), Some("a")];
        let right = [Some("a"), None, Some("b"), Some("c")];
        assert_eq!(left_join(&left, &right).unwrap(), [Some(3), None, Some(0), None, Some(0)]);
        assert_eq!(left_join(&left, &[]).unwrap(), [None; 5]);
        assert_eq!(left_join(&[], &right).unwrap(), []);
    }
}
