//! Rows of a bucket that wait until a row group of them is complete.

use crate::{Error, Result};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::DataType;
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use std::sync::Arc;

/// Parts above which the waiting rows become one.
const MOST_PARTS: usize = 24;
/// The same of parts that have few rows, and are mostly overhead.
const MOST_SMALL_PARTS: usize = 4;
const FEW_ROWS: usize = 256;

/// Rows that wait. They are copies, so that the row groups they are from can go.
#[derive(Default)]
pub(super) struct Waiting {
    parts: Vec<RecordBatch>,
    /// Rows of each of the writes that are owed: in how many the rows come decides how a writer lays out its pages, and
    /// it must not depend on memory.
    writes: Vec<u32>,
    /// Rows that wait.
    pub rows: usize,
}

impl Waiting {
    /// Adds the rows of a batch that stand at these places.
    pub fn add(&mut self, batch: &RecordBatch, places: &[u32]) -> Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let taken = take_record_batch(batch, &UInt32Array::from(places.to_vec())).map_err(failed)?;
        self.parts.push(without_views(&taken)?);
        self.writes.push(places.len() as u32);
        self.rows += places.len();
        Ok(())
    }

    /// Makes few parts of many.
    pub fn settle(&mut self) -> Result<()> {
        let parts = self.parts.len();
        let are_small = parts > MOST_SMALL_PARTS && self.rows < parts * FEW_ROWS;
        if parts > MOST_PARTS || are_small { self.join() } else { Ok(()) }
    }

    fn join(&mut self) -> Result<()> {
        if let [first, _, ..] = &self.parts[..] {
            let whole = concat_batches(&first.schema(), &self.parts).map_err(failed)?;
            self.parts = vec![whole];
        }
        Ok(())
    }

    /// Bytes that are resident for the rows.
    pub fn bytes(&self) -> u64 {
        // Beside its buffers, what a column of a part takes: its array, shared pointers, the rounding of the allocator.
        const COLUMN: usize = 256;
        let of = |part: &RecordBatch| part.get_array_memory_size() + part.num_columns() * COLUMN;
        let parts: usize = self.parts.iter().map(of).sum();
        (parts + self.writes.capacity() * size_of::<u32>()) as u64
    }

    /// The first rows, as many as these at most, in the writes in which they came. The others go on to wait.
    pub fn take(&mut self, most: usize) -> Result<Vec<RecordBatch>> {
        self.join()?;
        let Self { parts, writes, rows } = std::mem::take(self);
        let Some(whole) = parts.into_iter().next() else { return Ok(Vec::new()) };
        let (mut taken, mut from) = (Vec::new(), 0);
        for write in writes {
            let now = (write as usize).min(most - from);
            if now > 0 {
                taken.push(whole.slice(from, now));
                from += now;
            }
            if now < write as usize {
                self.writes.push(write - now as u32);
            }
        }
        if from < rows {
            let rest: Vec<u32> = (from as u32..rows as u32).collect();
            self.parts.push(take_record_batch(&whole, &UInt32Array::from(rest)).map_err(failed)?);
            self.rows = rows - from;
        }
        Ok(taken)
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Runtime(format!("cannot partition a table: {error}"))
}

/// Views of text hold on to all of the text that they were taken from: let them have their own.
fn without_views(rows: &RecordBatch) -> Result<RecordBatch> {
    let own = |column: &ArrayRef| match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()) as ArrayRef,
        _ => Arc::clone(column),
    };
    RecordBatch::try_new(rows.schema(), rows.columns().iter().map(own).collect()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Int64Array, StringArray, StringViewArray};
    use arrow_schema::{Field, Schema};

    fn batch(rows: i64) -> RecordBatch {
        let text: Vec<String> = (0..rows).map(|row| format!("a text of more than twelve bytes {row}")).collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(0..rows)),
            Arc::new(StringArray::from(text.clone())),
            Arc::new(text.iter().map(Some).collect::<StringViewArray>()),
        ];
        let field = |(name, column): (&str, &ArrayRef)| Field::new(name, column.data_type().clone(), true);
        let fields: Vec<Field> = ["row", "text", "view"].into_iter().zip(&columns).map(field).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    #[test]
    fn rows_leave_as_they_came_however_many_parts_they_were_in() {
        let whole = batch(1000);
        let mut waiting = Waiting::default();
        waiting.add(&whole, &[]).unwrap();
        for first in (0..1000).step_by(7) {
            let places: Vec<u32> = (first..1000.min(first + 7)).collect();
            waiting.add(&whole, &places).unwrap();
            waiting.settle().unwrap();
            assert!(waiting.parts.len() <= MOST_PARTS);
        }
        assert_eq!(waiting.rows, 1000);
        let mut writes = waiting.take(500).unwrap();
        assert_eq!((writes.len(), writes[70].num_rows(), writes[71].num_rows(), waiting.rows), (72, 7, 3, 500));
        writes.extend(waiting.take(usize::MAX).unwrap());
        assert_eq!((writes.len(), writes[72].num_rows(), waiting.rows), (144, 4, 0));
        assert_eq!(concat_batches(&whole.schema(), &writes).unwrap(), whole);
        assert!(waiting.take(500).unwrap().is_empty());
    }

    #[test]
    fn a_few_rows_of_many_take_few_bytes() {
        let whole = batch(100_000);
        let mut waiting = Waiting::default();
        waiting.add(&whole, &[5, 99_999]).unwrap();
        assert!(waiting.bytes() < 4_000, "{}", waiting.bytes());
    }
}
