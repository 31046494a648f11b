//! The table of volatility shifts, `max(points(T), relative(T) v)`, out of shifts at single days and volatilities.

use super::found::{Found, Parameter, Status, list};
use super::printed::{Printed, estimate, simplest};
use crate::rules::LoadedRules;
use std::collections::{BTreeMap, BTreeSet};

/// The shift of one straddle.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ShiftAt {
    pub days: f64,
    pub vol: f64,
    /// From the volatility to the one after a rise.
    pub width: Printed,
    /// The volatility after a fall.
    pub fallen: Option<Printed>,
    pub expiry_ms: i64,
    pub strike: f64,
    pub base: String,
    pub answer: String,
}

impl ShiftAt {
    pub fn is_of(&self, expiry_ms: Option<i64>, strike: f64) -> bool {
        Some(self.expiry_ms) == expiry_ms && self.strike.to_bits() == strike.to_bits()
    }
}

/// What one expiry tells: points and share, each a value or a bound from above.
#[derive(Debug, Clone, Copy)]
struct Level {
    days: f64,
    points: Result<Printed, f64>,
    relative: Result<Printed, f64>,
}

const SAME: f64 = 1e-9;
/// A shift that is known to this part of itself.
const SHARP: f64 = 1e-6;

/// The levels of each expiry. Two straddles of different volatility with the same shift show that points bind; two
/// with the same share of their volatility show that the share binds.
fn levels(shifts: &[ShiftAt]) -> Vec<Level> {
    let mut expiries: BTreeMap<i64, Vec<Seen>> = BTreeMap::new();
    for at in shifts {
        let seen = Seen { days: at.days, vol: at.vol, figure: at.width };
        expiries.entry(at.expiry_ms).or_default().push(seen);
    }
    let level = |widths: &Vec<Seen>| {
        let share = |seen: &Seen| {
            let share = estimate(&[seen.figure], |width| Some(width.first()? / seen.vol));
            Seen { figure: share.unwrap_or(Printed::exact(f64::NAN)), ..*seen }
        };
        let shares: Vec<Seen> = widths.iter().map(share).collect();
        let days = widths.first().map_or(0.0, |seen| seen.days);
        Level { days, points: agreed(widths), relative: agreed(&shares) }
    };
    expiries.values().map(level).collect()
}

/// A figure of a straddle: its shift, or the share of its volatility.
#[derive(Debug, Clone, Copy)]
struct Seen {
    days: f64,
    vol: f64,
    figure: Printed,
}

/// Shifts change by less than this a day; answers to one expiry may be seconds apart.
const MOST_A_DAY: f64 = 0.02;

/// The least of some figures, if two straddles of different volatility share it; else the least, as a bound.
fn agreed(figures: &[Seen]) -> Result<Printed, f64> {
    let least = figures.iter().min_by(|a, b| a.figure.value.total_cmp(&b.figure.value));
    let Some(least) = least else { return Err(f64::INFINITY) };
    let near = |seen: &&Seen| {
        let slack = SAME * least.figure.value + seen.figure.half + MOST_A_DAY * (seen.days - least.days).abs();
        (seen.vol - least.vol).abs() > 0.01 * least.vol && (seen.figure.value - least.figure.value).abs() <= slack
    };
    if figures.iter().any(|seen| near(&seen)) { Ok(least.figure) } else { Err(least.figure.high()) }
}

/// Knots of a table that is straight between them and level outside.
#[derive(Debug, Clone, PartialEq)]
struct Curve {
    knots: Vec<(f64, f64)>,
    /// Every piece has points enough; otherwise the knots are the expiries themselves.
    is_whole: bool,
}

impl Curve {
    fn at(&self, days: f64) -> f64 {
        interpolate(&self.knots, days)
    }
}

fn interpolate(knots: &[(f64, f64)], days: f64) -> f64 {
    for pair in knots.windows(2) {
        if let [(left, low), (right, high)] = pair {
            if days <= *left {
                return *low;
            }
            if days < *right {
                return low + (high - low) * (days - left) / (right - left);
            }
        }
    }
    knots.last().map_or(f64::NAN, |last| last.1)
}

/// A line through points: the place of its first and last, value at zero and slope.
#[derive(Debug, Clone, Copy)]
struct Line {
    first: usize,
    last: usize,
    at_zero: f64,
    slope: f64,
}

