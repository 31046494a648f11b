//! Checks ranges, order and consistency. The upper limits are wide; they catch percent given as fractions.

use std::collections::BTreeMap;
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::ops::RangeBounds;

use super::key::{REST, basic_string, dotted};
use super::layers::{Fault, number};
use super::schema::{Number, RateRow, RawGroup, RawMr1, RawMr9, RawPerClass, RawRules, RawStatus, Tier};
use crate::margin::rules::{
    ByCurrency, Class, Classes, MR1_MOVES, Mr1Rules, Mr4Rules, Mr6Rules, Mr7Rules, Mr8Rules, Mr9Rules, PerClass, Rules,
    SettleGroup, StatusRules,
};
use crate::margin::tiers::{BorrowTiers, Tiers};

type Checked<T> = Result<T, Fault>;
type Range = (Bound<f64>, Bound<f64>);

const FRACTION: Range = (Included(0.0), Included(1.0));
const PER_YEAR: Range = (Included(0.0), Included(10.0));
/// USD, coins or days: as large as any number of the input tables.
const AMOUNT: Range = (Included(0.0), Included(1e18));
/// Rates and multipliers of tiers. Far beyond any use, and small enough that no margin overflows.
const LARGEST_RATE: f64 = 1e6;
const LARGEST_BOUND: f64 = 1e18;

/// Checks a set and converts it to the types of the formulas.
pub(super) fn check(raw: RawRules) -> Checked<Rules> {
    if raw.name.trim().is_empty() || raw.name.chars().any(char::is_control) {
        return Err(Fault::new("name", "not a name", "a name on one line"));
    }
    Ok(Rules {
        effective_from_ns: raw.effective_from_ns,
        risk_unit: raw.risk_unit.into(),
        imr_multiplier: within("imr_multiplier", raw.imr_multiplier, (Included(1.0), Included(100.0)))?,
        min_net_equity_usd: within("min_net_equity", raw.min_net_equity, AMOUNT)?,
        default_spot_offset: raw.default_spot_offset.into(),
        rate: within("rate", raw.rate, (Included(-1.0), Included(1.0)))?,
        forward_floor: within("forward_floor", raw.forward_floor, (Excluded(0.0), Included(1.0)))?,
        coin_option_pnl: raw.coin_option_pnl.into(),
        other_bounds: raw.other_bounds.into(),
        status: status(&raw.status)?,
        mr1_classes: classes("classes.mr1", raw.classes.mr1)?,
        mr467_classes: classes("classes.mr4_mr6_mr7", raw.classes.mr4_mr6_mr7)?,
        mr1: mr1(&raw.mr1)?,
        mr2_days: within("mr2.days", raw.mr2.days, (Excluded(0.0), Included(365.0)))?,
        mr3_offset_charge: within("mr3.offset_charge", raw.mr3.offset_charge, FRACTION)?,
        mr4: Mr4Rules {
            annualized: each_within("mr4.annualized", &raw.mr4.annualized, PER_YEAR)?,
            floor: each_within("mr4.floor", &raw.mr4.floor, FRACTION)?,
            perpetual_like: parts_of_ids("mr4.perpetual_like", raw.mr4.perpetual_like)?,
            spot_bucket: raw.mr4.spot_bucket,
        },
        mr5_rate_shift: within("mr5.rate_shift", raw.mr5.rate_shift, FRACTION)?,
        mr6: Mr6Rules {
            price: each_within("mr6.price", &raw.mr6.price, (Excluded(0.0), Excluded(1.0)))?,
            charge: within("mr6.charge", raw.mr6.charge, FRACTION)?,
        },
        mr7: Mr7Rules {
            delta_one: each_within("mr7.delta_one", &raw.mr7.delta_one, FRACTION)?,
            option: each_within("mr7.option", &raw.mr7.option, FRACTION)?,
            option_premium_cap: within("mr7.option_premium_cap", raw.mr7.option_premium_cap, FRACTION)?,
            tiers: per_class("mr7.tiers", &raw.mr7.tiers, |key, rows| rising_tiers(key, rows, "multiplier"))?,
        },
        mr8: Mr8Rules {
            fee_rate: within("mr8.fee_rate", raw.mr8.fee_rate, FRACTION)?,
            tiers: by_currency("mr8.tiers", raw.mr8.tiers, borrow_tiers)?,
        },
        mr9: mr9(&raw.mr9)?,
        orders_deduct_loss: raw.orders.deduct_loss,
        liquidation_fee_derivatives: within("liquidation_fee.derivatives", raw.liquidation_fee.derivatives, FRACTION)?,
        discount: by_currency("discount", raw.discount, discount_tiers)?,
        name: raw.name,
    })
}

