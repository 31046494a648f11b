//! Parameters that single currencies tell: tiers of borrowing and of discounts, and what their bounds count.

use super::delta_one::{neat, ratio, widest};
use super::found::{Found, Parameter, Status, number, table};
use super::ladder::{Ladder, Piece, Point, pieces, sorted};
use super::printed::{Printed, simplest};
use super::read::fx_told;
use super::world::World;
use crate::margin::tiers::Tiers;
use crate::rules::LoadedRules;
use std::collections::{BTreeMap, BTreeSet};

/// The key of a currency in a group of tables; of one without a table that of all others.
fn key(group: &str, ccy: &str, has_own: bool) -> String {
    let is_bare = ccy.chars().all(|c| c.is_ascii_alphanumeric());
    match (has_own, is_bare) {
        (false, _) => format!("{group}.\"*\""),
        (true, true) => format!("{group}.{ccy}"),
        (true, false) => format!("{group}.{ccy:?}"),
    }
}

/// A debt and its rates.
struct Debt {
    amount: Printed,
    rates: [Printed; 2],
    answer: String,
}

/// A bound between two debts, and the rates below it.
#[derive(Debug, Clone)]
struct Step {
    low: f64,
    high: f64,
    rates: [f64; 2],
    seen: Vec<[Printed; 2]>,
}

/// MR8 tiers of each currency that answers owe alone.
pub(super) fn borrowing(world: &World, found: &mut Found) {
    let mut debts: BTreeMap<String, Vec<Debt>> = BTreeMap::new();
    for answer in &world.answers {
        let held: Vec<_> = answer.assets.iter().filter(|asset| asset.eq.value != 0.0).collect();
        let ([asset], true) = (held.as_slice(), answer.units.is_empty()) else { continue };
        let (Some(eq), Some(mmr), Some(imr)) = (answer.figure("eq"), answer.figure("borrowMmr"), asset.borrow_imr)
        else {
            continue;
        };
        if asset.eq.value >= 0.0 || eq.value >= 0.0 {
            continue;
        }
        let worth = Printed { value: -eq.value, ..eq };
        let amount = Printed { value: -asset.eq.value, ..asset.eq };
        if let (Some(mmr), Some(imr)) = (ratio(mmr, worth), ratio(imr, worth)) {
            let debt = Debt { amount, rates: [mmr, imr], answer: answer.name.clone() };
            debts.entry(asset.ccy.clone()).or_default().push(debt);
        }
    }
    let rules = &world.base.rules.mr8.tiers;
    let mut others = Vec::new();
    for (ccy, debts) in debts {
        let own = rules.lists(&ccy);
        match steps(debts) {
            Ok((steps, answers)) if own => {
                found.put(of_steps(world.base, key("mr8.tiers", &ccy, true), &steps, &answers, 1.0));
            }
            Ok((steps, answers)) => others.push((world.listing.fx(&ccy).unwrap_or(1.0), ccy, steps, answers)),
            Err((a, b)) => {
                let named = BTreeSet::from([a, b]);
                let parameter = Parameter::new(key("mr8.tiers", &ccy, own), Status::Contradiction).from(&named);
                found.put(parameter.note("a smaller debt bears other rates between two that bear the same"));
            }
        }
    }
    other_borrowing(world, others, found);
}

/// Debts in order, as steps of one pair of rates each. Names two answers where rates go up and come back.
fn steps(mut debts: Vec<Debt>) -> Result<(Vec<Step>, BTreeSet<String>), (String, String)> {
    debts.sort_by(|a, b| a.amount.value.total_cmp(&b.amount.value));
    let answers = debts.iter().map(|debt| debt.answer.clone()).collect();
    let mut steps: Vec<Step> = Vec::new();
    let mut last = String::new();
    for debt in &debts {
        let is_same = |step: &Step| step.seen.iter().all(|seen| seen.iter().zip(&debt.rates).all(|(a, b)| a.meets(*b)));
        if let Some(before) = steps.len().checked_sub(2).and_then(|place| steps.get(place))
            && is_same(before)
        {
            return Err((last, debt.answer.clone()));
        }
        match steps.last_mut() {
            Some(step) if is_same(step) => {
                step.low = debt.amount.value;
                step.seen.push(debt.rates);
            }
            before => {
                if let Some(before) = before {
                    before.high = debt.amount.value;
                }
                let amount = debt.amount.value;
                steps.push(Step { low: amount, high: f64::INFINITY, rates: [0.0; 2], seen: vec![debt.rates] });
            }
        }
        last.clone_from(&debt.answer);
    }
    for step in &mut steps {
        for (place, rate) in step.rates.iter_mut().enumerate() {
            let seen = step.seen.iter().filter_map(|seen| seen.get(place));
            let (low, high) = seen.fold((f64::NEG_INFINITY, f64::INFINITY), |(low, high), rate| {
                (low.max(rate.low()), high.min(rate.high()))
            });
            *rate = simplest(low, high);
        }
    }
    Ok((steps, answers))
}

