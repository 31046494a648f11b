//! Scenarios in words: grids of moves, single scenarios, named historical sets.

use crate::market::Market;
use crate::market::scenario::{EVERY_COIN, Scenario, Shock};
use crate::{Error, Result, scenarios};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use std::fmt::{self, Display};
use std::str::FromStr;

/// Most scenarios that grids may make together.
pub const MOST_GRID_POINTS: usize = 1_000_000;

/// What one axis of a grid, or one word of a scenario, moves.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Lever {
    /// The price of a coin, or of every coin.
    Price(String),
    /// The volatility of options on a coin, or on every coin.
    Vol(String),
    /// A stablecoin against USD.
    Fx(String),
    /// Days that pass.
    Days,
}

impl Lever {
    /// `BTC`, `*`, `USDT`, `vol`, `vol:BTC`, `days`.
    fn parse(text: &str) -> Result<Self> {
        let word = text.strip_prefix("vol:").unwrap_or(text);
        let sound = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if word.is_empty() || (word != EVERY_COIN && !word.chars().all(sound)) {
            return Err(usage(text, "a currency, `*`, `vol`, `vol:CURRENCY` or `days`"));
        }
        Ok(match text {
            "days" => Self::Days,
            "vol" => Self::Vol(EVERY_COIN.to_owned()),
            "USDT" | "USDC" => Self::Fx(text.to_owned()),
            _ if text.len() > word.len() => Self::Vol(word.to_owned()),
            _ => Self::Price(text.to_owned()),
        })
    }

    /// Sets the lever in a scenario.
    fn set(&self, scenario: &mut Scenario, amount: f64) -> Result<()> {
        let twice = || usage(&scenario.name, "each move once");
        match self {
            Self::Days if scenario.days == 0.0 => scenario.days = amount,
            Self::Days => return Err(twice()),
            Self::Fx(ccy) if scenario.fx.iter().any(|(other, _)| other == ccy) => return Err(twice()),
            Self::Fx(ccy) => scenario.fx.push((ccy.clone(), amount)),
            Self::Price(base) | Self::Vol(base) => {
                let place = scenario.shocks.iter().position(|shock| shock.base == *base);
                let mut shock = match place {
                    Some(place) => scenario.shocks.remove(place),
                    None => Shock { base: base.clone(), price: None, vol: None },
                };
                let field = if matches!(self, Self::Vol(_)) { &mut shock.vol } else { &mut shock.price };
                if field.replace(amount).is_some() {
                    return Err(usage(&scenario.name, "each move once"));
                }
                scenario.shocks.push(shock);
            }
        }
        Ok(())
    }
}

fn usage(text: &str, expected: &str) -> Error {
    Error::Usage(format!("cannot read the scenario `{text}`\n  expected: {expected}"))
}

/// An amount as written: `-30%`, `+0.5%`, or a plain number of days.
fn amount(lever: &Lever, text: &str) -> Result<Decimal> {
    let (digits, expected) = match lever {
        Lever::Days => (Some(text), "a number of days, such as `days 1`"),
        _ => (text.strip_suffix('%'), "a relative move in per cent, such as `-30%`"),
    };
    let number = digits.and_then(|digits| Decimal::from_str(digits.strip_prefix('+').unwrap_or(digits)).ok());
    number.ok_or_else(|| usage(text, expected))
}

fn value(lever: &Lever, amount: Decimal) -> Result<f64> {
    let scaled = if *lever == Lever::Days { amount } else { amount / Decimal::ONE_HUNDRED };
    scaled.to_f64().ok_or_else(|| usage(&amount.to_string(), "a number"))
}

fn written(lever: &Lever, amount: Decimal) -> String {
    let amount = amount.normalize();
    match lever {
        Lever::Days => format!("days {amount}"),
        Lever::Vol(base) if base == EVERY_COIN => format!("vol {amount:+}%"),
        Lever::Vol(base) => format!("vol:{base} {amount:+}%"),
        Lever::Price(name) | Lever::Fx(name) => format!("{name} {amount:+}%"),
    }
}

