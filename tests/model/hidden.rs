//! Rule sets that the calibration does not know, drawn within plausible ranges.

use crate::exchange::Draws;
use std::fmt::Write;

/// A hidden set as an overlay on the default one.
pub fn hidden(draws: &mut Draws) -> String {
    let mut text = "extends = \"okx-pm2-2025-01\"\nname = \"hidden\"\n".to_owned();
    let mut line = |key: &str, value: String| {
        let _ = writeln!(text, "{key} = {value}");
    };
    let merged = draws.chance(0.5);
    line("risk_unit", if merged { "\"merged\"" } else { "\"separate\"" }.into());
    line("imr_multiplier", share(draws, 1.1, 1.6));
    line("rate", if draws.chance(0.5) { "0.0".into() } else { share(draws, 0.01, 0.06) });
    line("coin_option_pnl", if draws.chance(0.5) { "\"usd\"" } else { "\"coin\"" }.into());
    line("other_bounds", if draws.chance(0.5) { "\"usd\"" } else { "\"units\"" }.into());
    for name in ["mr1", "mr4_mr6_mr7"] {
        classes(draws, name, &mut line);
    }
    let mut least = 0.02;
    for class in ["major", "middle", "other"] {
        let step = share_number(draws, least, least + 0.03);
        let moves: Vec<String> =
            [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0].iter().map(|n| format!("{:?}", n * step)).collect();
        line(&format!("mr1.price.{class}"), format!("[{}]", moves.join(", ")));
        least = step + 0.005;
    }
    volatility(draws, &mut line);
    line("mr2.days", share(draws, 0.5, 2.5));
    line("mr3.offset_charge", share(draws, 0.1, 0.6));
    line("mr4.spot_bucket", draws.chance(0.5).to_string());
    line("mr5.rate_shift", share(draws, 0.01, 0.1));
    line("mr6.charge", share(draws, 0.3, 0.8));
    line("mr7.option_premium_cap", share(draws, 0.05, 0.2));
    for (number, class) in ["major", "middle", "other"].into_iter().enumerate() {
        let n = number as f64;
        line(&format!("mr4.annualized.{class}"), share(draws, 0.03, 0.3));
        line(&format!("mr4.floor.{class}"), share(draws, 0.001 + 0.005 * n, 0.005 + 0.005 * n));
        line(&format!("mr6.price.{class}"), share(draws, 0.2 + 0.1 * n, 0.29 + 0.1 * n));
        line(&format!("mr7.delta_one.{class}"), share(draws, 0.003 + 0.002 * n, 0.005 + 0.002 * n));
        line(&format!("mr7.option.{class}"), share(draws, 0.015, 0.04));
        let first = draws.between(2e4, 3e5);
        let count = 3 + draws.below(4);
        let bounds = bounds(draws, first, 6e6, 1.36, 2.4, count);
        let mut multiplier = 1.0;
        let rows = rows(&bounds, |_| {
            let row = format!("{multiplier:?}");
            multiplier += (draws.between(0.5, 3.0) * 100.0).round() / 100.0;
            row
        });
        line(&format!("mr7.tiers.{class}"), rows);
    }
    line("mr8.fee_rate", share(draws, 0.0004, 0.0015));
    line("liquidation_fee.derivatives", if draws.chance(0.5) { "0.0".into() } else { share(draws, 0.0001, 0.001) });
    currencies(draws, &mut line);
    stablecoins(draws, &mut line);
    text
}

/// Now and then with many digits, mostly with few.
fn share_number(draws: &mut Draws, low: f64, high: f64) -> f64 {
    let number = draws.between(low, high);
    if draws.chance(0.2) { number } else { (number * 1e5).round() / 1e5 }
}

fn share(draws: &mut Draws, low: f64, high: f64) -> String {
    format!("{:?}", share_number(draws, low, high))
}

/// Rising bounds between two ends, each above the one before by a factor.
fn bounds(draws: &mut Draws, first: f64, last: f64, least: f64, most: f64, count: usize) -> Vec<f64> {
    let mut all = Vec::new();
    let mut bound = first;
    while all.len() + 1 < count && bound < last {
        all.push(if draws.chance(0.3) { bound } else { neat(bound) });
        bound *= draws.between(least, most) * 1.03;
    }
    all
}

/// Two significant digits or so, as a rule book has them.
fn neat(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap()
}

fn rows(bounds: &[f64], mut rates: impl FnMut(usize) -> String) -> String {
    let bounds: Vec<String> = bounds.iter().map(|bound| format!("{bound:?}")).chain(["\"inf\"".to_owned()]).collect();
    let rows: Vec<String> = bounds.iter().enumerate().map(|(n, bound)| format!("[{bound}, {}]", rates(n))).collect();
    format!("[{}]", rows.join(", "))
}

