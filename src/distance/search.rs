//! The nearest change of state along one direction, of a function that may jump and may cross several times.

use crate::Result;
use crate::margin::extremes::{higher, lower};

/// A ratio this close to the threshold has reached it.
const CLOSE: f64 = 1e-10;
/// If no float lies between two moves, a ratio this close still counts as reached and not as a jump.
const NEARLY: f64 = 1e-6;
/// Steps of the search in a dip: they leave 0.618^24 of its width, 1e-6 of price.
const DIP_STEPS: usize = 24;

/// An account after one move.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// The move.
    pub at: f64,
    pub standing: Standing,
}

/// How an account stands. Two numbers and no flag: accounts have one on each of some 180 rungs, and a flag's padding
/// costs more to copy than the numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Standing {
    /// Margin ratio; infinite if nothing is required.
    pub ratio: f64,
    /// Adjusted equity minus the equity at which liquidation begins, USD.
    pub excess_usd: f64,
}

impl Standing {
    /// Of the ratio and of adjusted equity and what it must cover, USD. Liquidation begins where the ratio is at the
    /// threshold.
    pub fn new(ratio: f64, [adj_eq_usd, required_usd]: [f64; 2], threshold: f64) -> Self {
        Self { ratio, excess_usd: adj_eq_usd - threshold * required_usd }
    }

    /// In liquidation.
    pub fn is_liquidated(&self, threshold: f64) -> bool {
        self.ratio <= threshold
    }

    fn has_reached(&self, threshold: f64, tolerance: f64) -> bool {
        (self.ratio - threshold).abs() <= tolerance
    }
}

impl Point {
    /// The ratio, if something is required.
    pub fn margin_ratio(&self) -> Option<f64> {
        Some(self.standing.ratio).filter(|ratio| *ratio < f64::INFINITY)
    }
}

/// The account on the rungs of a ladder, and anywhere.
pub(super) trait Revalued {
    /// The account after a move.
    fn at(&mut self, price_move: f64) -> Result<Point>;

    /// The account on a rung, which is this move.
    fn on_rung(&mut self, rung: usize, price_move: f64) -> Result<Point>;
}

/// The point nearest to no move with another state, and whether the ratio jumps there. `rungs` lead outward from the
/// start, which is no move; `opposite` is the first rung of the other way. `None` if no rung and no dip between rungs
/// has another state.
///
/// # Errors
/// Those of `revalued`.
pub(super) fn nearest(
    [opposite, start]: [Point; 2],
    rungs: &[f64],
    threshold: f64,
    revalued: &mut impl Revalued,
) -> Result<Option<(Point, bool)>> {
    let mut search = Search { was_liquidated: start.standing.is_liquidated(threshold), threshold, revalued };
    if start.standing.has_reached(threshold, 0.0) {
        return Ok(Some((start, false)));
    }
    let (mut earlier, mut before, mut last) = (None, search.sample(opposite), search.sample(start));
    for (number, &rung) in rungs.iter().enumerate() {
        let next = search.on_rung(number, rung)?;
        if search.has_changed(&next.point) {
            return search.refine(last.point, next.point, Some(before.point)).map(Some);
        }
        // If three samples fall and rise again, the minimum lies between the outer two.
        if last.is_lowest([&before, &next]) {
            let further = rungs.get(number + 1);
            let further = further.map(|&rung| search.on_rung(number + 1, rung)).transpose()?;
            let inner = if number == 0 { last.point } else { before.point };
            if may_dip([earlier, Some(before), Some(last), Some(next), further], number == 0)
                && let Some(dip) = search.dip(inner.at, next.point.at)?
            {
                return search.refine(inner, dip, None).map(Some);
            }
        }
        (earlier, before, last) = (Some(before).filter(|_| number > 0), last, next);
    }
    Ok(None)
}

/// A point with its room.
#[derive(Clone, Copy)]
struct Sample {
    point: Point,
    room: f64,
}

impl Sample {
    fn is_lowest(&self, beside: [&Self; 2]) -> bool {
        let (room, beside) = (self.room, beside.map(|sample| sample.room));
        room.is_finite() && beside.iter().all(|other| room <= *other) && beside.iter().any(|other| room < *other)
    }
}

/// Whether the room may end in a dip around the third of five samples, the lowest of the inner three.
///
/// Around a minimum the room is convex, as far as it is smooth or has a kink. So it stays above the straight lines
/// through neighbouring samples, continued beyond them. Where these leave more than half of the room, there is no
/// end to be looked for. The first sample is missing near no move, the last one at the end of the ladder.
fn may_dip(samples: [Option<Sample>; 5], is_start: bool) -> bool {
    let [earlier, before, lowest, next, further] =
        samples.map(|sample| sample.map(|Sample { point, room }| (point.at, room)));
    let (Some(before), Some(lowest), Some(next)) = (before, lowest, next) else { return true };
    let outward = least_between((Some(before), lowest), (next, further));
    let inward = if is_start { f64::INFINITY } else { least_between((earlier, before), (lowest, Some(next))) };
    let bound = lower(outward, inward);
    bound.is_nan() || bound <= 0.5 * lowest.1
}