/// One axis of a grid: `BTC=-50%..50%/10%`, `*=-30%..0%/5%`, `vol=0%..100%/50%`, `USDT=-5%..0%/1%`, `days=0..7/1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    lever: Lever,
    points: Vec<Decimal>,
}

impl FromStr for Axis {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let expected = "`NAME=FROM..TO/STEP` with TO at or above FROM and STEP above zero, as in `BTC=-50%..50%/10%`";
        let (name, range) = text.split_once('=').ok_or_else(|| usage(text, expected))?;
        let lever = Lever::parse(name.trim())?;
        let amount = |text: &str| amount(&lever, text.trim());
        let points = match range.split_once("..") {
            None => vec![amount(range)?],
            Some((from, rest)) => {
                let (to, step) = rest.split_once('/').ok_or_else(|| usage(text, expected))?;
                let (from, to, step) = (amount(from)?, amount(to)?, amount(step)?);
                if step <= Decimal::ZERO || to < from {
                    return Err(usage(text, expected));
                }
                points_between(from, to, step)
                    .ok_or_else(|| usage(text, &format!("at most {MOST_GRID_POINTS} points")))?
            }
        };
        Ok(Self { lever, points })
    }
}

/// The points of an axis; `None` if they are too many. What a decimal number cannot hold is too many as well.
fn points_between(from: Decimal, to: Decimal, step: Decimal) -> Option<Vec<Decimal>> {
    let steps = to.checked_sub(from)?.checked_div(step)?.floor().to_usize()?;
    if steps >= MOST_GRID_POINTS {
        return None;
    }
    (0..=steps).map(|point| from.checked_add(step.checked_mul(Decimal::from(point))?)).collect()
}

/// As it is read: points lie one step apart.
impl Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.lever == Lever::Days { "" } else { "%" };
        match &self.lever {
            Lever::Days => f.write_str("days=")?,
            Lever::Vol(base) if base == EVERY_COIN => f.write_str("vol=")?,
            Lever::Vol(base) => write!(f, "vol:{base}=")?,
            Lever::Price(name) | Lever::Fx(name) => write!(f, "{name}=")?,
        }
        match self.points.as_slice() {
            [first, second, .., last] => write!(f, "{first}{unit}..{last}{unit}/{}{unit}", second - first),
            [first, last] => write!(f, "{first}{unit}..{last}{unit}/{}{unit}", last - first),
            [only] => write!(f, "{only}{unit}"),
            [] => Ok(()),
        }
    }
}

/// Axes separated by commas.
///
/// # Errors
/// [`Error::Usage`] naming what cannot be read.
pub fn parse_axes(text: &str) -> Result<Vec<Axis>> {
    text.split(',').map(Axis::from_str).collect()
}

/// Every combination of the axes' points, the last axis fastest.
///
/// # Errors
/// [`Error::Usage`] if two axes move the same thing, or there are more than [`MOST_GRID_POINTS`].
pub fn grid(axes: &[Axis]) -> Result<Vec<Scenario>> {
    if axes.is_empty() {
        return Ok(Vec::new());
    }
    let total = axes.iter().try_fold(1usize, |total, axis| total.checked_mul(axis.points.len()));
    if total.is_none_or(|total| total > MOST_GRID_POINTS) {
        return Err(Error::Usage(format!("the grid has more than {MOST_GRID_POINTS} points")));
    }
    let mut scenarios = vec![Scenario::default()];
    for (place, axis) in axes.iter().enumerate() {
        if axes[..place].iter().any(|earlier| earlier.lever == axis.lever) {
            let name = written(&axis.lever, Decimal::ZERO);
            let name = name.split(' ').next().unwrap_or_default();
            return Err(usage(name, "each axis of a grid once"));
        }
        let mut wider = Vec::with_capacity(scenarios.len() * axis.points.len());
        for scenario in &scenarios {
            for &point in &axis.points {
                let mut scenario = scenario.clone();
                let gap = if scenario.name.is_empty() { "" } else { " " };
                scenario.name = format!("{}{gap}{}", scenario.name, written(&axis.lever, point));
                axis.lever.set(&mut scenario, value(&axis.lever, point)?)?;
                wider.push(scenario);
            }
        }
        scenarios = wider;
    }
    Ok(scenarios)
}