fn classes(draws: &mut Draws, name: &str, line: &mut impl FnMut(&str, String)) {
    let (mut middle, mut other): (Vec<&str>, Vec<&str>) = if name == "mr1" {
        (vec!["LTC", "BCH", "LINK", "ADA", "XRP"], vec![])
    } else {
        (vec!["SOL", "DOGE", "XRP", "LTC", "BCH", "ADA"], vec![])
    };
    if draws.chance(0.3) {
        middle.push("SUI");
    }
    if draws.chance(0.3) {
        middle.retain(|coin| *coin != "ADA");
        other.push("ADA");
    }
    other.push("*");
    let list =
        |coins: &[&str]| format!("[{}]", coins.iter().map(|coin| format!("{coin:?}")).collect::<Vec<_>>().join(", "));
    line(&format!("classes.{name}.major"), list(&["BTC", "ETH"]));
    line(&format!("classes.{name}.middle"), list(&middle));
    line(&format!("classes.{name}.other"), list(&other));
}

fn volatility(draws: &mut Draws, line: &mut impl FnMut(&str, String)) {
    line("mr1.vol_floor", if draws.chance(0.5) { "0.01".into() } else { share(draws, 0.05, 0.4) });
    let days = [0.0, share_number(draws, 18.0, 30.0).round(), share_number(draws, 46.0, 80.0)];
    let points = share_number(draws, 0.2, 0.35);
    let relative = share_number(draws, 0.2, 0.45);
    let falls = |draws: &mut Draws, top: f64| {
        let middle = top * draws.between(0.75, 0.95);
        format!("[{top:?}, {middle:?}, {:?}]", middle * draws.between(0.6, 0.9))
    };
    line("mr1.vol_days", format!("{days:?}"));
    line("mr1.vol_points", falls(draws, points));
    line("mr1.vol_relative", falls(draws, relative));
}

fn currencies(draws: &mut Draws, line: &mut impl FnMut(&str, String)) {
    for (ccy, usd) in [("USDT", 1.0), ("USDC", 1.0), ("BTC", 67_000.0), ("ETH", 3_500.0), ("\"*\"", 1.0)] {
        let first = draws.between(2e5, 1e6) / usd;
        let count = 1 + draws.below(5);
        let borrow = bounds(draws, first, 3e7 / usd, 1.6, 4.0, count);
        let (mut mmr, mut imr) = (0.02, 0.1);
        let table = rows(&borrow, |_| {
            let row = format!("{mmr:?}, {imr:?}");
            mmr += (draws.between(0.005, 0.02) * 1e4).round() / 1e4;
            imr += (draws.between(0.005, 0.02) * 1e4).round() / 1e4;
            row
        });
        line(&format!("mr8.tiers.{ccy}"), table);
        let first = draws.between(2e5, 1e6) / usd;
        let count = 1 + draws.below(5);
        let held = bounds(draws, first, 3e7 / usd, 2.1, 4.0, count);
        let mut counts = share_number(draws, 0.9, 1.0);
        let table = rows(&held, |_| {
            let row = format!("{counts:?}");
            counts = ((counts - draws.between(0.02, 0.18)) * 1e4).round().max(0.0) / 1e4;
            row
        });
        line(&format!("discount.{ccy}"), table);
    }
}

fn stablecoins(draws: &mut Draws, line: &mut impl FnMut(&str, String)) {
    let mut pairs = ["[\"USDT\", \"USD\"]", "[\"USDT\", \"USDC\"]", "[\"USDC\", \"USD\"]"];
    for place in (1..pairs.len()).rev() {
        pairs.swap(place, draws.below(place + 1));
    }
    line("mr9.pairs", format!("[{}]", pairs.join(", ")));
    let first = draws.between(1e6, 6e6);
    let count = 2 + draws.below(4);
    let bounds = bounds(draws, first, 2e8, 1.6, 5.0, count);
    let has_prices = draws.chance(0.3);
    let mut rate = share_number(draws, 0.004, 0.01);
    let table = rows(&bounds, |_| {
        let row = if has_prices { format!("0.4, 0.06, {rate:?}") } else { format!("{rate:?}") };
        rate += (draws.between(0.003, 0.01) * 1e5).round() / 1e5;
        row
    });
    line("mr9.prices", if has_prices { "[0.8, 0.99, 0.995]".into() } else { "[]".into() });
    line("mr9.tiers", table);
}