/// Texts that stand in ids of instruments.
fn parts_of_ids(key: &str, parts: Vec<String>) -> Checked<Vec<String>> {
    // A text of one character would be in ids of all kinds.
    match parts.iter().find(|part| part.len() < 3 || part.chars().any(char::is_control)) {
        Some(part) => Err(Fault::new(key, "not a part of an instrument's id", "texts of 3 characters or more")
            .value(basic_string(part))),
        None => Ok(parts),
    }
}

fn within(key: &str, Number(x): Number, range: Range) -> Checked<f64> {
    if range.contains(&x) {
        return Ok(x);
    }
    let low = match range.0 {
        Included(low) => format!("at least {}", number(low)),
        Excluded(low) => format!("above {}", number(low)),
        Unbounded => String::new(),
    };
    let high = match range.1 {
        Included(high) => format!(" and at most {}", number(high)),
        Excluded(high) => format!(" and below {}", number(high)),
        Unbounded => String::new(),
    };
    Err(Fault::new(key, "out of range", format!("a number {low}{high}")).value(number(x)))
}

fn all_within(key: &str, raw: &[Number], range: Range) -> Checked<Vec<f64>> {
    raw.iter().map(|&x| within(key, x, range)).collect()
}

fn per_class<T, U>(key: &str, raw: &RawPerClass<T>, check: impl Fn(&str, &T) -> Checked<U>) -> Checked<PerClass<U>> {
    let one = |class: Class, value| check(&format!("{key}.{}", class.name()), value);
    Ok(PerClass {
        major: one(Class::Major, &raw.major)?,
        middle: one(Class::Middle, &raw.middle)?,
        other: one(Class::Other, &raw.other)?,
    })
}

fn each_within(key: &str, raw: &RawPerClass<Number>, range: Range) -> Checked<PerClass<f64>> {
    per_class(key, raw, |key, &x| within(key, x, range))
}

fn status(raw: &RawStatus) -> Checked<StatusRules> {
    let positive = (Excluded(0.0), Included(LARGEST_RATE));
    let status = StatusRules {
        liquidation: within("status.liquidation", raw.liquidation, positive)?,
        near: within("status.near", raw.near, positive)?,
        warning: within("status.warning", raw.warning, positive)?,
    };
    let ordered = [
        ("status.liquidation", status.liquidation, "status.near", status.near),
        ("status.near", status.near, "status.warning", status.warning),
    ];
    for (low, below, high, above) in ordered {
        if below > above {
            let problem = format!("`{low}` is {} but `{high}` is {}", number(below), number(above));
            return Err(Fault::new(high, problem, "liquidation <= near <= warning").with(low));
        }
    }
    Ok(status)
}

fn classes(key: &str, raw: RawPerClass<Vec<String>>) -> Checked<Classes> {
    let mut listed: BTreeMap<String, Class> = BTreeMap::new();
    let mut rest = None;
    let by_class = [(Class::Major, raw.major), (Class::Middle, raw.middle), (Class::Other, raw.other)];
    for (class, currencies) in by_class {
        let here = format!("{key}.{}", class.name());
        for ccy in currencies {
            currency(&here, &ccy)?;
            let before = match ccy.as_str() {
                REST => rest.replace(class),
                _ => listed.get(&ccy).copied(),
            };
            if let Some(before) = before {
                let there = format!("{key}.{}", before.name());
                let problem = format!("{} is already in `{there}`", basic_string(&ccy));
                return Err(Fault::new(here, problem, "each currency in one class, once").with(there).value(ccy));
            }
            if ccy != REST {
                listed.insert(ccy, class);
            }
        }
    }
    let Some(rest) = rest else {
        let fault = Fault::new(format!("{key}.other"), "no class holds \"*\"", "\"*\" in exactly one class");
        return Err(fault.with(format!("{key}.middle")).with(format!("{key}.major")));
    };
    Ok(Classes { listed: listed.into_iter().collect(), rest })
}

fn currency(key: &str, name: &str) -> Checked<()> {
    if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Fault::new(key, "not a currency", "a currency such as \"BTC\", or \"*\"").value(basic_string(name)));
    }
    Ok(())
}