/// The curve behind levels at some days. Pieces need three points, the level one at the end two.
fn curve(points: &[(f64, f64)]) -> Curve {
    let as_they_are = Curve { knots: points.to_vec(), is_whole: false };
    let scale = points.iter().map(|point| point.1.abs()).fold(0.0, f64::max);
    let Some(lines) = lines(points, scale) else { return as_they_are };
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return as_they_are };
    // Beyond the last expiry nothing is known but a level that two of them share.
    if last.slope != 0.0 {
        return as_they_are;
    }
    let mut knots = Vec::new();
    if first.slope != 0.0 {
        knots.push((0.0, simplest(first.at_zero - 1e-11 * scale, first.at_zero + 1e-11 * scale)));
    }
    for pair in lines.windows(2) {
        if let [a, b] = pair {
            let days = (b.at_zero - a.at_zero) / (a.slope - b.slope);
            let ends = (points.get(a.last), points.get(b.first));
            let (Some((low, _)), Some((high, _))) = ends else { return as_they_are };
            let slack = 1e-7 * high;
            if !(low - slack..=high + slack).contains(&days) {
                return as_they_are;
            }
            let days = simplest(days - 1e-9 * days, days + 1e-9 * days);
            let value = a.at_zero + a.slope * days;
            knots.push((days, simplest(value - 1e-10 * scale, value + 1e-10 * scale)));
        }
    }
    if knots.is_empty() {
        knots.push((0.0, simplest(first.at_zero - 1e-11 * scale, first.at_zero + 1e-11 * scale)));
    }
    Curve { knots, is_whole: true }
}

/// Lines through all points but one interval between neighbours. `None` where points are left over.
fn lines(points: &[(f64, f64)], scale: f64) -> Option<Vec<Line>> {
    let through = |first: usize, last: usize| {
        let ((x0, y0), (x1, y1)) = (*points.get(first)?, *points.get(last)?);
        let slope = (y1 - y0) / (x1 - x0);
        // Level to the accuracy of the shifts.
        let slope = if (y1 - y0).abs() <= SAME * scale { 0.0 } else { slope };
        Some(Line { first, last, at_zero: y0 - slope * x0, slope })
    };
    let fits = |line: &Line, place: usize| {
        points.get(place).is_some_and(|(x, y)| (line.at_zero + line.slope * x - y).abs() <= SAME * scale)
    };
    let mut found: Vec<Line> = Vec::new();
    let mut first = 0;
    while first + 1 < points.len() {
        let mut last = first + 1;
        while last + 1 < points.len()
            && through(first, last + 1).is_some_and(|line| (first..=last).all(|at| fits(&line, at)))
        {
            last += 1;
        }
        let line = through(first, last)?;
        let is_level_end = line.slope == 0.0 && last + 1 == points.len();
        if last - first >= 2 || is_level_end {
            found.push(line);
            first = last;
        } else {
            // An interval with a knot in it, if the next line begins at its end.
            first += 1;
        }
    }
    let is_begun = found.first()?.first == 0;
    let is_ended = found.last()?.last + 1 == points.len();
    let joined = found.windows(2).all(|pair| matches!(pair, [a, b] if b.first <= a.last + 1));
    (is_begun && is_ended && joined).then_some(found)
}

