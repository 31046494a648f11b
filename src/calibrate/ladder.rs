//! Tiers out of a ladder of amounts: straight pieces, and the bounds where they meet.

use super::printed::{Printed, estimate};

/// A point of a ladder: an amount, and what it costs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub x: Printed,
    pub y: Printed,
    pub answer: String,
}

/// A tier: where it ends, and its rate. The last one ends nowhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Piece {
    pub bound: Printed,
    pub rate: Printed,
}

impl Piece {
    /// The wider of both ranges, in parts of the value.
    pub fn relative(&self) -> f64 {
        let of_bound = if self.bound.value.is_finite() { self.bound.relative() } else { 0.0 };
        // A rate of zero is known by what it adds.
        let of_rate = if self.rate.value.abs() <= self.rate.half { self.rate.half } else { self.rate.relative() };
        of_bound.max(of_rate)
    }
}

/// What a ladder tells.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ladder {
    /// Every piece has three points or more, and neighbours meet between two points.
    Whole(Vec<Piece>),
    /// Not every piece is seen: why, and where.
    Broken(String),
}

/// Amounts nearer than this, in parts of themselves, count once.
const NEAREST: f64 = 1e-6;

/// The points in order, each amount once. Two answers to one amount that differ are a contradiction: their names.
pub(super) fn sorted(mut points: Vec<Point>) -> Result<Vec<Point>, (String, String)> {
    points.sort_by(|a, b| a.x.value.total_cmp(&b.x.value));
    let mut kept: Vec<Point> = Vec::new();
    for point in points {
        match kept.last() {
            Some(last) if last.x.meets(point.x) => {
                // The amounts may differ within their digits, and the cost with them.
                let slack = point.x.half + last.x.half;
                let cost = Printed { half: point.y.half + 100.0 * slack, ..point.y };
                if !last.y.meets(cost) {
                    return Err((last.answer.clone(), point.answer));
                }
            }
            // Two amounts that are nearly the same say nothing of a slope.
            Some(last) if point.x.value - last.x.value <= NEAREST * point.x.value => {}
            _ => kept.push(point),
        }
    }
    Ok(kept)
}

/// A run of points on one line: its first and last place.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: usize,
    last: usize,
}

/// The straight pieces of a function that begins at zero. `points` are in order, without zero.
pub(super) fn pieces(points: &[Point]) -> Ladder {
    let zero = Point { x: Printed::exact(0.0), y: Printed::exact(0.0), answer: String::new() };
    let all: Vec<Point> = std::iter::once(zero).chain(points.iter().cloned()).collect();
    let runs = match runs(&all) {
        Ok(runs) => runs,
        Err(broken) => return Ladder::Broken(broken),
    };
    let mut found = Vec::new();
    for (place, run) in runs.iter().enumerate() {
        let Some(rate) = slope(&all, run.first, run.last) else {
            return Ladder::Broken("amounts that are the same".to_owned());
        };
        let bound = match runs.get(place + 1) {
            None => Printed::exact(f64::INFINITY),
            Some(next) => match meeting(&all, run, next) {
                Ok(bound) => bound,
                Err(broken) => return Ladder::Broken(broken),
            },
        };
        found.push(Piece { bound, rate });
    }
    Ladder::Whole(found)
}