/// One scenario in words: `BTC=-30% ETH=-40% vol +50% days 1`, `depeg USDT=-5%`, `*=-20%`, with a name before a colon
/// if it should have another than its own text: `crash: *=-50% vol +100%`.
///
/// # Errors
/// [`Error::Usage`] naming what cannot be read.
pub fn parse_scenario(text: &str) -> Result<Scenario> {
    let (name, moves) = match text.split_once(": ") {
        Some((name, moves)) => (name.trim(), moves),
        None => (text.trim(), text),
    };
    if name.is_empty() {
        return Err(usage(text, "moves, such as `BTC=-30% vol +50%`"));
    }
    let mut scenario = Scenario { name: name.to_owned(), ..Scenario::default() };
    let mut words = moves.split([' ', ',']).filter(|word| !word.is_empty()).peekable();
    let mut depegs = false;
    let mut moved = false;
    while let Some(word) = words.next() {
        if word == "depeg" && !depegs {
            depegs = true;
            continue;
        }
        let expected = "`CURRENCY=-30%`, `vol +50%`, `vol:CURRENCY +50%`, `depeg USDT=-5%` or `days 1`";
        let no_move = || usage(text, &format!("{expected}; a name ends with a colon, as in `crash: BTC=-30%`"));
        let (lever, amount_text) = match word.split_once('=') {
            Some((lever, amount)) => (lever, amount),
            None => (word, words.next().filter(|amount| amount.contains(char::is_numeric)).ok_or_else(no_move)?),
        };
        let lever = match Lever::parse(lever)? {
            Lever::Price(ccy) if depegs => Lever::Fx(ccy),
            lever => lever,
        };
        depegs = false;
        lever.set(&mut scenario, value(&lever, amount(&lever, amount_text)?)?)?;
        moved = true;
    }
    if depegs || !moved {
        return Err(usage(text, "a move, such as `depeg USDT=-5%`"));
    }
    Ok(scenario)
}

/// A named set of scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Falls of the crypto market since 2020: `data/scenarios/crypto-historical.csv`.
    CryptoHistorical,
    /// Every day of BTC and ETH since 2017, out of the prices in `data/scenarios/crypto-daily.csv`.
    History1d,
}

/// The events of [`Preset::CryptoHistorical`].
const CRYPTO_HISTORICAL: &str = include_str!("../../data/scenarios/crypto-historical.csv");

impl Preset {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::CryptoHistorical, Self::History1d];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CryptoHistorical => "crypto-historical",
            Self::History1d => "history-1d",
        }
    }

    /// What it is, in a few words.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::CryptoHistorical => "days on which the crypto market fell, and a stablecoin lost its peg, since 2020",
            Self::History1d => "every day of BTC and ETH since 2017; other coins move as BTC",
        }
    }

    /// The names of its scenarios.
    ///
    /// # Errors
    /// As [`Preset::scenarios`].
    pub fn names(self) -> Result<Vec<String>> {
        Ok(self.all()?.into_iter().map(|scenario| scenario.name).collect())
    }

    /// Its scenarios, without the moves of currencies that the market lacks: those reach nobody.
    ///
    /// # Errors
    /// [`Error::Runtime`] or [`Error::Invalid`] if its table is damaged, which a test excludes.
    pub fn scenarios(self, market: &Market) -> Result<Vec<Scenario>> {
        let known = |ccy: &str| ccy == EVERY_COIN || market.currencies.iter().any(|currency| currency.name == ccy);
        let mut scenarios = self.all()?;
        for scenario in &mut scenarios {
            scenario.shocks.retain(|shock| known(&shock.base));
            scenario.fx.retain(|(ccy, _)| known(ccy));
        }
        Ok(scenarios)
    }

    fn all(self) -> Result<Vec<Scenario>> {
        match self {
            Self::CryptoHistorical => self.events(),
            Self::History1d => scenarios::history_1d(),
        }
    }

    /// The scenarios of [`CRYPTO_HISTORICAL`].
    fn events(self) -> Result<Vec<Scenario>> {
        let damaged = |what: String| Error::Runtime(format!("preset `{}`: {what}", self.name()));
        let mut scenarios: Vec<Scenario> = Vec::new();
        for record in csv::Reader::from_reader(CRYPTO_HISTORICAL.as_bytes()).into_records() {
            let record = record.map_err(|error| damaged(error.to_string()))?;
            let cell = |column: usize| record.get(column).filter(|cell| !cell.is_empty());
            let number = |column: usize| -> Result<Option<f64>> {
                let parse = |text: &str| text.parse().map_err(|_| damaged(format!("`{text}` is no number")));
                cell(column).map(parse).transpose()
            };
            let name = cell(0).unwrap_or_default();
            if scenarios.last().is_none_or(|last| last.name != name) {
                scenarios.push(Scenario { name: name.to_owned(), ..Scenario::default() });
            }
            let Some(scenario) = scenarios.last_mut() else { continue };
            if let Some(base) = cell(1) {
                scenario.shocks.push(Shock { base: base.to_owned(), price: number(2)?, vol: number(3)? });
            }
            if let (Some(ccy), Some(fx)) = (cell(4), number(5)?) {
                scenario.fx.push((ccy.to_owned(), fx));
            }
            scenario.days = number(6)?.unwrap_or(scenario.days);
        }
        Ok(scenarios)
    }
}

