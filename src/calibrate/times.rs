//! Answers that belong together: of one time, and of one market.

use super::read::{Answer, Counted};
use std::collections::BTreeMap;

/// Answers of one time and market, and those that are not.
pub(super) struct Kept {
    pub answers: Vec<Answer>,
    pub counted: Vec<Counted>,
    pub set_aside: Vec<(String, String)>,
    /// Time of the middle answer, milliseconds since 1970 UTC.
    pub middle_ms: i64,
}

/// Marks of one contract that differ by more than this are of two markets.
const MOST_MOVE: f64 = 0.1;
const MS_AN_HOUR: f64 = 3_600_000.0;

/// Sets aside the answers that are far from the middle one in time, or whose marks are far from those of the others.
pub(super) fn keep(answers: Vec<Answer>, counted: Vec<Counted>, span_hours: f64) -> Kept {
    let mut times: Vec<i64> = answers.iter().map(|answer| answer.ts_ms).collect();
    times.sort_unstable();
    let middle_ms = times.get(times.len() / 2).copied().unwrap_or(0);
    let hours = |ts_ms: i64| (ts_ms - middle_ms) as f64 / MS_AN_HOUR;
    let mut marks: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let legs = |answer: &Answer| {
        let legs = answer.units.iter().flat_map(|unit| &unit.legs).filter(|leg| !leg.contract.kind.is_option());
        legs.map(|leg| (leg.contract.inst_id.clone(), leg.mark.value)).collect::<Vec<_>>()
    };
    for (inst_id, mark) in answers.iter().flat_map(legs) {
        marks.entry(inst_id).or_default().push(mark);
    }
    let middles: BTreeMap<String, f64> = marks.into_iter().map(|(inst_id, marks)| (inst_id, median(marks))).collect();
    let mut kept = Kept { answers: Vec::new(), counted: Vec::new(), set_aside: Vec::new(), middle_ms };
    let far = |hours: f64| {
        let side = if hours > 0.0 { "after" } else { "before" };
        format!("of another time: {:.1} hours {side} the middle of the answers", hours.abs())
    };
    for answer in answers {
        let moved = legs(&answer)
            .into_iter()
            .find(|(inst_id, mark)| middles.get(inst_id).is_some_and(|middle| (mark / middle - 1.0).abs() > MOST_MOVE));
        if hours(answer.ts_ms).abs() > span_hours {
            kept.set_aside.push((answer.name.clone(), far(hours(answer.ts_ms))));
        } else if let Some((inst_id, mark)) = moved {
            let middle = middles.get(&inst_id).copied().unwrap_or(0.0);
            let why =
                format!("of another market: the mark of {inst_id} is {mark}, in the other answers about {middle}");
            kept.set_aside.push((answer.name.clone(), why));
        } else {
            kept.answers.push(answer);
        }
    }
    for counted in counted {
        if hours(counted.ts_ms).abs() <= span_hours {
            kept.counted.push(counted);
        } else if !kept.set_aside.iter().any(|(name, _)| *name == counted.answer) {
            kept.set_aside.push((counted.answer.clone(), far(hours(counted.ts_ms))));
        }
    }
    kept
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A time as text.
pub(super) fn shown(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| time.to_string())
}