/// Runs of three points or more on a line, from zero to the end, with one open interval between neighbours at most.
fn runs(all: &[Point]) -> Result<Vec<Run>, String> {
    let slopes: Vec<Printed> =
        (1..all.len()).map(|last| slope(all, last - 1, last).unwrap_or(Printed::exact(f64::NAN))).collect();
    let mut runs: Vec<Run> = Vec::new();
    let mut first = 0;
    while first < slopes.len() {
        let mut last = first;
        while let (Some(here), Some(next)) = (slopes.get(first), slopes.get(last + 1))
            && here.meets(*next)
        {
            last += 1;
        }
        if last > first {
            runs.push(Run { first, last: last + 1 });
        }
        first = last + 1;
    }
    let amount = |place: usize| all.get(place).map_or(0.0, |point| point.x.value);
    let end = all.len().saturating_sub(1);
    match (runs.first(), runs.last()) {
        (Some(first), Some(last)) => {
            if first.first > 0 {
                return Err(format!("fewer than three points on the line from zero, below {}", amount(first.first)));
            }
            if last.last < end {
                return Err(format!("fewer than three points on the last line, above {}", amount(last.last)));
            }
        }
        _ => return Err(format!("{} points, and no three on a line", all.len())),
    }
    for pair in runs.windows(2) {
        if let [here, next] = pair
            && next.first > here.last + 1
        {
            let (low, high) = (amount(here.last), amount(next.first));
            return Err(format!("a tier of fewer than three points between {low} and {high}"));
        }
    }
    Ok(runs)
}

fn slope(all: &[Point], first: usize, last: usize) -> Option<Printed> {
    let (a, b) = (all.get(first)?, all.get(last)?);
    // The error of both costs counts for the difference.
    let gross = a.y.value.abs() + b.y.value.abs();
    let rate = estimate(&[a.x, b.x, a.y, b.y.among(gross)], |at| match at {
        [ax, bx, ay, by] if bx > ax => Some((by - ay) / (bx - ax)),
        _ => None,
    })?;
    Some(rate)
}

/// The amount at which two lines meet. It must lie between their points.
fn meeting(all: &[Point], here: &Run, next: &Run) -> Result<Printed, String> {
    let ends = [here.first, here.last, next.first, next.last].map(|place| all.get(place));
    let [Some(a), Some(b), Some(c), Some(d)] = ends else { return Err("no points".to_owned()) };
    let bound = estimate(&[a.x, b.x, c.x, d.x, a.y, b.y, c.y, d.y], |at| match at {
        [ax, bx, cx, dx, ay, by, cy, dy] => {
            let (low, high) = ((by - ay) / (bx - ax), (dy - cy) / (dx - cx));
            // Seen from `b`, so that nothing large cancels.
            Some(bx + (cy - by - high * (cx - bx)) / (low - high))
        }
        _ => None,
    });
    let bound = bound.ok_or_else(|| format!("the lines near {} do not meet", b.x.value))?;
    if bound.high() < b.x.low() || bound.low() > c.x.high() {
        return Err(format!("the lines below {} and above {} meet elsewhere", b.x.value, c.x.value));
    }
    Ok(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ladder(tiers: &[(f64, f64)], ratio: f64) -> Vec<Point> {
        let cost = |x: f64| {
            let (mut below, mut sum) = (0.0, 0.0);
            for &(bound, rate) in tiers {
                sum += (x.min(bound) - below).max(0.0) * rate;
                below = bound;
            }
            sum
        };
        let amounts = std::iter::successors(Some(1.0), |x| Some(x * ratio)).take_while(|x| *x < 1e4);
        let printed = |value: f64| Printed { value, half: 1e-15 * value };
        amounts.map(|x| Point { x: printed(x), y: printed(cost(x)), answer: String::new() }).collect()
    }

    #[test]
    fn tiers_are_found_where_each_has_three_points() {
        let tiers = [(20.0, 1.0), (50.0, 2.0), (130.0, 3.5), (f64::INFINITY, 5.0)];
        let Ladder::Whole(found) = pieces(&ladder(&tiers, 1.15)) else { panic!("not found") };
        for (piece, (bound, rate)) in found.iter().zip(tiers) {
            assert!((piece.rate.value - rate).abs() < 1e-12 * rate, "{piece:?}");
            assert!(piece.bound.value == bound || (piece.bound.value - bound).abs() < 1e-11 * bound, "{piece:?}");
            assert!(bound.is_infinite() || (piece.bound.low() <= bound && bound <= piece.bound.high()), "{piece:?}");
        }
        assert!(matches!(pieces(&ladder(&tiers, 2.0)), Ladder::Broken(_)));
        assert!(matches!(pieces(&[]), Ladder::Broken(_)));
    }
}