impl FromStr for Preset {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let names = Self::ALL.map(Self::name).join("` or `");
        let unknown = || Error::Usage(format!("no preset `{name}`\n  expected: `{names}`"));
        Self::ALL.into_iter().find(|preset| preset.name() == name).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::scenario::with_base;

    fn shock(base: &str, price: Option<f64>, vol: Option<f64>) -> Shock {
        Shock { base: base.into(), price, vol }
    }

    #[test]
    fn scenarios_in_words() {
        for (text, name, shocks, fx, days) in [
            ("BTC=-30%", "BTC=-30%", vec![shock("BTC", Some(-0.3), None)], vec![], 0.0),
            ("vol +50%", "vol +50%", vec![shock("*", None, Some(0.5))], vec![], 0.0),
            ("days 1", "days 1", vec![], vec![], 1.0),
            ("depeg USDT=-5%", "depeg USDT=-5%", vec![], vec![("USDT", -0.05)], 0.0),
            ("depeg DAI=-5%", "depeg DAI=-5%", vec![], vec![("DAI", -0.05)], 0.0),
            (
                "crash: *=-50%, BTC=-0.5% vol=100% vol:ETH 20% USDC=1% days 0.5",
                "crash",
                vec![
                    shock("BTC", Some(-0.005), None),
                    shock("*", Some(-0.5), Some(1.0)),
                    shock("ETH", None, Some(0.2)),
                ],
                vec![("USDC", 0.01)],
                0.5,
            ),
        ] {
            let fx = fx.into_iter().map(|(ccy, fx)| (ccy.to_owned(), fx)).collect();
            let expected = Scenario { name: name.into(), shocks, fx, days, weight: None };
            assert_eq!(parse_scenario(text).unwrap(), expected, "{text}");
        }
        for text in ["", "crash", "BTC", "BTC=30", "vol", "depeg", "BTC=-3% BTC=4%", "days x", "=5%", "a b=1%", "x: "] {
            assert_eq!(parse_scenario(text).unwrap_err().exit_code(), 2, "{text}");
        }
    }

