//! The built-in rules are the ones that were reviewed: a figure that changes is a decision, not an accident.

use remargin::rules::{BUILT_IN_NAME, load};

/// Of all keys and values; `remargin rules show` prints it. Who changes a figure on purpose gives the set a new name
/// and date, and this hash. `mr4.perpetual_like` came later and left the name: it changes no figure of the set, and
/// no contract that there was on its date.
const HASH: &str = "6f94460dd2e771235662aa1bf8322f74e972fd5c490824e72c4ddf8499155faf";

#[test]
fn the_built_in_rules_are_those_of_their_date() {
    let rules = load(None, &[]).unwrap();
    assert_eq!((rules.rules.name.as_str(), rules.hash.as_str()), (BUILT_IN_NAME, HASH));
}
