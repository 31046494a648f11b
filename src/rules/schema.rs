//! The structure of a rules file: keys and types. Ranges and consistency are checked in [`super::check`].

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_path_to_error::{Path as ErrorPath, Segment};
use toml::Value;

use super::key::dotted;
use super::layers::{Fault, Resolved, literal};
use super::sets::midnight_utc_ns;
use crate::margin::rules::{OptionPnl, OtherBounds, RiskUnitMode, SettleGroup, SpotOffset};

/// A finite number, written as integer or float.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number(pub(super) f64);

/// The upper bound of a tier: a number, or `"inf"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bound(pub(super) f64);

/// A tier: its bound and `N` rates.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tier<const N: usize> {
    pub(super) bound: f64,
    pub(super) rates: [f64; N],
}

/// A tier of MR9: its bound, and a rate for each price.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RateRow {
    pub(super) bound: f64,
    pub(super) rates: Vec<f64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawRiskUnit {
    Separate,
    Merged,
}

impl From<RawRiskUnit> for RiskUnitMode {
    fn from(raw: RawRiskUnit) -> Self {
        match raw {
            RawRiskUnit::Separate => Self::Separate,
            RawRiskUnit::Merged => Self::Merged,
        }
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawSpotOffset {
    Usdt,
    Usdc,
    Coin,
    None,
}

impl From<RawSpotOffset> for SpotOffset {
    fn from(raw: RawSpotOffset) -> Self {
        match raw {
            RawSpotOffset::Usdt => Self::Usdt,
            RawSpotOffset::Usdc => Self::Usdc,
            RawSpotOffset::Coin => Self::Coin,
            RawSpotOffset::None => Self::None,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawOptionPnl {
    #[default]
    Usd,
    Coin,
}

impl From<RawOptionPnl> for OptionPnl {
    fn from(raw: RawOptionPnl) -> Self {
        match raw {
            RawOptionPnl::Usd => Self::Usd,
            RawOptionPnl::Coin => Self::Coin,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawOtherBounds {
    #[default]
    Units,
    Usd,
}

impl From<RawOtherBounds> for OtherBounds {
    fn from(raw: RawOtherBounds) -> Self {
        match raw {
            RawOtherBounds::Units => Self::Units,
            RawOtherBounds::Usd => Self::Usd,
        }
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum RawGroup {
    Usdt,
    Usdc,
    Usd,
}

impl From<RawGroup> for SettleGroup {
    fn from(raw: RawGroup) -> Self {
        match raw {
            RawGroup::Usdt => Self::Usdt,
            RawGroup::Usdc => Self::Usdc,
            RawGroup::Usd => Self::Usd,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPerClass<T> {
    pub(super) major: T,
    pub(super) middle: T,
    pub(super) other: T,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStatus {
    pub(super) liquidation: Number,
    pub(super) near: Number,
    pub(super) warning: Number,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClasses {
    pub(super) mr1: RawPerClass<Vec<String>>,
    pub(super) mr4_mr6_mr7: RawPerClass<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMr1 {
    pub(super) price: RawPerClass<Vec<Number>>,
    pub(super) vol_floor: Number,
    pub(super) vol_days: Vec<Number>,
    pub(super) vol_points: Vec<Number>,
    pub(super) vol_relative: Vec<Number>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMr2 {
    pub(super) days: Number,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMr3 {
    pub(super) offset_charge: Number,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMr4 {
    /// Sets that were written before the key existed do not have it, and know no such futures.
    #[serde(default)]
    pub(super) perpetual_like: Vec<String>,
    #[serde(default)]
    pub(super) spot_bucket: bool,
    pub(super) annualized: RawPerClass<Number>,
    pub(super) floor: RawPerClass<Number>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMr5 {
    pub(super) rate_shift: Number,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMr6 {
    pub(super) price: RawPerClass<Number>,
    pub(super) charge: Number,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMr7 {
    pub(super) delta_one: RawPerClass<Number>,
    pub(super) option: RawPerClass<Number>,
    pub(super) option_premium_cap: Number,
    pub(super) tiers: RawPerClass<Vec<Tier<1>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMr8 {
    pub(super) fee_rate: Number,
    pub(super) tiers: BTreeMap<String, Vec<Tier<2>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMr9 {
    pub(super) pairs: Vec<[RawGroup; 2]>,
    #[serde(default)]
    pub(super) prices: Vec<Number>,
    pub(super) tiers: Vec<RateRow>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOrders {
    #[serde(default)]
    pub(super) deduct_loss: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLiquidationFee {
    pub(super) derivatives: Number,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRules {
    pub(super) name: String,
    /// Midnight UTC. Read separately, because serde has no dates.
    #[serde(skip)]
    pub(super) effective_from_ns: i64,
    pub(super) risk_unit: RawRiskUnit,
    pub(super) imr_multiplier: Number,
    pub(super) min_net_equity: Number,
    pub(super) default_spot_offset: RawSpotOffset,
    pub(super) rate: Number,
    pub(super) forward_floor: Number,
    #[serde(default)]
    pub(super) coin_option_pnl: RawOptionPnl,
    #[serde(default)]
    pub(super) other_bounds: RawOtherBounds,
    pub(super) status: RawStatus,
    pub(super) classes: RawClasses,
    pub(super) mr1: RawMr1,
    pub(super) mr2: RawMr2,
    pub(super) mr3: RawMr3,
    pub(super) mr4: RawMr4,
    pub(super) mr5: RawMr5,
    pub(super) mr6: RawMr6,
    pub(super) mr7: RawMr7,
    pub(super) mr8: RawMr8,
    pub(super) mr9: RawMr9,
    #[serde(default)]
    pub(super) orders: RawOrders,
    pub(super) liquidation_fee: RawLiquidationFee,
    pub(super) discount: BTreeMap<String, Vec<Tier<1>>>,
}

const EFFECTIVE_FROM: &str = "effective_from";

/// Reads a resolved set into its types.
pub(super) fn read(resolved: &Resolved) -> Result<RawRules, Fault> {
    let effective_from_ns = match resolved.leaf(EFFECTIVE_FROM).map(|leaf| &leaf.value) {
        Some(Value::Datetime(time)) => midnight_utc_ns(&time.to_string()),
        _ => None,
    };
    let effective_from_ns = effective_from_ns
        .ok_or_else(|| Fault::new(EFFECTIVE_FROM, "not a day", "a date without quotes or time, such as 2025-01-15"))?;
    // Serde returns dates as strings. Without this check a date would be accepted as a name.
    for leaf in resolved.leaves.iter().filter(|leaf| leaf.key != EFFECTIVE_FROM) {
        if has_date(&leaf.value) {
            return Err(Fault::new(&leaf.key, "a date where none is expected", "a number or a string"));
        }
    }
    let mut table = resolved.table();
    table.remove(EFFECTIVE_FROM);
    let raw: RawRules = serde_path_to_error::deserialize(Value::Table(table)).map_err(|err| {
        let (key, place) = locate(resolved, err.path());
        let message = err.inner().message().lines().next().unwrap_or_default().to_owned();
        let (problem, expected) = message.split_once(", expected ").unwrap_or((&message, "another value"));
        let row = place.as_ref().and_then(|(rows, _)| *rows).map_or(String::new(), |row| format!(" in item {row}"));
        let fault = Fault::new(key, format!("{problem}{row}"), expected);
        match place {
            Some((_, value)) => fault.value(literal(&value)),
            None => fault,
        }
    })?;
    Ok(RawRules { effective_from_ns, ..raw })
}

fn has_date(value: &Value) -> bool {
    match value {
        Value::Datetime(_) => true,
        Value::Array(items) => items.iter().any(has_date),
        _ => false,
    }
}

/// The key of an error, and the item (from 1) and value inside it that are wrong.
fn locate(resolved: &Resolved, path: &ErrorPath) -> (String, Option<(Option<usize>, Value)>) {
    let mut names = Vec::new();
    let mut indices = Vec::new();
    for segment in path {
        match segment {
            Segment::Map { key } => names.push(key.clone()),
            Segment::Seq { index } => indices.push(*index),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    let key = dotted(&names);
    let place = resolved.leaf(&key).map(|leaf| {
        let mut value = &leaf.value;
        for &index in &indices {
            value = value.as_array().and_then(|items| items.get(index)).unwrap_or(value);
        }
        (indices.first().map(|index| index + 1), value.clone())
    });
    (key, place)
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor { infinity: false }).map(Self)
    }
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor { infinity: true }).map(Self)
    }
}

struct NumberVisitor {
    infinity: bool,
}

impl Visitor<'_> for NumberVisitor {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(if self.infinity { "a number or \"inf\"" } else { "a finite number" })
    }

    fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<f64, E> {
        Ok(n as f64)
    }

    fn visit_f64<E: serde::de::Error>(self, x: f64) -> Result<f64, E> {
        if x.is_finite() || (self.infinity && x == f64::INFINITY) {
            // -0 becomes 0, as in the hash.
            Ok(x + 0.0)
        } else {
            Err(E::invalid_value(Unexpected::Float(x), &self))
        }
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<f64, E> {
        if self.infinity && text == "inf" {
            Ok(f64::INFINITY)
        } else {
            Err(E::invalid_type(Unexpected::Str(text), &self))
        }
    }
}

impl<'de, const N: usize> Deserialize<'de> for Tier<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(TierVisitor::<N>)
    }
}

impl<'de> Deserialize<'de> for RateRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(RateRowVisitor)
    }
}

struct RateRowVisitor;

impl<'de> Visitor<'de> for RateRowVisitor {
    type Value = RateRow;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a tier [bound, rate], or [bound, rate at each price]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RateRow, A::Error> {
        let Some(Bound(bound)) = seq.next_element()? else {
            return Err(A::Error::invalid_length(0, &self));
        };
        let mut rates = Vec::new();
        while let Some(Number(rate)) = seq.next_element()? {
            rates.push(rate);
        }
        if rates.is_empty() { Err(A::Error::invalid_length(1, &self)) } else { Ok(RateRow { bound, rates }) }
    }
}

struct TierVisitor<const N: usize>;

impl<'de, const N: usize> Visitor<'de> for TierVisitor<N> {
    type Value = Tier<N>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(if N == 1 { "a tier [bound, rate]" } else { "a tier [bound, mmr, imr]" })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tier<N>, A::Error> {
        let Some(Bound(bound)) = seq.next_element()? else {
            return Err(A::Error::invalid_length(0, &self));
        };
        let mut rates = [0.0; N];
        for (i, rate) in rates.iter_mut().enumerate() {
            let Some(Number(given)) = seq.next_element()? else {
                return Err(A::Error::invalid_length(i + 1, &self));
            };
            *rate = given;
        }
        match seq.next_element::<serde::de::IgnoredAny>()? {
            None => Ok(Tier { bound, rates }),
            Some(_) => Err(A::Error::invalid_length(N + 2, &self)),
        }
    }
}
