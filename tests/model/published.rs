//! The built-in rules are the ones that were reviewed: a figure that changes is a decision, not an accident.

use remargin::rules::{BUILT_IN_NAME, load};

/// Of all keys and values; `remargin rules show` prints it. Who changes a figure on purpose gives the set a new name
/// and date, and this hash.
const HASH: &str = "d68ab544b372a290f12ba7bd5d5efcac751c01b36a9f611f4b8fc43202755a09";

#[test]
fn the_built_in_rules_are_those_of_their_date() {
    let rules = load(None, &[]).unwrap();
    assert_eq!((rules.rules.name.as_str(), rules.hash.as_str()), (BUILT_IN_NAME, HASH));
}
