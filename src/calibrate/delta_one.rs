//! Parameters that swaps and futures tell: units, moves, classes, basis, extreme move, minimum charge, fee.

use super::found::{Found, Parameter, Status};
use super::ladder::{Ladder, Piece, Point, pieces, sorted};
use super::printed::{Printed, estimate, simplest};
use super::read::{Answer, Leg, MS_A_YEAR, Unit};
use super::world::World;
use crate::listing::Kind;
use crate::margin::rules::Class;
use std::collections::{BTreeMap, BTreeSet};

/// `risk_unit`, from the names of units. `true` for merged units.
pub(super) fn risk_unit(world: &World, found: &mut Found) -> Option<bool> {
    let mut modes: BTreeMap<bool, BTreeSet<String>> = BTreeMap::new();
    for (answer, unit) in world.units().filter(|(_, unit)| !unit.name.is_empty()) {
        modes.entry(!unit.name.contains('-')).or_default().insert(answer.name.clone());
    }
    let name = |merged: bool| if merged { "\"merged\"" } else { "\"separate\"" };
    let (&merged, answers) = modes.first_key_value()?;
    if modes.len() > 1 {
        let named = modes.values().filter_map(|answers| answers.first().cloned()).collect();
        let parameter = Parameter::new("risk_unit", Status::Contradiction).from(&named);
        found.put(parameter.note("one names units by the underlying, the other by the coin"));
        return None;
    }
    found.put(Parameter::measured("risk_unit", name(merged), answers));
    Some(merged)
}

/// `imr_multiplier`, from every unit.
pub(super) fn imr_multiplier(world: &World, found: &mut Found) {
    for (answer, unit) in world.units() {
        if let (Some(imr), Some(mmr)) = (unit.figure("imr"), unit.figure("mmr"))
            && mmr.value > 0.0
        {
            found.observe("imr_multiplier", ratio(imr, mmr), &answer.name);
        }
    }
}

pub(super) fn ratio(top: Printed, bottom: Printed) -> Option<Printed> {
    estimate(&[top, bottom], |at| match at {
        [top, bottom] if *bottom != 0.0 => Some(top / bottom),
        _ => None,
    })
}

/// Classes of MR1, and their price moves.
pub(super) fn moves(world: &mut World, found: &mut Found) {
    let mut seen: BTreeMap<String, Vec<(Vec<u64>, String)>> = BTreeMap::new();
    for (answer, unit) in world.units().filter(|(_, unit)| unit.moves.len() > 1) {
        let moves = unit.moves.iter().map(|step| step.to_bits()).collect();
        seen.entry(unit.base().to_owned()).or_default().push((moves, answer.name.clone()));
    }
    let mut groups: BTreeMap<Vec<u64>, BTreeSet<String>> = BTreeMap::new();
    for (base, moves) in &seen {
        let Some((first, answer)) = moves.first() else { continue };
        if let Some((_, other)) = moves.iter().find(|(other, _)| other != first) {
            let named = BTreeSet::from([answer.clone(), other.clone()]);
            let key = format!("mr1.price.{}", world.class_mr1(base).name());
            let note = format!("{base} has two lists of moves");
            found.put(Parameter::new(key, Status::Contradiction).from(&named).note(note));
            continue;
        }
        groups.entry(first.clone()).or_default().insert(base.clone());
    }
    let groups: Vec<(Vec<u64>, BTreeSet<String>)> = groups.into_iter().collect();
    let bases: Vec<BTreeSet<String>> = groups.iter().map(|(_, bases)| bases.clone()).collect();
    let all: BTreeSet<String> = world.units().map(|(answer, _)| answer.name.clone()).collect();
    let Some(labels) = super::classes::assign(world, "mr1", &bases, &all, found) else { return };
    for ((moves, bases), class) in groups.iter().zip(labels) {
        let moves: Vec<f64> = moves.iter().map(|bits| f64::from_bits(*bits)).collect();
        let of_group = |(_, answer): &(Vec<u64>, String)| answer.clone();
        let answers = bases.iter().filter_map(|base| seen.get(base)).flatten().map(of_group).collect();
        let key = format!("mr1.price.{}", class.name());
        found.put(Parameter::measured(key, super::found::list(&moves), &answers));
        world.mr1_class.extend(bases.iter().map(|base| (base.clone(), class)));
    }
}

