//! What the components of a margin rest on: the marks of the figures behind them.

use super::LoadedRules;
use super::key::REST;
use crate::margin::rules::Class;

/// Components in the order of [`rests_on`]: MR1 to MR7 and MR9.
pub const COMPONENTS: [&str; 8] = ["mr1", "mr2", "mr3", "mr4", "mr5", "mr6", "mr7", "mr9"];

/// The figures behind each component; `{1}` is the class for MR1, `{4}` the one for MR4, MR6 and MR7. Those behind the
/// second bar count for units with options only. Switches and lists of classes are no figures.
const FIGURES: [(&[&str], &[&str]); 8] = [
    (&["mr1.price.{1}"], OF_OPTIONS),
    (&["mr2.days"], &["rate"]),
    (&["mr3.offset_charge"], OF_OPTIONS),
    (&["mr4.annualized.{4}", "mr4.floor.{4}"], &[]),
    (&["mr5.rate_shift"], &["rate"]),
    (&["mr6.price.{4}", "mr6.charge"], &["rate", "forward_floor"]),
    (&["mr7.delta_one.{4}", "mr7.tiers.{4}"], &["mr7.option.{4}", "mr7.option_premium_cap"]),
    (&["mr9.tiers"], &[]),
];
const OF_OPTIONS: &[&str] =
    &["mr1.vol_floor", "mr1.vol_days", "mr1.vol_points", "mr1.vol_relative", "rate", "forward_floor"];

/// Which marks the figures of something have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestsOn {
    /// A figure is published, in parts at least.
    pub published: bool,
    /// A figure is measured.
    pub measured: bool,
    /// A figure is assumed.
    pub assumed: bool,
    /// A figure is the user's own, without a mark.
    pub own: bool,
}

impl RestsOn {
    /// In words, the least certain first.
    #[must_use]
    pub fn words(&self) -> String {
        let all =
            [(self.assumed, "assumed"), (self.own, "own"), (self.measured, "measured"), (self.published, "published")];
        all.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect::<Vec<_>>().join(", ")
    }

    fn of<'a>(loaded: &LoadedRules, keys: impl Iterator<Item = &'a str>) -> Self {
        let mut rests = Self::default();
        for key in keys {
            let Some(value) = loaded.values.iter().find(|value| value.key == key) else { continue };
            match &value.mark {
                None => rests.own = true,
                Some(mark) => {
                    rests.published |= mark.mark.contains('P');
                    rests.measured |= mark.mark.contains('M');
                    rests.assumed |= mark.is_assumed();
                }
            }
        }
        rests
    }
}

/// What each of [`COMPONENTS`] rests on, in a unit of these classes for MR1 and for MR4, MR6 and MR7.
#[must_use]
pub fn rests_on(loaded: &LoadedRules, class_mr1: Class, class_mr467: Class, has_options: bool) -> [RestsOn; 8] {
    keys_behind(class_mr1, class_mr467, has_options).map(|keys| RestsOn::of(loaded, keys.iter().map(String::as_str)))
}

/// The assumed figures behind each of [`COMPONENTS`], in such a unit.
#[must_use]
pub fn assumed_behind(
    loaded: &LoadedRules,
    class_mr1: Class,
    class_mr467: Class,
    has_options: bool,
) -> [Vec<String>; 8] {
    keys_behind(class_mr1, class_mr467, has_options).map(|mut keys| {
        keys.retain(|key| RestsOn::of(loaded, std::iter::once(key.as_str())).assumed);
        keys
    })
}

fn keys_behind(class_mr1: Class, class_mr467: Class, has_options: bool) -> [Vec<String>; 8] {
    FIGURES.map(|(always, of_options)| {
        let keys = always.iter().chain(of_options.iter().filter(|_| has_options));
        keys.map(|key| key.replace("{1}", class_mr1.name()).replace("{4}", class_mr467.name())).collect()
    })
}

/// What the borrowing margin of a currency rests on.
#[must_use]
pub fn borrowing_rests_on(loaded: &LoadedRules, ccy: &str) -> RestsOn {
    let ccy = if loaded.rules.mr8.tiers.lists(ccy) { ccy } else { REST };
    let key = format!("mr8.tiers.{}", super::key::dotted(&[ccy.to_owned()]));
    RestsOn::of(loaded, std::iter::once(key.as_str()))
}

/// What borrowing rests on over all currencies.
#[must_use]
pub fn all_borrowing_rests_on(loaded: &LoadedRules) -> RestsOn {
    RestsOn::of(loaded, of_borrowing(loaded))
}

/// The assumed figures behind borrowing, over all currencies.
pub fn assumed_of_borrowing(loaded: &LoadedRules) -> impl Iterator<Item = &str> {
    of_borrowing(loaded).filter(|key| RestsOn::of(loaded, std::iter::once(*key)).assumed)
}

fn of_borrowing(loaded: &LoadedRules) -> impl Iterator<Item = &str> {
    loaded.values.iter().map(|value| value.key.as_str()).filter(|key| key.starts_with("mr8.tiers."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_rest_on_the_figures_of_their_class() {
        let loaded = crate::rules::load(None, &["mr6.charge=0.6".to_owned()]).unwrap();
        let words = |class, options| rests_on(&loaded, class, class, options).map(|rests| rests.words());
        let [mr1, _, mr3, mr4, .., mr6, mr7, mr9] = words(Class::Major, false);
        assert_eq!([mr1, mr3, mr4], ["published", "assumed", "published"].map(String::from));
        assert_eq!([mr6, mr7, mr9], ["own, published", "published", "assumed, published"].map(String::from));
        let [mr1, .., mr7, _] = words(Class::Other, true);
        assert_eq!([mr1, mr7], ["assumed, published", "assumed"].map(String::from));
        assert_eq!(borrowing_rests_on(&loaded, "SOL").words(), "assumed");
        assert_eq!(borrowing_rests_on(&loaded, "USDT").words(), "assumed, published");
    }

    /// A figure that is renamed would silently rest on nothing.
    #[test]
    fn every_figure_is_a_key() {
        let loaded = crate::rules::load(None, &[]).unwrap();
        for (always, of_options) in FIGURES {
            for key in always.iter().chain(of_options) {
                let key = key.replace("{1}", "major").replace("{4}", "major");
                assert!(loaded.values.iter().any(|value| value.key == key), "{key}");
            }
        }
    }
}
