//! One table that streams: its row groups, decoded ahead of where the merge stands.

use super::decode::{Decoder, Rows};
use super::spill::{Bucket, Spilled};
use crate::Result;
use crate::formats::parquet::Part;
use crate::parallel::{Bell, Running};
use crate::snapshot::reject::Broken;
use rayon::ScopeFifo;
use std::collections::VecDeque;
use std::sync::Arc;

/// A table that streams.
pub(super) enum Flow {
    /// Row groups, sorted we hope.
    Parts(Vec<Part>),
    /// Sorted on disk.
    Spilled(Spilled),
}

impl Flow {
    /// Rows of each file of the table.
    pub fn file_rows(&self) -> Vec<u64> {
        match self {
            Self::Parts(parts) => parts.iter().map(|part| part.groups.iter().sum()).collect(),
            Self::Spilled(spilled) => spilled.file_rows.clone(),
        }
    }

    /// Rows of the largest piece that is decoded at once.
    pub fn largest(&self) -> u64 {
        match self {
            Self::Parts(parts) => parts.iter().flat_map(|part| &part.groups).max().copied().unwrap_or(0),
            Self::Spilled(spilled) => spilled.buckets.iter().map(|bucket| bucket.rows).max().unwrap_or(0),
        }
    }

    /// The pieces that are not empty, in order.
    fn pieces(&self) -> Vec<Piece<'_>> {
        let mut pieces = Vec::new();
        match self {
            Self::Parts(parts) => {
                let mut first_row = 1u64;
                for part in parts {
                    for (group, rows) in part.groups.iter().enumerate() {
                        if *rows > 0 {
                            pieces.push(Piece::RowGroup { part, group, first_row });
                        }
                        first_row = rows.saturating_add(first_row);
                    }
                }
            }
            Self::Spilled(spilled) => pieces.extend(spilled.buckets.iter().map(Piece::Bucket)),
        }
        pieces
    }
}

/// What is decoded at once.
#[derive(Clone, Copy)]
enum Piece<'a> {
    RowGroup { part: &'a Part, group: usize, first_row: u64 },
    Bucket(&'a Bucket),
}

/// A row group or a bucket, decoded.
pub(super) struct Group<R> {
    pub rows: R,
    /// Number of the row after its last one.
    end_row: u64,
    ascends: bool,
    /// Number in the table of each row, where the rows were sorted; they are counted from 1 here then.
    numbers: Option<Vec<u64>>,
}

impl<R: Rows> Group<R> {
    /// Rows as they stand in the table, before row `end_row`.
    pub fn new(mut rows: R, end_row: u64, decoder: &Decoder) -> Self {
        rows.complete(decoder);
        let ascends = rows.runs().ascend();
        Self { rows, end_row, ascends, numbers: None }
    }

    fn decode(piece: Piece, decoder: &Decoder) -> Result<Self> {
        decoder.progress.check()?;
        let (rows, end_row, numbers) = match piece {
            Piece::RowGroup { part, group, first_row } => {
                let mut rows = R::default();
                part.read_group(group, first_row, |batch| {
                    decoder.progress.check()?;
                    rows.read(batch, decoder)?;
                    decoder.progress.advance(batch.rows as u64);
                    Ok(())
                })?;
                (rows, first_row + part.groups[group], None)
            }
            Piece::Bucket(bucket) => {
                let (rows, numbers) = bucket.read::<R>(decoder)?;
                decoder.progress.advance(bucket.rows);
                (rows, 1 + bucket.rows, Some(numbers))
            }
        };
        Ok(Self { numbers, ..Self::new(rows, end_row, decoder) })
    }

    /// The number of a row in the table.
    pub fn number(&self, row: u64) -> u64 {
        let place = usize::try_from(row).unwrap_or(usize::MAX).wrapping_sub(1);
        self.numbers.as_ref().map_or(row, |numbers| numbers.get(place).copied().unwrap_or(row))
    }

    /// The rows of a run, by number in the group; see [`Group::number`].
    pub fn row_numbers(&self, run: usize) -> std::ops::Range<u64> {
        let runs = self.rows.runs();
        let end = if run + 1 < runs.len() { runs.first_row(run + 1) } else { self.end_row };
        runs.first_row(run)..end
    }

    /// The broken rows of a run, and those without an account among them.
    pub fn broken(&self, run: usize) -> &[Broken] {
        let (broken, rows) = (self.rows.broken(), self.row_numbers(run));
        let place = |row: u64| broken.partition_point(|broken| broken.row < row);
        &broken[place(rows.start)..place(rows.end)]
    }
}

/// Where a table stands.
pub(super) enum Head<'a> {
    /// At this account, whose rows make so many runs.
    At(&'a str, usize),
    /// The next row groups are not decoded yet.
    Waiting,
    /// Behind its last row.
    Exhausted,
}

/// A table that streams.
pub(super) struct Lane<'a, R> {
    groups: Vec<Piece<'a>>,
    next_group: usize,
    decoding: VecDeque<Running<Group<R>>>,
    /// Decoded; the first of them is where the table stands.
    pub ready: VecDeque<Arc<Group<R>>>,
    /// Run of the first group.
    pub run: usize,
    /// Greatest account id so far.
    last_id: String,
    pub is_unsorted: bool,
}