/// USD that a unit of perpetuals, or of one expiry, has in its only bucket of MR4; `None` for several buckets, or where
/// spot hedges.
fn one_bucket(world: &World, answer: &Answer, unit: &Unit) -> Option<Printed> {
    let expiry = |leg: &Leg| leg.contract.expiry_ms.filter(|_| !world.is_perpetual(leg));
    let first = expiry(unit.legs.first()?);
    if answer.spot(unit.base()) != 0.0 || unit.legs.iter().any(|leg| expiry(leg) != first) {
        return None;
    }
    let deltas: Vec<Printed> = unit.legs.iter().map(|leg| leg.delta).collect();
    let sum = estimate(&deltas, |at| Some(at.iter().sum::<f64>().abs()))?;
    let gross: f64 = deltas.iter().map(|delta| delta.value.abs()).sum();
    // What is left of a hedge is mostly rounding.
    (sum.value > 1e-3 * gross).then(|| sum.among(gross))
}

/// The same, of perpetuals alone.
fn of_swaps(world: &World, answer: &Answer, unit: &Unit) -> Option<Printed> {
    let is_swap = |leg: &Leg| leg.contract.expiry_ms.is_none();
    unit.legs.iter().all(is_swap).then(|| one_bucket(world, answer, unit))?
}

/// Classes of MR4, MR6 and MR7: coins whose small swaps have the same extreme move, floor and minimum charge.
pub(super) fn classes(world: &mut World, found: &mut Found) {
    struct Seen {
        notional: f64,
        figures: [Printed; 3],
        answer: String,
    }
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    for (answer, unit) in world.delta_one() {
        let (Some((shock, _)), Some(delta)) = (unit.extreme, of_swaps(world, answer, unit)) else { continue };
        let (Some(mr4), Some(mr7), Some(notional)) = (unit.figure("mr4"), unit.figure("mr7"), raw(unit)) else {
            continue;
        };
        let (Some(floor), Some(charge)) = (ratio(mr4, delta), ratio(mr7, notional)) else { continue };
        let held =
            Seen { notional: notional.value, figures: [size(shock), floor, charge], answer: answer.name.clone() };
        match seen.get(unit.base()) {
            Some(before) if before.notional <= held.notional => {}
            _ => {
                seen.insert(unit.base().to_owned(), held);
            }
        }
    }
    let mut groups: Vec<(BTreeSet<String>, [Printed; 3])> = Vec::new();
    for (base, held) in &seen {
        let is_same = |figures: &[Printed; 3]| {
            // Two rates that differ by less than this are no two classes.
            let near = |(a, b): (&Printed, &Printed)| a.meets(*b) || (a.value - b.value).abs() <= 1e-9 * a.value.abs();
            figures.iter().zip(&held.figures).all(near)
        };
        match groups.iter_mut().find(|(_, figures)| is_same(figures)) {
            Some((bases, _)) => {
                bases.insert(base.clone());
            }
            None => groups.push((BTreeSet::from([base.clone()]), held.figures)),
        }
    }
    let answers: BTreeSet<String> = seen.values().map(|held| held.answer.clone()).collect();
    let bases: Vec<BTreeSet<String>> = groups.into_iter().map(|(bases, _)| bases).collect();
    let Some(labels) = super::classes::assign(world, "mr4_mr6_mr7", &bases, &answers, found) else { return };
    for (bases, class) in bases.iter().zip(labels) {
        world.mr467_class.extend(bases.iter().map(|base| (base.clone(), class)));
    }
}

