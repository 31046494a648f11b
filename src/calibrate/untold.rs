//! What the answers do not determine, with the probe that would.

use super::found::{Parameter, Status};
use crate::listing::Listing;
use crate::rules::LoadedRules;
use std::collections::BTreeMap;

/// Keys that no answer of the position builder can tell.
const NEVER: [(&str, &str); 9] = [
    ("effective_from", "a date of the set"),
    ("min_net_equity", "no answer shows eligibility"),
    ("default_spot_offset", "a setting of the account"),
    ("forward_floor", "no price move of the exchange falls so far"),
    ("status.liquidation", "no answer shows a status"),
    ("status.near", "no answer shows a status"),
    ("status.warning", "no answer shows a status"),
    ("mr9.prices", "answers show the rates at the price of today alone"),
    ("orders.deduct_loss", "the position builder knows no orders"),
];

/// Probes that are named for a parameter.
const SHOWN: usize = 3;

/// Adds every key of the set that has no word yet, and names probes for what is not measured.
pub(super) fn complete(
    base: &LoadedRules,
    listing: &Listing,
    missing: &[String],
    parameters: &mut BTreeMap<String, Parameter>,
) {
    for value in base.values.iter().filter(|value| value.key != "name") {
        parameters.entry(value.key.clone()).or_insert_with(|| Parameter::new(&value.key, Status::Undetermined));
    }
    for parameter in parameters.values_mut().filter(|parameter| parameter.status != Status::Measured) {
        if let Some((_, why)) = NEVER.iter().find(|(key, _)| *key == parameter.key) {
            parameter.note = (*why).to_owned();
            continue;
        }
        let tells = |tell: &String| {
            *tell == parameter.key
                || parameter.key.strip_prefix(tell.as_str()).is_some_and(|rest| rest.starts_with('.'))
        };
        let of_key = || listing.probes.iter().filter(|probe| probe.tells.iter().any(tells));
        let absent: Vec<String> =
            of_key().map(|probe| probe.file.clone()).filter(|file| missing.contains(file)).take(SHOWN).collect();
        if parameter.note.is_empty() {
            parameter.note = match (listing.probes.is_empty(), of_key().next().is_some(), absent.is_empty()) {
                (true, ..) => "no answer tells it; `remargin probe` has the portfolios that do".to_owned(),
                (_, false, _) => "no probe of these contracts tells it".to_owned(),
                (.., true) => "all its probes are answered, and the answers leave it open".to_owned(),
                (.., false) => "its probes have no answer".to_owned(),
            };
        }
        parameter.probes = absent;
    }
}

/// In the order of the set; what it does not have comes last.
pub(super) fn in_order(base: &LoadedRules, mut parameters: BTreeMap<String, Parameter>) -> Vec<Parameter> {
    let known: Vec<Parameter> = base.values.iter().filter_map(|value| parameters.remove(&value.key)).collect();
    known.into_iter().chain(parameters.into_values()).collect()
}
