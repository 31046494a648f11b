//! The relational work on the small tables: duplicate keys and joins. Two implementations of the same functions, since
//! a library that lives inside another program, such as the Python wheel, should not bring polars with it.

#[cfg(feature = "polars")]
mod framed;
#[cfg(any(test, not(feature = "polars")))]
mod hashed;

#[cfg(feature = "polars")]
pub(super) use framed::{first_duplicate, left_join};
#[cfg(not(feature = "polars"))]
pub(super) use hashed::{first_duplicate, left_join};

#[cfg(test)]
mod tests {
    use super::{first_duplicate, hashed, left_join};
    use proptest::prelude::*;

    type Keys<'a> = Vec<Option<&'a str>>;

    #[test]
    fn duplicates_and_joins() {
        for (ids, expected) in [
            (vec![], None),
            (vec![Some("a"), Some("b")], None),
            (vec![None, Some("a"), None], None),
            (vec![Some("a"), Some("b"), Some("b"), Some("a")], Some(2)),
        ] {
            assert_eq!(first_duplicate(&ids).unwrap(), expected, "{ids:?}");
            assert_eq!(hashed::first_duplicate(&ids).unwrap(), expected, "{ids:?}");
        }
        let left = [Some("c"), None, Some("a"), Some("x"), Some("a")];
        let right = [Some("a"), None, Some("b"), Some("c")];
        for join in [left_join, hashed::left_join] {
            assert_eq!(join(&left, &right).unwrap(), [Some(3), None, Some(0), None, Some(0)]);
            assert_eq!(join(&left, &[]).unwrap(), [None; 5]);
            assert_eq!(join(&[], &right).unwrap(), []);
        }
    }

    proptest! {
        #[test]
        fn both_agree(
            left in prop::collection::vec(prop::option::of("[a-f]{0,2}"), 0..40),
            right in prop::collection::btree_set("[a-f]{0,2}", 0..30),
            gaps in 0usize..3,
        ) {
            let left: Keys = left.iter().map(Option::as_deref).collect();
            let mut right: Keys = right.iter().map(|id| Some(id.as_str())).collect();
            right.extend(std::iter::repeat_n(None, gaps));
            prop_assert_eq!(first_duplicate(&left).unwrap(), hashed::first_duplicate(&left).unwrap());
            prop_assert_eq!(left_join(&left, &right).unwrap(), hashed::left_join(&left, &right).unwrap());
        }
    }
}