fn mr1(raw: &RawMr1) -> Checked<Mr1Rules> {
    let price = per_class("mr1.price", &raw.price, |key, moves| {
        let moves = all_within(key, moves, (Excluded(-1.0), Included(10.0)))?;
        ascending(key, &moves)?;
        moves.try_into().map_err(|moves: Vec<f64>| {
            Fault::new(key, format!("{} price moves", moves.len()), format!("{MR1_MOVES} price moves"))
        })
    })?;
    // Black-76 has no value at zero volatility, so the floor must be positive.
    let vol_floor = within("mr1.vol_floor", raw.vol_floor, (Excluded(0.0), Included(10.0)))?;
    let vol_days = all_within("mr1.vol_days", &raw.vol_days, AMOUNT)?;
    if vol_days.is_empty() {
        return Err(Fault::new("mr1.vol_days", "no knots", "at least one number of days"));
    }
    ascending("mr1.vol_days", &vol_days)?;
    let vol_points = all_within("mr1.vol_points", &raw.vol_points, PER_YEAR)?;
    let vol_relative = all_within("mr1.vol_relative", &raw.vol_relative, PER_YEAR)?;
    for (key, knots) in [("mr1.vol_points", &vol_points), ("mr1.vol_relative", &vol_relative)] {
        if knots.len() != vol_days.len() {
            let problem = format!("{} values for {} days in `mr1.vol_days`", knots.len(), vol_days.len());
            return Err(Fault::new(key, problem, "one value for each day").with("mr1.vol_days"));
        }
    }
    Ok(Mr1Rules { price, vol_floor, vol_days, vol_points, vol_relative })
}

fn ascending(key: &str, xs: &[f64]) -> Checked<()> {
    for (a, b) in xs.iter().zip(xs.iter().skip(1)) {
        if a >= b {
            let problem = format!("{} is followed by {}", number(*a), number(*b));
            return Err(Fault::new(key, problem, "strictly ascending numbers"));
        }
    }
    Ok(())
}

fn pairs(raw: &[[RawGroup; 2]]) -> Checked<Vec<(SettleGroup, SettleGroup)>> {
    let mut pairs: Vec<(SettleGroup, SettleGroup)> = Vec::new();
    for &[a, b] in raw {
        let (a, b): (SettleGroup, SettleGroup) = (a.into(), b.into());
        let shown = format!("[\"{}\", \"{}\"]", a.name(), b.name());
        if a == b {
            return Err(Fault::new("mr9.pairs", "a group paired with itself", "two different groups").value(shown));
        }
        if pairs.contains(&(a, b)) || pairs.contains(&(b, a)) {
            return Err(Fault::new("mr9.pairs", "a pair given twice", "each pair once, in either order").value(shown));
        }
        pairs.push((a, b));
    }
    Ok(pairs)
}

fn mr9(raw: &RawMr9) -> Checked<Mr9Rules> {
    let prices = all_within("mr9.prices", &raw.prices, (Excluded(0.0), Included(10.0)))?;
    ascending("mr9.prices", &prices)?;
    let columns = prices.len().max(1);
    for (at, row) in raw.tiers.iter().enumerate() {
        let rates = row.rates.len();
        if rates != columns {
            let problem = format!("tier {}: {rates} rates for {} prices in `mr9.prices`", at + 1, prices.len());
            return Err(Fault::new("mr9.tiers", problem, "one rate for each price").with("mr9.prices"));
        }
        if let Some(pair) = row.rates.windows(2).find(|pair| matches!(pair, [low, high] if low < high)) {
            let rates = pair.iter().copied().map(number).collect::<Vec<_>>().join(" and then ");
            let problem = format!("tier {}: {rates}, at a higher price", at + 1);
            return Err(Fault::new("mr9.tiers", problem, "rates that do not rise with the price"));
        }
    }
    let column = |at: usize| {
        let rate = |row: &RateRow| row.rates.get(at).copied().unwrap_or(f64::NAN);
        let rows: Vec<Tier<1>> = raw.tiers.iter().map(|row| Tier { bound: row.bound, rates: [rate(row)] }).collect();
        rising_tiers("mr9.tiers", &rows, "rate")
    };
    let tiers = (0..columns).map(column).collect::<Checked<_>>()?;
    Ok(Mr9Rules { pairs: pairs(&raw.pairs)?, prices, tiers })
}

fn by_currency<const N: usize, T>(
    table: &str,
    raw: BTreeMap<String, Vec<Tier<N>>>,
    check: impl Fn(&str, &[Tier<N>]) -> Checked<T>,
) -> Checked<ByCurrency<T>> {
    let mut listed = Vec::with_capacity(raw.len());
    let mut rest = None;
    for (ccy, rows) in raw {
        let key = format!("{table}.{}", dotted(std::slice::from_ref(&ccy)));
        currency(&key, &ccy)?;
        let value = check(&key, &rows)?;
        if ccy == REST {
            rest = Some(value);
        } else {
            listed.push((ccy, value));
        }
    }
    let missing = || Fault::new(format!("{table}.\"*\""), "missing key", "an entry for every other currency");
    Ok(ByCurrency { listed, rest: rest.ok_or_else(missing)? })
}