/// A bound is known to the two debts around it. The set's own bound stands if it lies between them.
fn of_steps(base: &LoadedRules, key: String, steps: &[Step], answers: &BTreeSet<String>, scale: f64) -> Parameter {
    const SHARP: f64 = 1e-6;
    let known = bounds_of_base(base, &key);
    let mut rows = Vec::new();
    let mut open = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        let bound = if place + 1 == steps.len() {
            f64::INFINITY
        } else {
            let (low, high) = (step.low * scale, step.high * scale);
            let of_base = known.iter().copied().find(|bound| (low..high).contains(bound));
            if high - low > SHARP * low {
                open.push(format!("bound {} from {} up to {}", place + 1, number(low), number(high)));
            }
            of_base.unwrap_or_else(|| simplest(low, high * (1.0 - 1e-9)))
        };
        rows.push(vec![bound, step.rates[0], step.rates[1]]);
    }
    let most = steps.last().map_or(0.0, |step| step.low * scale);
    let reach = format!(
        "rates of {} tiers, up to a debt of {}; a tier between two debts that were asked for is not seen",
        steps.len(),
        number(most)
    );
    let parameter = Parameter::measured(key, table(&rows), answers);
    let parameter = if open.is_empty() {
        parameter.note(reach)
    } else {
        let note = format!("{reach}; assumed within what the answers allow: {}", open.join(", "));
        Parameter { status: Status::Partly, mark: "M/A", ..parameter }.note(note)
    };
    parameter.reaches(most, known.into_iter())
}

fn bounds_of_base(base: &LoadedRules, key: &str) -> Vec<f64> {
    let ccy = key.trim_start_matches("mr8.tiers.").trim_matches('"');
    base.rules.mr8.tiers.get(ccy).rows().iter().map(|row| row.0).filter(|bound| bound.is_finite()).collect()
}

type Other = (f64, String, Vec<Step>, BTreeSet<String>);

/// Coins without a table of their own: the same bounds in coins, or in USD.
fn other_borrowing(world: &World, others: Vec<Other>, found: &mut Found) {
    const KEY: &str = "mr8.tiers.\"*\"";
    let mut others = others.into_iter();
    let Some((fx, first, steps, mut answers)) = others.next() else { return };
    let Some((other_fx, second, other, more)) = others.next() else {
        let note = format!("only {first} was asked for: bounds in coins and in USD look the same");
        if let [only] = steps.as_slice() {
            found.put(of_steps(world.base, KEY.to_owned(), std::slice::from_ref(only), &answers, 1.0));
        } else {
            found.put(Parameter::new(KEY, Status::Undetermined).from(&answers).note(note));
        }
        return;
    };
    answers.extend(more);
    let same_rates = steps.len() == other.len() && steps.iter().zip(&other).all(|(a, b)| a.rates == b.rates);
    if !same_rates {
        let note = format!(
            "{first} and {second} bear different rates: tables of their own, or ladders that see different tiers"
        );
        found.put(Parameter::new(KEY, Status::Undetermined).from(&answers).note(note));
        return;
    }
    let fits = |in_usd: bool| {
        let (a, b) = if in_usd { (fx, other_fx) } else { (1.0, 1.0) };
        let last = steps.len().saturating_sub(1);
        let meets = |(x, y): (&Step, &Step)| x.low * a < y.high * b && y.low * b < x.high * a;
        steps.iter().zip(&other).take(last).all(meets)
    };
    let in_usd = match (fits(false), fits(true)) {
        _ if steps.len() == 1 => false,
        (true, false) => false,
        (false, true) => true,
        (both, _) => {
            let status = if both { Status::Undetermined } else { Status::Contradiction };
            let note =
                format!("bounds of {first} and {second} allow {} units and USD", if both { "both" } else { "neither" });
            found.put(Parameter::new(KEY, status).from(&answers).note(note));
            return;
        }
    };
    // What both answers allow, in the unit of the bounds.
    let (a, b) = if in_usd { (fx, other_fx) } else { (1.0, 1.0) };
    let joined: Vec<Step> = steps
        .iter()
        .zip(&other)
        .map(|(x, y)| Step { low: (x.low * a).max(y.low * b), high: (x.high * a).min(y.high * b), ..x.clone() })
        .collect();
    if joined.len() > 1 {
        other_bounds(in_usd, &answers, found);
    }
    found.put(of_steps(world.base, KEY.to_owned(), &joined, &answers, 1.0));
}