    #[test]
    fn grids_are_products() {
        let names = |text: &str| -> Vec<String> {
            grid(&parse_axes(text).unwrap()).unwrap().into_iter().map(|scenario| scenario.name).collect()
        };
        assert_eq!(names("BTC=-50%..50%/10%").len(), 11);
        assert_eq!(names("BTC=-10%..10%/10%"), ["BTC -10%", "BTC +0%", "BTC +10%"]);
        assert_eq!(
            names("*=-1%..0%/0.5%,vol=0%..50%/50%"),
            [
                "* -1% vol +0%",
                "* -1% vol +50%",
                "* -0.5% vol +0%",
                "* -0.5% vol +50%",
                "* +0% vol +0%",
                "* +0% vol +50%"
            ]
        );
        let points = grid(&parse_axes("BTC=-50%..50%/0.1%").unwrap()).unwrap();
        assert_eq!(points[501].shocks[0].price, Some(0.001), "no rounding piles up along the axis");
        let (tiny, huge) = ("0.0000000000000000000000000001", "79228162514264337593543950335");
        for text in [
            format!("BTC=0%..50%/{tiny}%"),
            format!("BTC=-{huge}%..{huge}%/{huge}%"),
            format!("BTC=-{huge}%..{huge}%/1%"),
            format!("days=0..{huge}/{tiny}"),
            format!("BTC=0%..{huge}%/{huge}1%"),
        ] {
            assert_eq!(parse_axes(&text).unwrap_err().exit_code(), 2, "{text}");
        }
        let huge_axis: Axis = format!("BTC=0%..{huge}%/{huge}%").parse().unwrap();
        assert_eq!(huge_axis.to_string().parse::<Axis>().unwrap(), huge_axis);
        for text in ["BTC", "BTC=1%..0%/1%", "BTC=0%..1%/0%", "BTC=0%..1%", "BTC=0%..99%/0.00001%", "B C=1%", ""] {
            assert_eq!(parse_axes(text).unwrap_err().exit_code(), 2, "{text}");
        }
        for text in ["BTC=0%..1%/1%,BTC=0%..1%/1%", "BTC=0%..99%/0.01%,ETH=0%..99%/0.01%"] {
            assert_eq!(grid(&parse_axes(text).unwrap()).unwrap_err().exit_code(), 2, "{text}");
        }
    }

    #[test]
    fn axes_read_back() {
        for text in
            ["BTC=-50%..50%/10%", "*=0%..1%/0.3%", "vol=5%", "vol:ETH=0%..50%/50%", "days=0..7/1", "USDT=-5%..-5%/1%"]
        {
            let axis: Axis = text.parse().unwrap();
            assert_eq!(axis.to_string().parse::<Axis>().unwrap(), axis, "{text}: {axis}");
        }
    }

    #[test]
    fn the_preset_holds_every_event_with_its_source() {
        let mut days = std::collections::BTreeSet::new();
        for record in csv::Reader::from_reader(CRYPTO_HISTORICAL.as_bytes()).into_records() {
            let record = record.unwrap();
            assert_eq!(record.len(), 10, "{record:?}");
            assert!(record[0].starts_with(&record[7]), "{record:?}");
            assert!(["reported", "approximate"].contains(&&record[8]) && !record[9].is_empty(), "{record:?}");
            days.insert(record[7].to_owned());
        }
        let expected =
            ["2020-03-12", "2021-05-19", "2022-06-13", "2022-11-09", "2023-03-11", "2024-08-05", "2025-10-10"];
        assert_eq!(days.into_iter().collect::<Vec<_>>(), expected);
        let market = Market { as_of_ns: 0, currencies: vec![], underlyings: vec![], instruments: vec![] };
        let scenarios = Preset::CryptoHistorical.scenarios(&market).unwrap();
        assert_eq!(scenarios.len(), 7);
        assert!(scenarios.iter().flat_map(|scenario| &scenario.shocks).all(|shock| shock.base == "*"));
        assert!(with_base(&market, scenarios.clone()).is_ok());
        assert!(with_base(&market, [scenarios.clone(), scenarios.clone()].concat()).is_err());
        let days = Preset::History1d.scenarios(&market).unwrap();
        assert_eq!(days.len(), 3277);
        assert!(days.iter().flat_map(|scenario| &scenario.shocks).all(|shock| shock.base == "*"));
        assert!(with_base(&market, [scenarios, days].concat()).is_ok(), "presets may be combined");
    }

    #[test]
    fn presets_read_back() {
        for preset in Preset::ALL {
            assert_eq!(preset.name().parse::<Preset>().unwrap(), preset);
        }
        assert_eq!("history".parse::<Preset>().unwrap_err().exit_code(), 2);
    }
}
