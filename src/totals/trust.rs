//! How far the figures of the rules are to be trusted, and how much of a book's margin rests on assumed ones.

use super::charges::Charges;
use super::counts::share;
use super::spread::Spread;
use crate::figures::Totals;
use crate::rules::rests::{all_borrowing_rests_on, assumed_behind, assumed_of_borrowing, rests_on};
use crate::rules::{FigureCounts, LoadedRules};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the rules of a run rest on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Trust {
    /// Figures of the rules by their marks.
    pub figures: FigureCounts,
    /// The newest built-in set that is in force at the valuation time, if it is younger than the rules.
    pub newer: Option<String>,
    /// The part of MMR that rests on an assumed figure, USD: of each risk unit the components with such a figure behind
    /// them, and borrowing if a figure of it is assumed.
    pub mmr_on_assumed: f64,
    /// Its share of MMR; null where that is zero.
    pub mmr_on_assumed_share: Option<f64>,
    /// The assumed figures that MMR rests on, the one with most MMR first. A component may rest on several of them, so
    /// that these parts add up to more than the whole.
    #[serde(default)]
    pub assumed: Vec<AssumedFigure>,
}

/// How much of MMR rests on one assumed figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AssumedFigure {
    /// Its dotted key.
    pub key: String,
    /// The components that it is behind, USD; of tiers of borrowing all of the borrowing.
    pub mmr: f64,
}

/// Of a whole run.
pub(super) fn trust(
    rules: &LoadedRules,
    as_of_ns: i64,
    unit_names: &[String],
    spread: &Spread,
    totals: &Totals,
) -> Trust {
    let mut assumed = 0.0;
    let mut by_key: BTreeMap<String, f64> = BTreeMap::new();
    for (unit, name) in unit_names.iter().enumerate() {
        let base = name.split('-').next().unwrap_or_default();
        let classes = (rules.rules.mr1_classes.of(base), rules.rules.mr467_classes.of(base));
        let (all, with_options) = spread.charges_of(unit);
        for (charges, has_options) in [(with_options, true), (less(all, with_options), false)] {
            let rests = rests_on(rules, classes.0, classes.1, has_options);
            let keys = assumed_behind(rules, classes.0, classes.1, has_options);
            for ((charge, rests), keys) in terms(charges).into_iter().zip(rests).zip(keys) {
                if rests.assumed && charge != 0.0 {
                    assumed += charge;
                    for key in keys {
                        *by_key.entry(key).or_default() += charge;
                    }
                }
            }
        }
    }
    if all_borrowing_rests_on(rules).assumed {
        assumed += totals.borrow_mmr;
        if totals.borrow_mmr != 0.0 {
            by_key.extend(assumed_of_borrowing(rules).map(|key| (key.to_owned(), totals.borrow_mmr)));
        }
    }
    let mut figures: Vec<AssumedFigure> = by_key.into_iter().map(|(key, mmr)| AssumedFigure { key, mmr }).collect();
    figures.sort_by(|a, b| b.mmr.total_cmp(&a.mmr));
    Trust {
        figures: rules.figures(),
        newer: rules.newer(as_of_ns).map(|set| set.name.to_owned()),
        mmr_on_assumed: assumed,
        mmr_on_assumed_share: share(assumed, totals.mmr),
        assumed: figures,
    }
}

/// In the order of the components.
fn terms(charges: Charges) -> [f64; 8] {
    let Charges { mr1, mr2, mr3, mr4, mr5, mr6, mr7, mr9 } = charges;
    [mr1, mr2, mr3, mr4, mr5, mr6, mr7, mr9]
}

fn less(all: Charges, part: Charges) -> Charges {
    let [a, b] = [all, part].map(terms);
    let rest = |term: usize| a[term] - b[term];
    Charges {
        mr1: rest(0),
        mr2: rest(1),
        mr3: rest(2),
        mr4: rest(3),
        mr5: rest(4),
        mr6: rest(5),
        mr7: rest(6),
        mr9: rest(7),
    }
}