fn other_bounds(in_usd: bool, answers: &BTreeSet<String>, found: &mut Found) {
    const KEY: &str = "other_bounds";
    let word = if in_usd { "\"usd\"" } else { "\"units\"" };
    let parameter = match found.word(KEY) {
        Some(before) if before != word => {
            let parameter = Parameter::new(KEY, Status::Contradiction).from(answers);
            parameter.note("tables of borrowing and of discounts count in different units")
        }
        _ => Parameter::measured(KEY, word, answers),
    };
    found.put(parameter);
}

/// Discount tiers of each currency that answers hold alone, and of balances.
pub(super) fn discounts(world: &World, found: &mut Found) {
    let mut points: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for answer in &world.answers {
        let held: Vec<_> = answer.assets.iter().filter(|asset| asset.eq.value != 0.0).collect();
        let ([asset], Some(eq)) = (held.as_slice(), answer.figure("eq")) else { continue };
        if asset.eq.value <= 0.0 {
            continue;
        }
        // Options count in equity too; swaps do by their profit, which is in the asset already.
        if answer.units.iter().any(|unit| !unit.is_delta_one()) {
            continue;
        }
        let listed = || world.listing.fx(&asset.ccy).map(|fx| Printed { value: fx, half: 1e-15 * fx });
        let Some(y) = fx_told(answer, &asset.ccy).or_else(listed).and_then(|fx| ratio(eq, fx)) else { continue };
        points.entry(asset.ccy.clone()).or_default().push(Point { x: asset.eq, y, answer: answer.name.clone() });
    }
    for counted in &world.counted {
        let point = Point { x: counted.eq, y: counted.amount, answer: counted.answer.clone() };
        points.entry(counted.ccy.clone()).or_default().push(point);
    }
    let mut others = Vec::new();
    for (ccy, points) in points {
        let own = world.base.rules.discount.lists(&ccy);
        let key = key("discount", &ccy, own);
        let points = match sorted(points) {
            Ok(points) => points,
            Err((a, b)) => {
                let parameter = Parameter::new(key, Status::Contradiction).from(&BTreeSet::from([a, b]));
                found.put(parameter.note(format!("the same amount of {ccy} counts twice differently")));
                continue;
            }
        };
        let fx = world.listing.fx(&ccy).unwrap_or(1.0);
        if !own {
            others.push(Held { ccy, fx, points });
            continue;
        }
        let answers: BTreeSet<String> = points.iter().map(|point| point.answer.clone()).collect();
        found.put(match pieces(&points) {
            Ladder::Whole(pieces) => {
                let largest = points.last().map_or(0.0, |point| point.x.value);
                let bounds = world.base.rules.discount.get(&ccy).rows().iter().map(|row| row.0);
                of_pieces(key, &pieces, points.len(), 1.0, &answers).reaches(largest, bounds)
            }
            Ladder::Broken(why) => {
                let agree = agree(world.base, &ccy, &points, fx);
                let note = format!("{why}; {agree} of {} points are as the set has them", points.len());
                Parameter::new(key, Status::Undetermined).from(&answers).note(note)
            }
        });
    }
    other_discounts(world.base, &others, found);
}

