//! MR9: tiers of hedged sizes at the price of the stablecoin, and the order of pairs.

use super::delta_one::{neat, widest};
use super::found::{Found, Parameter, Status, table};
use super::ladder::{Ladder, Piece, Point, pieces, sorted};
use super::printed::{Printed, estimate};
use super::read::{Answer, Unit};
use super::world::World;
use crate::margin::rules::SettleGroup;
use crate::margin::tiers::Tiers;
use std::collections::BTreeSet;

const PAIRS: [(SettleGroup, SettleGroup); 3] = [
    (SettleGroup::Usdt, SettleGroup::Usd),
    (SettleGroup::Usdt, SettleGroup::Usdc),
    (SettleGroup::Usdc, SettleGroup::Usd),
];

/// Summed cash delta of each settlement, USD.
fn sums(unit: &Unit) -> [Option<Printed>; 3] {
    SettleGroup::ALL.map(|group| {
        let of_group = unit.legs.iter().filter(|leg| SettleGroup::of(&leg.contract.settle) == group);
        let deltas: Vec<Printed> = of_group.map(|leg| leg.delta).collect();
        if deltas.is_empty() { None } else { estimate(&deltas, |at| Some(at.iter().sum())) }
    })
}

/// MR9 of merged units.
pub(super) fn hedges(world: &World, found: &mut Found) {
    const KEY: &str = "mr9.tiers";
    let mut points = Vec::new();
    let mut price: Option<f64> = None;
    for (answer, unit) in world.delta_one() {
        let [usdt, usdc, usd] = sums(unit);
        // The pair of every ladder: USDT against coin.
        let (Some(a), None, Some(b), Some(y)) = (usdt, usdc, usd, unit.figure("mr9")) else { continue };
        if a.value * b.value >= 0.0 {
            continue;
        }
        let Some(x) = estimate(&[a, b], |at| at.iter().map(|delta| delta.abs()).reduce(f64::min)) else { continue };
        price = price.or_else(|| world.fx(answer, "USDT"));
        points.push(Point { x, y, answer: answer.name.clone() });
    }
    let points = match sorted(points) {
        Ok(points) if points.is_empty() => return,
        Ok(points) => points,
        Err((a, b)) => {
            let parameter = Parameter::new(KEY, Status::Contradiction).from(&BTreeSet::from([a, b]));
            found.put(parameter.note("the same hedge costs two charges"));
            return;
        }
    };
    let answers: BTreeSet<String> = points.iter().map(|point| point.answer.clone()).collect();
    match pieces(&points) {
        Ladder::Broken(why) => found.put(Parameter::new(KEY, Status::Undetermined).from(&answers).note(why)),
        Ladder::Whole(pieces) => {
            let price = price.unwrap_or(1.0);
            let largest = points.last().map_or(0.0, |point| point.x.value);
            let bounds =
                world.base.rules.mr9.tiers.last().map_or(&[][..], |tiers| tiers.rows()).iter().map(|row| row.0);
            found.put(tiers(world, &pieces, price, &answers).reaches(largest, bounds));
            pairs(world, &pieces, price, found);
        }
    }
}

/// The tiers at today's price. A set with prices keeps its rates of others, where today's price is its highest.
fn tiers(world: &World, pieces: &[Piece], price: f64, answers: &BTreeSet<String>) -> Parameter {
    const KEY: &str = "mr9.tiers";
    let base = &world.base.rules.mr9;
    let mut rows: Vec<Vec<f64>> =
        pieces.iter().map(|piece| vec![neat(piece.bound, 1e-15), neat(piece.rate, 1e-15)]).collect();
    let seen = format!("at a price of {price} USD of USDT, {} tiers", pieces.len());
    let Some(highest) = base.prices.last() else {
        let note = format!("{seen}; rates at other prices are not to be seen");
        return Parameter::measured(KEY, table(&rows), answers).note(note).known_to(widest(pieces));
    };
    if price < *highest {
        let shown: Vec<String> = rows.iter().map(|row| super::found::list(row)).collect();
        let note = format!("{seen}: {}; the set has rates at {highest} and below", shown.join(", "));
        return Parameter::new(KEY, Status::Undetermined).from(answers).note(note);
    }
    for row in &mut rows {
        let (bound, rate) = (row.first().copied().unwrap_or(0.0), row.last().copied().unwrap_or(0.0));
        let other = base.tiers.iter().take(base.prices.len().saturating_sub(1));
        let rates = other.map(|table| table.rows().iter().find(|row| row.0 >= bound).map_or(0.0, |row| row.1));
        *row = std::iter::once(bound).chain(rates).chain([rate]).collect();
    }
    let note = format!("{seen}; assumed at lower prices");
    let parameter = Parameter::measured(KEY, table(&rows), answers).note(note);
    Parameter { status: Status::Partly, mark: "M/A", ..parameter }
}