struct Search<'a, V> {
    was_liquidated: bool,
    threshold: f64,
    revalued: &'a mut V,
}

impl<V: Revalued> Search<'_, V> {
    fn has_changed(&self, point: &Point) -> bool {
        point.standing.is_liquidated(self.threshold) != self.was_liquidated
    }

    /// How far the ratio is from a change of state; zero or negative once it has changed.
    fn room(&self, point: &Point) -> f64 {
        let above = point.standing.ratio - self.threshold;
        if self.was_liquidated { -above } else { above }
    }

    fn sample(&self, point: Point) -> Sample {
        Sample { point, room: self.room(&point) }
    }

    fn on_rung(&mut self, rung: usize, price_move: f64) -> Result<Sample> {
        self.revalued.on_rung(rung, price_move).map(|point| self.sample(point))
    }

    /// Looks for a change of state between two moves by golden-section search on the remaining room.
    fn dip(&mut self, from: f64, to: f64) -> Result<Option<Point>> {
        const GOLDEN: f64 = 0.618_033_988_749_894_9;
        let (mut low, mut high) = (from, to);
        let mut near = self.revalued.at(high - GOLDEN * (high - low))?;
        let mut far = self.revalued.at(low + GOLDEN * (high - low))?;
        for _ in 0..DIP_STEPS {
            if let Some(point) = [near, far].into_iter().find(|point| self.has_changed(point)) {
                return Ok(Some(point));
            }
            if self.room(&near) <= self.room(&far) {
                (high, far) = (far.at, near);
                near = self.revalued.at(high - GOLDEN * (high - low))?;
            } else {
                (low, near) = (near.at, far);
                far = self.revalued.at(low + GOLDEN * (high - low))?;
            }
        }
        Ok([near, far].into_iter().find(|point| self.has_changed(point)))
    }

    /// Narrows a bracket (unchanged at `inner`, changed at `outer`) until the ratio is at the threshold or no float
    /// lies between. `behind` is a sample on the far side of `inner`, if one is known.
    ///
    /// Chandrupatla's method (1997) on the excess: inverse quadratic interpolation of the last three points where they
    /// are in line for it, bisection elsewhere. So a smooth crossing takes a few steps, and a jump one step a bit.
    fn refine(&mut self, inner: Point, outer: Point, behind: Option<Point>) -> Result<(Point, bool)> {
        // The bracket is from the newest point to the opposite one, of another state.
        let (mut newest, mut opposite, mut third) = (inner, outer, behind);
        loop {
            if let Some(point) =
                [opposite, newest].into_iter().find(|point| point.standing.has_reached(self.threshold, CLOSE))
            {
                return Ok((point, false));
            }
            let (low, high) = (lower(newest.at, opposite.at), higher(newest.at, opposite.at));
            let middle = low + 0.5 * (high - low);
            if !(low < middle && middle < high) {
                break;
            }
            let guess = newest.at + (opposite.at - newest.at) * interpolated(&newest, &opposite, third.as_ref());
            let point = self.revalued.at(if low < guess && guess < high { guess } else { middle })?;
            if self.has_changed(&point) == self.has_changed(&newest) {
                third = Some(newest);
            } else {
                (third, opposite) = (Some(opposite), newest);
            }
            newest = point;
        }
        let outer = if self.has_changed(&newest) { newest } else { opposite };
        let reached = [newest, opposite].into_iter().find(|point| point.standing.has_reached(self.threshold, NEARLY));
        Ok(reached.map_or((outer, true), |point| (point, false)))
    }
}

/// Where the excess is zero, as a share of the way from the newest point to the opposite one; a half where it cannot be
/// told from these points.
fn interpolated(newest: &Point, opposite: &Point, third: Option<&Point>) -> f64 {
    let (new, far) = (newest.standing.excess_usd, opposite.standing.excess_usd);
    let Some(third) = third else { return new / (new - far) };
    let old = third.standing.excess_usd;
    let place = (newest.at - opposite.at) / (third.at - opposite.at);
    let height = (new - far) / (old - far);
    if height * height < place && (1.0 - height) * (1.0 - height) < 1.0 - place {
        let of_far = new / (far - new) * (old / (far - old));
        let of_old = (third.at - newest.at) / (opposite.at - newest.at) * (new / (old - new)) * (far / (old - far));
        of_far + of_old
    } else {
        0.5
    }
}