/// MR4 and MR6.
pub(super) fn basis_and_extreme(world: &World, found: &mut Found) {
    for (answer, unit) in world.delta_one() {
        let class = world.class_mr467(unit.base()).name();
        if let (Some((shock, pnl)), Some(mr6)) = (unit.extreme, unit.figure("mr6"))
            && pnl.value < 0.0
        {
            found.observe(format!("mr6.price.{class}"), Some(size(shock)), &answer.name);
            found.observe("mr6.charge", ratio(mr6, Printed { value: -pnl.value, ..pnl }), &answer.name);
        }
        if let (Some(mr4), Some(delta)) = (unit.figure("mr4"), of_swaps(world, answer, unit)) {
            found.observe(format!("mr4.floor.{class}"), ratio(mr4, delta), &answer.name);
        }
    }
    futures(world, found);
    spot_bucket(world, found);
}

/// Without its sign.
fn size(figure: Printed) -> Printed {
    Printed { value: figure.value.abs(), ..figure }
}

/// `mr4.annualized` from futures above the floor, and whether some are perpetuals.
fn futures(world: &World, found: &mut Found) {
    let mut most: BTreeMap<Class, (f64, String)> = BTreeMap::new();
    let mut like: Vec<(String, Class, Printed, f64)> = Vec::new();
    for (answer, unit) in world.delta_one() {
        let [leg] = unit.legs.as_slice() else { continue };
        let class = world.class_mr467(unit.base());
        let (Some(mr4), years) = (unit.figure("mr4"), leg.years(answer.ts_ms)) else { continue };
        let Some(rate) = one_bucket(world, answer, unit).and_then(|delta| ratio(mr4, delta)) else { continue };
        if years == 0.0 {
            continue;
        }
        if world.is_perpetual(leg) {
            like.push((answer.name.clone(), class, rate, years));
            continue;
        }
        let Some(floor) = found.range(&format!("mr4.floor.{}", class.name())) else { continue };
        // The time is printed to a millisecond.
        let time = Printed { value: years, half: 0.5 / MS_A_YEAR };
        let key = format!("mr4.annualized.{}", class.name());
        let Some(annual) = ratio(rate, time) else { continue };
        if rate.low() > floor.high() {
            found.observe(key, Some(annual), &answer.name);
        } else {
            let bound = most.entry(class).or_insert_with(|| (annual.high(), answer.name.clone()));
            bound.0 = bound.0.min(annual.high());
        }
    }
    for (class, (bound, answer)) in most {
        let key = format!("mr4.annualized.{}", class.name());
        if found.range(&key).is_none() {
            let note = format!("at most {bound:.6}: the floor of {answer} is higher");
            let parameter = Parameter::new(key, Status::Undetermined);
            found.put(Parameter { range: Some((0.0, bound)), ..parameter }.note(note));
        }
    }
    perpetual_like(world, &like, found);
}

fn perpetual_like(world: &World, like: &[(String, Class, Printed, f64)], found: &mut Found) {
    const KEY: &str = "mr4.perpetual_like";
    let (mut at_floor, mut by_year) = (BTreeSet::new(), BTreeSet::new());
    for (answer, class, rate, years) in like {
        let range = |key: &str| found.range(&format!("mr4.{key}.{}", class.name()));
        let (Some(floor), Some(annual)) = (range("floor"), range("annualized")) else { continue };
        // Where the floor is higher anyway, nothing is to be seen.
        if annual.value * years > floor.high() {
            let is_floor = rate.meets(Printed { half: floor.half + 1e-12 * floor.value, ..floor });
            (if is_floor { &mut at_floor } else { &mut by_year }).insert(answer.clone());
        }
    }
    let names: Vec<String> = world.base.rules.mr4.perpetual_like.iter().map(|name| format!("{name:?}")).collect();
    match (at_floor.is_empty(), by_year.is_empty()) {
        (false, true) => found.put(Parameter::measured(KEY, format!("[{}]", names.join(", ")), &at_floor)),
        (true, false) => found.put(Parameter::measured(KEY, "[]", &by_year)),
        (false, false) => {
            let named = at_floor.first().into_iter().chain(by_year.first()).cloned().collect();
            let parameter = Parameter::new(KEY, Status::Contradiction).from(&named);
            found.put(parameter.note("one future pays the floor, the other by the year"));
        }
        (true, true) => {}
    }
}