/// Which pairs are matched, and in which order: the one that explains every hedge of three settlements.
fn pairs(world: &World, pieces: &[Piece], price: f64, found: &mut Found) {
    const KEY: &str = "mr9.pairs";
    let rows = pieces.iter().map(|piece| (piece.bound.value, piece.rate.value)).collect();
    let Ok(tiers) = Tiers::new(rows) else { return };
    let mut hedges: Vec<(&Answer, [f64; 3], Printed)> = Vec::new();
    for (answer, unit) in world.delta_one() {
        let sums = sums(unit);
        // Rates at the price of USDC may be others.
        let same_price = sums[1].is_none() || world.base.rules.mr9.prices.is_empty() || {
            let highest = world.base.rules.mr9.prices.last().copied().unwrap_or(0.0);
            price >= highest && world.fx(answer, "USDC").is_some_and(|price| price >= highest)
        };
        if let (true, true, Some(mr9)) = (sums[1].is_some(), same_price, unit.figure("mr9")) {
            hedges.push((answer, sums.map(|sum| sum.map_or(0.0, |sum| sum.value)), mr9));
        }
    }
    if !hedges.iter().any(|(_, sums, _)| sums.iter().all(|sum| *sum != 0.0)) {
        return;
    }
    let explains = |order: &[(SettleGroup, SettleGroup)]| {
        let near = |(_, sums, mr9): &(&Answer, [f64; 3], Printed)| {
            let ours = charge(order, *sums, &tiers);
            (ours - mr9.value).abs() <= mr9.half + 1e-9 * ours
        };
        hedges.iter().all(near)
    };
    let answers: BTreeSet<String> = hedges.iter().map(|(answer, ..)| answer.name.clone()).collect();
    let orders: Vec<Vec<(SettleGroup, SettleGroup)>> = orders().into_iter().filter(|order| explains(order)).collect();
    match orders.as_slice() {
        [] => {
            let parameter = Parameter::new(KEY, Status::Contradiction).from(&answers);
            found.put(parameter.note("no order of pairs, with the tiers of USDT against coin, explains these hedges"));
        }
        [only] => found.put(Parameter::measured(KEY, text(only), &answers)),
        several => {
            let note = format!("{} orders explain all answers", several.len());
            found.put(Parameter::new(KEY, Status::Undetermined).from(&answers).note(note));
        }
    }
}

fn text(order: &[(SettleGroup, SettleGroup)]) -> String {
    let pairs: Vec<String> = order.iter().map(|(a, b)| format!("[{:?}, {:?}]", a.name(), b.name())).collect();
    format!("[{}]", pairs.join(", "))
}

fn orders() -> Vec<Vec<(SettleGroup, SettleGroup)>> {
    let [a, b, c] = PAIRS;
    let three = [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]];
    let two = [[a, b], [b, a], [a, c], [c, a], [b, c], [c, b]];
    let mut all: Vec<Vec<(SettleGroup, SettleGroup)>> = three.iter().map(|order| order.to_vec()).collect();
    all.extend(two.iter().map(|order| order.to_vec()));
    all.extend([vec![a], vec![b], vec![c]]);
    all
}

fn charge(order: &[(SettleGroup, SettleGroup)], mut sums: [f64; 3], tiers: &Tiers) -> f64 {
    let place = |group: SettleGroup| SettleGroup::ALL.iter().position(|other| *other == group).unwrap_or(0);
    let mut all = 0.0;
    for &(a, b) in order {
        let (a, b) = (place(a), place(b));
        let (Some(&first), Some(&second)) = (sums.get(a), sums.get(b)) else { continue };
        if first * second >= 0.0 {
            continue;
        }
        let hedged = first.abs().min(second.abs());
        all += tiers.apply(hedged);
        for place in [a, b] {
            if let Some(sum) = sums.get_mut(place) {
                *sum -= hedged.copysign(*sum);
            }
        }
    }
    all
}
