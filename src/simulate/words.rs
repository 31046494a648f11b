//! Answers as sentences.

use super::amount::{Most, Unit};
use super::check::{Answer, Verdict};
use super::operation::{Action, traded_name};
use crate::margin::account::Traded;
use crate::margin::rules::SpotOffset;
use crate::market::Market;

/// Why the operations pass or fail, a sentence for each: their effect on the MMR of the unit that changes most,
/// adjusted equity against IMR, and the largest amount that passes.
#[must_use]
pub fn why(market: &Market, unit_names: &[String], actions: &[Action], answer: &Answer) -> Vec<String> {
    let what = match actions {
        [action] => describe(market, action),
        _ => format!("the {} operations of the group together", actions.len()),
    };
    let effect = effect(unit_names, answer, actions.len() > 1);
    let [free_before, free] = answer.free.map(|free| free.adj_eq - free.imr);
    let is_restricted = answer.free[1].adj_eq < answer.after.adj_eq || answer.free[0].adj_eq < answer.before.adj_eq;
    let equity = if is_restricted { "adjusted equity without restricted collateral" } else { "adjusted equity" };
    let gap = usd(-free);
    let stands = match answer.verdict {
        Verdict::Pass if free >= 0.0 => format!("{equity} exceeds IMR by {} USD", usd(free)),
        Verdict::Pass if free > free_before => {
            format!("{equity} falls short of IMR by {gap} USD, less than the {} before", usd(-free_before))
        }
        Verdict::Pass => format!("{equity} falls short of IMR by {gap} USD, as before"),
        Verdict::Adjust | Verdict::Reject => format!("{equity} would fall short of IMR by {gap} USD"),
    };
    let sentence = format!("{what} {effect}, {stands}");
    let of_action = |(place, action)| {
        let most = match (answer.verdict, answer.most.get(place).copied().flatten()) {
            (Verdict::Pass, _) => return sentence.clone(),
            (Verdict::Adjust, Some(most)) => limit(market, Some(action), &most),
            (Verdict::Adjust, None) => "smaller amounts of the other operations of the group pass".to_owned(),
            (Verdict::Reject, _) => "no smaller amount passes".to_owned(),
        };
        format!("{sentence}; {most}")
    };
    let words = actions.iter().enumerate().map(of_action);
    words.zip(actions).map(|(words, action)| words + &far_price(market, action)).collect()
}

/// From which share of the mark on an order's price is said to be far from it: what is gained or lost against the mark
/// counts as equity.
const FAR: f64 = 0.5;

/// That the price of an order is far from the mark; else nothing.
fn far_price(market: &Market, action: &Action) -> String {
    let Action::Order(order) = action else { return String::new() };
    let fx = |ccy: u32| market.currencies[ccy as usize].fx.unwrap_or(f64::NAN);
    let mark = match order.traded {
        Traded::Contract(instrument) => market.instruments[instrument as usize].mark_px,
        Traded::Spot { base, quote } => fx(base) / fx(quote),
    };
    let off = order.px / mark - 1.0;
    if off.is_nan() || off.abs() <= FAR {
        return String::new();
    }
    let side = if off > 0.0 { "above" } else { "below" };
    format!("; check the price of the order: it is {:.1} % {side} the mark of {}", 100.0 * off.abs(), number(mark))
}

fn describe(market: &Market, action: &Action) -> String {
    let currency = |ccy: u32| market.currencies[ccy as usize].name.as_str();
    match *action {
        Action::Order(order) => {
            let verb = if order.qty > 0.0 { "buying" } else { "selling" };
            let name = traded_name(market, order.traded);
            format!("{verb} {} {name} at {}", number(order.qty.abs()), number(order.px))
        }
        Action::Transfer { ccy, qty, out: true } => format!("moving {} {} out", number(qty), currency(ccy)),
        Action::Transfer { ccy, qty, out: false } => format!("moving {} {} in", number(qty), currency(ccy)),
        Action::SpotOffset(SpotOffset::None) => "switching spot hedging off".to_owned(),
        Action::SpotOffset(mode) => format!("switching spot hedging to {}", mode.name()),
        Action::SpotInUseCap { ccy, cap } if cap.is_finite() => {
            format!("limiting spot in use to {} {}", number(cap), currency(ccy))
        }
        Action::SpotInUseCap { ccy, .. } => format!("lifting the limit of spot in use of {}", currency(ccy)),
        Action::CloseHedge { ccy, qty: Some(qty) } => {
            format!("closing the hedge of {} {}", number(qty), currency(ccy))
        }
        Action::CloseHedge { ccy, qty: None } => format!("closing the hedge of {}", currency(ccy)),
    }
}

/// The effect on the MMR of the unit that changes most.
fn effect(unit_names: &[String], answer: &Answer, plural: bool) -> String {
    let s = if plural { "" } else { "s" };
    let mmr = |unit: &Option<crate::margin::UnitMargin>| unit.map_or(0.0, |unit| unit.mmr);
    let most = answer.units.iter().max_by(|a, b| {
        let change = |pair: &(_, _)| (mmr(&pair.1) - mmr(&pair.0)).abs();
        change(a).total_cmp(&change(b))
    });
    let named = most.and_then(|pair| {
        let unit = pair.0.or(pair.1)?.unit;
        Some((unit_names.get(unit as usize)?, mmr(&pair.0), mmr(&pair.1)))
    });
    match named {
        Some((name, was, is)) if is > was => format!("raise{s} MMR of {name} from {} to {} USD", usd(was), usd(is)),
        Some((name, was, is)) if is < was => format!("lower{s} MMR of {name} from {} to {} USD", usd(was), usd(is)),
        _ => format!("leave{s} MMR of every risk unit as it is"),
    }
}

fn limit(market: &Market, action: Option<&Action>, most: &Most) -> String {
    let amount = number(most.amount);
    let unit = match most.unit {
        Unit::Contracts => "contracts".to_owned(),
        Unit::Currency(ccy) => market.currencies[ccy as usize].name.clone(),
        Unit::Share => return format!("at most {} % of the hedges can be closed", number(most.amount * 100.0)),
    };
    match action {
        Some(Action::Order(order)) if order.qty > 0.0 => format!("at most {amount} {unit} can be bought"),
        Some(Action::Order(_)) => format!("at most {amount} {unit} can be sold"),
        Some(Action::Transfer { out: true, .. }) => format!("at most {amount} {unit} can leave"),
        Some(Action::Transfer { out: false, .. }) => format!("at most {amount} {unit} can come in"),
        Some(Action::SpotInUseCap { .. }) => format!("the limit can be set to {amount} {unit}"),
        Some(Action::CloseHedge { .. } | Action::SpotOffset(_)) | None => {
            format!("at most {amount} {unit} of the hedge can be closed")
        }
    }
}

/// Whole USD with thousands separators; with cents below 100.
fn usd(amount: f64) -> String {
    let amount = amount + 0.0;
    let text = if amount.abs() < 100.0 { format!("{amount:.2}") } else { format!("{amount:.0}") };
    grouped(&text)
}

/// An amount with up to 8 decimals.
fn number(amount: f64) -> String {
    let text = format!("{amount:.8}");
    grouped(text.trim_end_matches('0').trim_end_matches('.'))
}

fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, ""), |(whole, fraction)| (whole, fraction));
    let mut out = String::from(sign);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}