/// A coin without a table of its own, and what counts of its amounts.
struct Held {
    ccy: String,
    fx: f64,
    points: Vec<Point>,
}

/// How many points the table of the set explains.
fn agree(base: &LoadedRules, ccy: &str, points: &[Point], fx: f64) -> usize {
    let rules = &base.rules;
    let in_usd = rules.other_bounds == crate::margin::rules::OtherBounds::Usd && !rules.discount.lists(ccy);
    let scale = if in_usd { fx } else { 1.0 };
    let near = |point: &&Point| {
        let ours = rules.discount.get(ccy).apply(point.x.value * scale) / scale;
        (ours - point.y.value).abs() <= point.y.half + 1e-9 * ours
    };
    points.iter().filter(near).count()
}

fn of_pieces(key: String, pieces: &[Piece], count: usize, scale: f64, answers: &BTreeSet<String>) -> Parameter {
    let row = |piece: &Piece| {
        let bound = Printed { value: piece.bound.value * scale, half: piece.bound.half * scale };
        vec![neat(bound, 1e-15), neat(piece.rate, 0.0)]
    };
    let rows: Vec<Vec<f64>> = pieces.iter().map(row).collect();
    Parameter::measured(key, table(&rows), answers).note(format!("{count} points")).known_to(widest(pieces))
}

/// Coins without a table of their own: one table, with bounds in coins or in USD. The ladder of one coin gives the
/// table, and those of the others say which it is.
fn other_discounts(base: &LoadedRules, others: &[Held], found: &mut Found) {
    const KEY: &str = "discount.\"*\"";
    let answers: BTreeSet<String> = others.iter().flat_map(|it| it.points.iter().map(|it| it.answer.clone())).collect();
    let names: Vec<&str> = others.iter().map(|held| held.ccy.as_str()).collect();
    let open = |note: String| Parameter::new(KEY, Status::Undetermined).from(&answers).note(note);
    let mut fitting: Vec<(bool, Vec<Piece>, f64)> = Vec::new();
    let mut broken = Vec::new();
    for held in others {
        match pieces(&held.points) {
            Ladder::Whole(found) => {
                for in_usd in [false, true] {
                    if others.iter().all(|other| explains(&found, held.fx, other, in_usd)) {
                        fitting.push((in_usd, found.clone(), if in_usd { held.fx } else { 1.0 }));
                    }
                }
            }
            Ladder::Broken(why) => broken.push(format!("{}: {why}", held.ccy)),
        }
    }
    let modes: BTreeSet<bool> = fitting.iter().map(|(in_usd, ..)| *in_usd).collect();
    let Some((in_usd, pieces, scale)) = fitting.into_iter().next() else {
        if !others.is_empty() {
            let why = if broken.len() == others.len() { broken.join("; ") } else { "tables of their own".to_owned() };
            found.put(open(format!("no one table explains {}: {why}", names.join(" and "))));
        }
        return;
    };
    if pieces.len() > 1 && modes.len() > 1 {
        found.put(open(format!("bounds in coins and in USD look the same for {}", names.join(" and "))));
        return;
    }
    if pieces.len() > 1 {
        other_bounds(in_usd, &answers, found);
    }
    let in_unit =
        |held: &Held| held.points.last().map_or(0.0, |point| point.x.value * if in_usd { held.fx } else { 1.0 });
    let largest = others.iter().map(in_unit).fold(0.0, f64::max);
    let bounds = base.rules.discount.get("*").rows().iter().map(|row| row.0);
    found.put(of_pieces(KEY.to_owned(), &pieces, answers.len(), scale, &answers).reaches(largest, bounds));
}

/// True if the table of a coin of price `fx` explains every point of another one.
fn explains(pieces: &[Piece], fx: f64, other: &Held, in_usd: bool) -> bool {
    const NEAR: f64 = 1e-8;
    let scale = if in_usd { fx / other.fx } else { 1.0 };
    let rows = pieces.iter().map(|piece| (piece.bound.value * scale, piece.rate.value.max(0.0)));
    let Ok(tiers) = Tiers::new(rows.collect()) else { return false };
    other.points.iter().all(|point| {
        let ours = tiers.apply(point.x.value);
        (ours - point.y.value).abs() <= point.y.half + NEAR * ours
    })
}