/// The keys of the table, and the floor of a falling volatility.
pub(super) fn table(base: &LoadedRules, shifts: &[ShiftAt], found: &mut Found) {
    floor(shifts, found);
    // Marks of few digits tell too little.
    let sharp: Vec<ShiftAt> = shifts.iter().filter(|at| at.width.relative() <= SHARP).cloned().collect();
    if sharp.is_empty() && !shifts.is_empty() {
        let note = "the digits of the marks leave a shift open by more than a millionth";
        for key in ["mr1.vol_days", "mr1.vol_points", "mr1.vol_relative"] {
            found.put(Parameter::new(key, Status::Undetermined).note(note));
        }
        return;
    }
    let (shifts, levels) = (sharp.as_slice(), levels(&sharp));
    if levels.is_empty() {
        return;
    }
    let answers: BTreeSet<String> = shifts.iter().map(|at| at.answer.clone()).collect();
    let seen = |of: fn(&Level) -> Result<Printed, f64>| {
        let points: Option<Vec<(f64, f64)>> = levels.iter().map(|at| Some((at.days, of(at).ok()?.value))).collect();
        points.map(|points| curve(&points))
    };
    let (points, relative) = (seen(|at| at.points), seen(|at| at.relative));
    if points.is_none() && relative.is_none() {
        let note = "no expiry has two volatilities that show which part of the shift binds";
        for key in ["mr1.vol_points", "mr1.vol_relative"] {
            found.put(Parameter::new(key, Status::Undetermined).from(&answers).note(note));
        }
        return;
    }
    let mr1 = &base.rules.mr1;
    let of_base = |values: &[f64], bound: fn(&Level) -> Result<Printed, f64>| {
        let table: Vec<(f64, f64)> = mr1.vol_days.iter().copied().zip(values.iter().copied()).collect();
        // What is not seen is as in the set, but not above what the shifts allow.
        let knots: Vec<(f64, f64)> =
            levels.iter().map(|at| (at.days, cut(interpolate(&table, at.days), bound(at)))).collect();
        Curve { knots, is_whole: false }
    };
    let curves = [
        ("mr1.vol_points", points.clone(), of_base(&mr1.vol_points, |at| at.points)),
        ("mr1.vol_relative", relative.clone(), of_base(&mr1.vol_relative, |at| at.relative)),
    ];
    let used: Vec<Curve> =
        curves.iter().map(|(_, seen, assumed)| seen.clone().unwrap_or_else(|| assumed.clone())).collect();
    let days = knots_of(&used);
    for ((key, seen, _), curve) in curves.iter().zip(&used) {
        let values: Vec<f64> = days.iter().map(|at| tidy(curve.at(*at))).collect();
        let (status, mark, note) = match seen {
            Some(curve) if curve.is_whole => (Status::Measured, "M", "straight pieces through every expiry"),
            Some(_) => (Status::Partly, "M", "exact at the expiries of the answers; not known between and beyond them"),
            None => (
                Status::Undetermined,
                "A",
                "the other part of the shift binds at some expiries: as in the set, or as much as the answers allow",
            ),
        };
        let parameter = Parameter::measured(*key, list(&values), &answers).note(note);
        found.put(Parameter { status, mark, ..parameter });
    }
    let is_whole = used.iter().all(|curve| curve.is_whole);
    let status = if is_whole { Status::Measured } else { Status::Partly };
    let note = if is_whole { "knots of both tables" } else { "expiries of the answers among them" };
    found.put(Parameter { status, ..Parameter::measured("mr1.vol_days", list(&days), &answers).note(note) });
}

fn cut(value: f64, bound: Result<Printed, f64>) -> f64 {
    match bound {
        Ok(seen) => seen.value,
        Err(most) => value.min(most),
    }
}

fn tidy(value: f64) -> f64 {
    simplest(value - 1e-10 * value.abs(), value + 1e-10 * value.abs())
}

/// The knots of both tables, in order, each once.
fn knots_of(curves: &[Curve]) -> Vec<f64> {
    let mut days: Vec<f64> = curves.iter().flat_map(|curve| curve.knots.iter().map(|knot| knot.0)).collect();
    days.sort_by(f64::total_cmp);
    days.dedup_by(|a, b| (*a - *b).abs() <= 1e-7 * b.abs());
    days
}

/// `mr1.vol_floor`: the volatility at which a fall stops short of its shift.
fn floor(shifts: &[ShiftAt], found: &mut Found) {
    const KEY: &str = "mr1.vol_floor";
    let mut most: Option<(f64, String)> = None;
    for at in shifts {
        let Some(fallen) = at.fallen else { continue };
        let full = at.vol - at.width.value;
        if fallen.value > full + 1e-7 + fallen.half + at.width.half {
            // A volatility that does not fall at all lies below the floor.
            if fallen.value < at.vol * (1.0 - 1e-6) {
                found.observe(KEY, Some(fallen), &at.answer);
            }
        } else if most.as_ref().is_none_or(|(least, _)| fallen.high() < *least) {
            most = Some((fallen.high(), at.answer.clone()));
        }
    }
    if let (None, Some((bound, answer))) = (found.range(KEY), most) {
        let note = format!("at most {bound:.6}: in {answer} a volatility falls so low");
        let parameter = Parameter::new(KEY, Status::Undetermined).note(note);
        found.put(Parameter { range: Some((0.0, bound)), ..parameter });
    }
}
