//! Which class a group of coins is: the one that the set gives to most of them.

use super::found::{Found, Parameter, Status};
use super::world::World;
use crate::margin::rules::Class;
use std::collections::{BTreeMap, BTreeSet};

/// Gives each group of coins that have the same figures a class, and the lists of classes to `found`. `None` where
/// there are more groups than classes.
pub(super) fn assign(
    world: &World,
    name: &str,
    groups: &[BTreeSet<String>],
    answers: &BTreeSet<String>,
    found: &mut Found,
) -> Option<Vec<Class>> {
    let key = |class: Class| format!("classes.{name}.{}", class.name());
    if groups.len() > Class::ALL.len() {
        let firsts: Vec<String> = groups.iter().filter_map(|coins| coins.first().cloned()).collect();
        let note = format!("{} groups of coins with different figures, such as {}", groups.len(), firsts.join(", "));
        for class in Class::ALL {
            found.put(Parameter::new(key(class), Status::Contradiction).from(answers).note(note.clone()));
        }
        return None;
    }
    let known = if name == "mr1" { &world.base.rules.mr1_classes } else { &world.base.rules.mr467_classes };
    let labels = best(groups, |coin| known.of(coin));
    let mut lists: BTreeMap<Class, BTreeSet<String>> = BTreeMap::new();
    let measured: BTreeSet<&String> = groups.iter().flatten().collect();
    for (coin, class) in known.listed.iter().filter(|(coin, _)| !measured.contains(coin)) {
        lists.entry(*class).or_default().insert(coin.clone());
    }
    // The class of all others is the one that most coins without a place in the set have.
    let others = |coins: &BTreeSet<String>| {
        coins.iter().filter(|coin| !known.listed.iter().any(|(listed, _)| listed == *coin)).count()
    };
    let most = groups.iter().zip(&labels).max_by_key(|(coins, _)| others(coins));
    let rest = most.filter(|(coins, _)| others(coins) > 0).map_or(known.rest, |(_, class)| *class);
    for (coins, class) in groups.iter().zip(&labels) {
        let listed = |coin: &&String| *class != rest || known.listed.iter().any(|(name, _)| name == *coin);
        lists.entry(*class).or_default().extend(coins.iter().filter(listed).cloned());
    }
    lists.entry(rest).or_default().insert("*".to_owned());
    for class in Class::ALL {
        let coins = lists.remove(&class).unwrap_or_default();
        let texts: Vec<String> = coins.iter().map(|coin| format!("{coin:?}")).collect();
        let has_measured = coins.iter().any(|coin| measured.contains(coin));
        let of_set = known.listed.iter().filter(|(_, of)| *of == class).map(|(coin, _)| coin.clone());
        let of_set: BTreeSet<String> = of_set.chain((known.rest == class).then(|| "*".to_owned())).collect();
        // What no answer touches keeps the mark that it has in the set.
        if !has_measured && coins == of_set {
            found.put(Parameter::new(key(class), Status::Undetermined).note("no answer holds a coin of it"));
            continue;
        }
        let note = "coins that no answer holds are as in the set";
        found.put(Parameter::measured(key(class), format!("[{}]", texts.join(", ")), answers).note(note));
    }
    Some(labels)
}

/// The classes, each once, under which most coins keep the class of the set.
fn best(groups: &[BTreeSet<String>], class_of: impl Fn(&str) -> Class) -> Vec<Class> {
    let votes = |coins: &BTreeSet<String>, class: Class| coins.iter().filter(|coin| class_of(coin) == class).count();
    let mut best: (usize, Vec<Class>) = (0, Class::ALL.iter().copied().take(groups.len()).collect());
    for order in orders() {
        let labels: Vec<Class> = order.into_iter().take(groups.len()).collect();
        let sum = groups.iter().zip(&labels).map(|(coins, class)| votes(coins, *class)).sum();
        if sum > best.0 {
            best = (sum, labels);
        }
    }
    best.1
}

fn orders() -> [[Class; 3]; 6] {
    let [a, b, c] = Class::ALL;
    [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]]
}
