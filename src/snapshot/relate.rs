//! The relational work on the small tables: duplicate keys and joins, by hash map.

use std::collections::{HashMap, HashSet};

/// The first row, from 0, whose key stands in an earlier row already. Missing keys are no duplicates.
pub(crate) fn first_duplicate(ids: &[Option<&str>]) -> Option<usize> {
    let mut seen = HashSet::with_capacity(ids.len());
    ids.iter().position(|id| id.is_some_and(|id| !seen.insert(id)))
}

/// For each key on the left the row on the right that has it. Keys on the right are unique; missing keys match none.
pub(crate) fn left_join(left: &[Option<&str>], right: &[Option<&str>]) -> Vec<Option<usize>> {
    let rows: HashMap<&str, usize> = right.iter().enumerate().filter_map(|(row, id)| Some(((*id)?, row))).collect();
    left.iter().map(|id| rows.get((*id)?).copied()).collect()
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
            assert_eq!(first_duplicate(&ids), expected, "{ids:?}");
        }
        let left = [Some("c"), None, Some("a"), Some("x"), Some("a")];
        let right = [Some("a"), None, Some("b"), Some("c")];
        assert_eq!(left_join(&left, &right), [Some(3), None, Some(0), None, Some(0)]);
        assert_eq!(left_join(&left, &[]), [None; 5]);
        assert_eq!(left_join(&[], &right), []);
    }
}