/// Whether spot in use is a bucket of MR4: from a swap that spot hedges in part.
fn spot_bucket(world: &World, found: &mut Found) {
    const KEY: &str = "mr4.spot_bucket";
    let mut sides: BTreeMap<bool, BTreeSet<String>> = BTreeMap::new();
    for (answer, unit) in world.delta_one() {
        let spot = answer.spot(unit.base());
        let floor = found.range(&format!("mr4.floor.{}", world.class_mr467(unit.base()).name()));
        let (Some(mr4), Some(floor), [leg]) = (unit.figure("mr4"), floor, unit.legs.as_slice()) else { continue };
        if spot == 0.0 || leg.contract.kind != Kind::Linear || leg.contract.expiry_ms.is_some() {
            continue;
        }
        let (swap, of_spot) = (floor.value * leg.delta.value.abs(), floor.value * (spot * leg.mark.value).abs());
        let excess = mr4.value - swap;
        // Index and mark differ by a little, so that the charge of spot is known to about a percent.
        let is_bucket = (excess - of_spot).abs() < 0.05 * of_spot;
        if is_bucket || excess.abs() < 1e-6 * swap {
            sides.entry(is_bucket).or_default().insert(answer.name.clone());
        } else {
            let note = format!("MR4 of {} is neither with nor without spot", answer.name);
            let named = BTreeSet::from([answer.name.clone()]);
            found.put(Parameter::new(KEY, Status::Contradiction).from(&named).note(note));
            return;
        }
    }
    let named: BTreeSet<String> = sides.values().filter_map(|answers| answers.first().cloned()).collect();
    match sides.len() {
        0 => {}
        1 => {
            for (is_bucket, answers) in &sides {
                found.put(Parameter::measured(KEY, is_bucket.to_string(), answers));
            }
        }
        _ => found.put(Parameter::new(KEY, Status::Contradiction).from(&named).note("one with spot, one without")),
    }
}

/// Sum of the absolute notionals, USD.
fn raw(unit: &Unit) -> Option<Printed> {
    let deltas: Vec<Printed> = unit.legs.iter().map(|leg| leg.delta).collect();
    estimate(&deltas, |at| Some(at.iter().map(|delta| delta.abs()).sum::<f64>())).filter(|sum| sum.value > 0.0)
}

