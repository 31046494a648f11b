//! The first rows in an order, without sorting the others.

use std::cmp::Ordering;

/// Leaves the `most` rows that come first in `order`, the last of them at the end, the others in no order. True if any
/// went. Which rows stay does not depend on their order before if `order` holds no two for equal.
pub(crate) fn keep_first<T>(rows: &mut Vec<T>, most: usize, order: impl FnMut(&T, &T) -> Ordering) -> bool {
    if rows.len() <= most {
        return false;
    }
    if most > 0 {
        rows.select_nth_unstable_by(most - 1, order);
    }
    rows.truncate(most);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stay() {
        for most in 0..6 {
            let mut rows = vec![4, 1, 5, 2, 3];
            assert_eq!(keep_first(&mut rows, most, Ord::cmp), most < 5, "{most}");
            assert!(most >= 5 || rows.last() == (1..=most).next_back().as_ref(), "{rows:?}");
            rows.sort_unstable();
            assert_eq!(rows, (1..=most.min(5)).collect::<Vec<_>>());
        }
    }
}