/// A bound of a convex function between two samples, each with its outer neighbour if there is one: the least value of
/// the higher of the two lines through neighbour and sample, continued.
fn least_between(
    (outer_left, left): (Option<(f64, f64)>, (f64, f64)),
    (right, outer_right): ((f64, f64), Option<(f64, f64)>),
) -> f64 {
    let slope = |(x, y): (f64, f64), (other_x, other_y): (f64, f64)| (other_y - y) / (other_x - x);
    let span = right.0 - left.0;
    let fall = outer_left.map(|outer| slope(outer, left));
    let rise = outer_right.map(|outer| slope(right, outer));
    let at_left = rise.map(|rise| right.1 - rise * span);
    let at_right = fall.map(|fall| left.1 + fall * span);
    let (Some(fall), Some(rise), Some(at_left), Some(at_right)) = (fall, rise, at_left, at_right) else {
        let end = at_left.map(|end| lower(end, right.1)).or(at_right.map(|end| lower(end, left.1)));
        return end.unwrap_or(f64::NEG_INFINITY);
    };
    let ends = lower(higher(left.1, at_left), higher(right.1, at_right));
    // Where the lines meet, as a share of the span.
    let meet = (at_left - left.1) / ((fall - rise) * span);
    if meet > 0.0 && meet < 1.0 { lower(ends, left.1 + fall * meet * span) } else { ends }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::{HIGHEST_MOVE, LOWEST_MOVE, ladder};

    struct Curve<F>(F);

    impl<F: Fn(f64) -> Point> Revalued for Curve<F> {
        fn at(&mut self, price_move: f64) -> Result<Point> {
            Ok((self.0)(price_move))
        }

        fn on_rung(&mut self, _: usize, price_move: f64) -> Result<Point> {
            self.at(price_move)
        }
    }

    /// A point of an account that requires 100 USD: its equity is 100 times the ratio.
    fn point(at: f64, ratio: f64) -> Point {
        Point { at, standing: Standing { ratio, excess_usd: 100.0 * (ratio - 1.0) } }
    }

    fn find(end: f64, ratio: impl Fn(f64) -> f64) -> Option<(f64, bool)> {
        let at = |price: f64| point(price, ratio(price));
        let mut curve = Curve(at);
        let opposite = if end < 0.0 { ladder(HIGHEST_MOVE)[0] } else { ladder(LOWEST_MOVE)[0] };
        let found = nearest([at(opposite), at(0.0)], &ladder(end), 1.0, &mut curve).unwrap();
        found.map(|(point, jump)| (point.at, jump))
    }

    #[track_caller]
    fn assert_at(found: Option<(f64, bool)>, at: f64) {
        let (found, jump) = found.unwrap();
        assert!((found - at).abs() < 1e-9 && !jump, "{found} is not {at}");
    }

    #[test]
    fn the_nearest_of_several_crossings() {
        let falls = |price: f64| 1.0 + (price + 0.2) * (price + 0.3) * (price + 0.6) * 50.0;
        assert_at(find(LOWEST_MOVE, falls), -0.2);
        assert_eq!(find(HIGHEST_MOVE, falls), None);
        // In liquidation between -30 % and +10 %: both moves leave liquidation.
        let hollow = |price: f64| 1.0 + (price + 0.3) * (price - 0.1);
        assert_at(find(LOWEST_MOVE, hollow), -0.3);
        assert_at(find(HIGHEST_MOVE, hollow), 0.1);
    }

    #[test]
    fn a_dip_between_two_rungs() {
        let rungs = ladder(HIGHEST_MOVE);
        for pair in [[rungs[4], rungs[5]], [rungs[20], rungs[21]], [0.0, rungs[0]]] {
            let (middle, half) = (0.5 * (pair[0] + pair[1]), 0.25 * (pair[1] - pair[0]));
            let dip = move |price: f64| 1.0 + ((price - middle).abs() - half);
            assert_at(find(HIGHEST_MOVE, dip), middle - half);
        }
    }

    #[test]
    fn a_jump_is_found_to_the_last_bit() {
        let step = |price: f64| if price > -0.25 { 1.5 } else { 0.5 };
        assert_eq!(find(LOWEST_MOVE, step), Some((-0.25, true)));
        let recovers = |price: f64| if price < 0.5 { 0.2 } else { 3.0 };
        assert_eq!(find(HIGHEST_MOVE, recovers), Some((0.5, true)));
    }

    #[test]
    fn a_threshold_at_the_start_and_one_that_is_never_met() {
        assert_eq!(find(LOWEST_MOVE, |_| 1.0), Some((0.0, false)));
        assert_eq!(find(LOWEST_MOVE, |_| 1.1), None);
        assert_eq!(find(HIGHEST_MOVE, |_| 0.9), None);
        assert_at(find(LOWEST_MOVE, |price| 1.0 + (price - LOWEST_MOVE)), LOWEST_MOVE);
    }

    #[test]
    fn no_ratio_is_no_liquidation() {
        let at = |price: f64| {
            let gone = Point { at: price, standing: Standing { ratio: f64::INFINITY, excess_usd: 5.0 } };
            if price < -0.1 { gone } else { point(price, 0.5) }
        };
        let (found, jump) = nearest([at(0.005), at(0.0)], &ladder(LOWEST_MOVE), 1.0, &mut Curve(at)).unwrap().unwrap();
        assert!(found.at < -0.1 && found.at > -0.1 - 1e-15 && jump && found.margin_ratio().is_none(), "{found:?}");
    }
}