/// MR7: rate and tiers of each class. The first multiplier is that of the set: rate and multipliers are known as a
/// product alone.
pub(super) fn minimum_charge(world: &World, found: &mut Found) {
    let mut points: BTreeMap<Class, Vec<Point>> = BTreeMap::new();
    for (answer, unit) in world.delta_one() {
        if let (Some(x), Some(y)) = (raw(unit), unit.figure("mr7")) {
            let point = Point { x, y, answer: answer.name.clone() };
            points.entry(world.class_mr467(unit.base())).or_default().push(point);
        }
    }
    for (class, points) in points {
        let (tiers_key, rate_key) = (format!("mr7.tiers.{}", class.name()), format!("mr7.delta_one.{}", class.name()));
        let first = world.base.rules.mr7.tiers.get(class).rows().first().map_or(1.0, |row| row.1);
        let points = match sorted(points) {
            Ok(points) => points,
            Err((a, b)) => {
                let named = BTreeSet::from([a, b]);
                let note = "the same size costs two charges";
                found.put(Parameter::new(tiers_key, Status::Contradiction).from(&named).note(note));
                continue;
            }
        };
        let answers: BTreeSet<String> = points.iter().map(|point| point.answer.clone()).collect();
        match pieces(&points) {
            Ladder::Whole(pieces) => {
                let Some(lowest) = pieces.first().map(|piece| piece.rate) else { continue };
                let rate = Printed { value: lowest.value / first, half: lowest.half / first };
                let name = points.first().map(|point| point.answer.as_str()).unwrap_or_default();
                found.observe(rate_key, Some(rate), name);
                let row = |piece: &Piece| {
                    let bound = Printed { value: piece.bound.value * rate.value, half: piece.bound.half * rate.value };
                    vec![neat(bound, rate.relative()), neat(ratio(piece.rate, rate).unwrap_or(piece.rate), 0.0)]
                };
                let rows: Vec<Vec<f64>> = pieces.iter().map(row).collect();
                let note = format!("{} points; the first multiplier is that of the set", points.len());
                let parameter = Parameter::measured(tiers_key, super::found::table(&rows), &answers);
                let largest = points.last().map_or(0.0, |point| point.x.value) * rate.value;
                let bounds = world.base.rules.mr7.tiers.get(class).rows().iter().map(|row| row.0);
                found.put(parameter.note(note).known_to(widest(&pieces)).reaches(largest, bounds));
            }
            Ladder::Broken(why) => {
                found.put(Parameter::new(tiers_key, Status::Undetermined).from(&answers).note(why));
                // The smallest sizes lie in the first tier, if two of them agree.
                if let [a, b, ..] = points.as_slice()
                    && let (Some(a_rate), Some(b_rate)) = (ratio(a.y, a.x), ratio(b.y, b.x))
                    && a_rate.meets(b_rate)
                {
                    let of = |rate: Printed| Printed { value: rate.value / first, half: rate.half / first };
                    found.observe(rate_key.clone(), Some(of(a_rate)), &a.answer);
                    found.observe(rate_key, Some(of(b_rate)), &b.answer);
                }
            }
        }
    }
}

/// The widest range of a table, in parts of the value.
pub(super) fn widest(pieces: &[Piece]) -> f64 {
    pieces.iter().map(Piece::relative).fold(0.0, f64::max)
}

/// The simplest number in a range that is widened by a relative error.
pub(super) fn neat(value: Printed, relative: f64) -> f64 {
    if value.value.is_infinite() {
        return value.value;
    }
    let half = value.half + relative * value.value.abs();
    simplest(value.value - half, value.value + half)
}

/// Fees: what the margin ratio holds besides MMR.
pub(super) fn fees(world: &World, found: &mut Found) {
    for answer in &world.answers {
        let figures = ["eq", "marginRatio", "totalMmr", "borrowMmr"].map(|name| answer.figure(name));
        let [Some(eq), Some(share), Some(mmr), borrow] = figures else { continue };
        if share.value == 0.0 {
            continue;
        }
        let fee = |at: &[f64]| match at {
            [eq, share, mmr, ..] => Some(eq / share - mmr),
            _ => None,
        };
        let gross = (eq.value / share.value).abs() + mmr.value;
        let debts: Vec<_> = answer.assets.iter().filter(|asset| asset.eq.value < 0.0).collect();
        if debts.is_empty() {
            let only = !answer.units.is_empty() && answer.units.iter().all(Unit::is_delta_one);
            let deltas: Vec<Printed> =
                answer.units.iter().flat_map(|unit| unit.legs.iter().map(|leg| leg.delta)).collect();
            let notional = estimate(&deltas, |at| Some(at.iter().map(|delta| delta.abs()).sum()));
            if let (true, Some(notional)) = (only, notional.filter(|notional| notional.value > 0.0)) {
                let found_fee = estimate(&[eq, share, mmr.among(gross), notional], |at| Some(fee(at)? / at.get(3)?));
                found.observe("liquidation_fee.derivatives", found_fee, &answer.name);
            }
        } else if answer.units.is_empty() && answer.assets.iter().all(|asset| asset.eq.value <= 0.0) {
            let Some(borrow) = borrow else { continue };
            // Without assets the equity is the debt: fee = (debt + its MMR) x rate.
            let rate = estimate(&[eq, share, mmr.among(gross), borrow], |at| match at {
                [debt, _, _, borrow] => Some(fee(at)? / (borrow - debt)),
                _ => None,
            });
            found.observe("mr8.fee_rate", rate, &answer.name);
        }
    }
}