/// Bounds rise from above zero to infinity, and rates are non-negative.
fn tiers<const N: usize>(key: &str, rows: &[Tier<N>]) -> Checked<()> {
    let fault = |at: usize, problem: String, expected: &str| {
        let fault = Fault::new(key, format!("tier {}: {problem}", at + 1), expected);
        match rows.get(at) {
            Some(row) => fault.value(shown(row)),
            None => fault,
        }
    };
    let order = "bounds that rise from above 0 to \"inf\" in the last tier, and only there";
    let mut last = 0.0;
    for (at, row) in rows.iter().enumerate() {
        if row.bound <= last {
            return Err(fault(at, format!("bound {} is not above {}", bound(row.bound), bound(last)), order));
        }
        if row.bound.is_finite() && row.bound > LARGEST_BOUND {
            let expected = format!("bounds of at most {}, and \"inf\" in the last tier", number(LARGEST_BOUND));
            return Err(fault(at, format!("bound {} is out of range", bound(row.bound)), &expected));
        }
        if let Some(rate) = row.rates.iter().find(|rate| **rate < 0.0) {
            return Err(fault(at, format!("{} is negative", number(*rate)), "numbers that are at least 0"));
        }
        if let Some(rate) = row.rates.iter().find(|rate| **rate > LARGEST_RATE) {
            let expected = format!("numbers that are at most {}", number(LARGEST_RATE));
            return Err(fault(at, format!("{} is out of range", number(*rate)), &expected));
        }
        last = row.bound;
    }
    match rows.len().checked_sub(1) {
        None => Err(Fault::new(key, "no tiers", "at least one tier, the last one up to \"inf\"")),
        Some(at) if last.is_finite() => Err(fault(at, format!("the last bound is {}", bound(last)), order)),
        Some(_) => Ok(()),
    }
}

/// Rate number `which` never falls from one tier to the next.
fn rising<const N: usize>(key: &str, rows: &[Tier<N>], which: usize, what: &str) -> Checked<()> {
    let rate = |row: &Tier<N>| row.rates.get(which).copied().unwrap_or(f64::NAN);
    for (at, (before, row)) in rows.iter().zip(rows.iter().skip(1)).enumerate() {
        let (before, here) = (rate(before), rate(row));
        if here < before {
            let problem = format!("tier {}: {what} {} is below {}", at + 2, number(here), number(before));
            return Err(Fault::new(key, problem, format!("a {what} that never falls")).value(shown(row)));
        }
    }
    Ok(())
}

fn incremental(key: &str, rows: &[Tier<1>]) -> Checked<Tiers> {
    let rows = rows.iter().map(|row| (row.bound, row.rates[0])).collect();
    Tiers::new(rows).map_err(|problem| Fault::new(key, problem, "a tier table"))
}

fn rising_tiers(key: &str, rows: &[Tier<1>], what: &str) -> Checked<Tiers> {
    tiers(key, rows)?;
    rising(key, rows, 0, what)?;
    incremental(key, rows)
}

fn discount_tiers(key: &str, rows: &[Tier<1>]) -> Checked<Tiers> {
    tiers(key, rows)?;
    if let Some((at, row)) = rows.iter().enumerate().find(|(_, row)| row.rates[0] > 1.0) {
        let problem = format!("tier {}: share {} is above 1", at + 1, number(row.rates[0]));
        return Err(Fault::new(key, problem, "shares from 0 to 1").value(shown(row)));
    }
    incremental(key, rows)
}

fn borrow_tiers(key: &str, rows: &[Tier<2>]) -> Checked<BorrowTiers> {
    tiers(key, rows)?;
    for (at, row) in rows.iter().enumerate() {
        let [mmr, imr] = row.rates;
        if imr < mmr {
            let problem = format!("tier {}: imr {} is below mmr {}", at + 1, number(imr), number(mmr));
            return Err(Fault::new(key, problem, "[bound, mmr, imr] with imr >= mmr").value(shown(row)));
        }
    }
    rising(key, rows, 0, "mmr")?;
    rising(key, rows, 1, "imr")?;
    let rows = rows.iter().map(|row| (row.bound, row.rates[0], row.rates[1])).collect();
    BorrowTiers::new(rows).map_err(|problem| Fault::new(key, problem, "a tier table"))
}

fn bound(x: f64) -> String {
    if x == f64::INFINITY { "\"inf\"".to_owned() } else { number(x) }
}

fn shown<const N: usize>(row: &Tier<N>) -> String {
    let rates = row.rates.map(number);
    format!("[{}, {}]", bound(row.bound), rates.join(", "))
}