impl<'a, R: Rows + 'a> Lane<'a, R> {
    pub fn new(flow: Option<&'a Flow>) -> Self {
        Self {
            groups: flow.map_or_else(Vec::new, Flow::pieces),
            next_group: 0,
            decoding: VecDeque::new(),
            ready: VecDeque::new(),
            run: 0,
            last_id: String::new(),
            is_unsorted: false,
        }
    }

    /// Keeps row groups coming. Each one that is there is shown to `see`. True if something happened.
    pub fn read_ahead<'s>(
        &mut self,
        scope: &ScopeFifo<'s>,
        bell: &Bell,
        decoder: &'s Decoder<'s>,
        window: usize,
        mut see: impl FnMut(&Group<R>),
    ) -> Result<bool>
    where
        'a: 's,
        R: 's,
    {
        let mut moved = false;
        while let Some(first) = self.decoding.front()
            && let Some(group) = first.poll()?
        {
            self.decoding.pop_front();
            see(&group);
            self.accept(group);
            moved = true;
        }
        let starving = matches!(self.head(), Head::Waiting) && self.decoding.is_empty();
        let wanted = window.max(1).saturating_sub(self.decoding.len() + self.ready.len()).max(usize::from(starving));
        for _ in 0..wanted {
            let Some(&piece) = self.groups.get(self.next_group) else { break };
            self.next_group += 1;
            self.decoding.push_back(Running::start(scope, bell, move || Group::decode(piece, decoder)));
            moved = true;
        }
        Ok(moved)
    }

    fn accept(&mut self, group: Group<R>) {
        let runs = group.rows.runs();
        if runs.len() == 0 {
            return;
        }
        if !group.ascends || runs.id(0) < self.last_id.as_str() {
            self.is_unsorted = true;
        }
        self.last_id.clear();
        self.last_id.push_str(runs.id(runs.len() - 1));
        self.ready.push_back(Arc::new(group));
    }

    fn is_complete(&self) -> bool {
        self.next_group == self.groups.len() && self.decoding.is_empty()
    }

    /// Where the table stands. An account whose last run ends a row group may go on in the next one.
    pub fn head(&self) -> Head<'_> {
        let Some(group) = self.ready.front() else {
            return if self.is_complete() { Head::Exhausted } else { Head::Waiting };
        };
        let runs = group.rows.runs();
        let id = runs.id(self.run);
        if self.run + 1 < runs.len() {
            return Head::At(id, 1);
        }
        let mut count = 1;
        for later in self.ready.iter().skip(1) {
            let runs = later.rows.runs();
            if runs.id(0) != id {
                return Head::At(id, count);
            }
            count += 1;
            if runs.len() > 1 {
                return Head::At(id, count);
            }
        }
        if self.is_complete() { Head::At(id, count) } else { Head::Waiting }
    }
}
