//! The rows of a section that are shown of many.

use serde_json::Value;

/// At most `MOST` rows with the largest figures, the largest first; of equals those that come first.
#[derive(Default)]
pub(super) struct Foremost<const MOST: usize>(Vec<(f64, Value)>);

impl<const MOST: usize> Foremost<MOST> {
    /// Takes a row in, which is made only if it is shown so far.
    pub fn add(&mut self, figure: f64, row: impl FnOnce() -> Value) {
        let place = self.0.partition_point(|(other, _)| *other >= figure);
        if place < MOST {
            self.0.insert(place, (figure, row()));
            self.0.truncate(MOST);
        }
    }

    /// Takes in what later rows gave.
    pub fn merge(&mut self, later: Self) {
        later.0.into_iter().for_each(|(figure, row)| self.add(figure, || row));
    }

    /// The rows in order.
    pub fn into_rows(self) -> impl Iterator<Item = Value> {
        self.0.into_iter().map(|(_, row)| row)
    }
}
