//! One pass over the rows of a table, whatever its format: batches are worked on in parallel, results merged in order.

use super::batch::Batch;
use super::csv::LineBreaks;
use super::memory;
use super::parquet::Part;
use super::{Column, csv, ipc, parquet};
use crate::parallel::in_order;
use crate::progress::Progress;
use crate::source::{Format, Input, Source, settle};
use crate::{Error, Result};
use rayon::prelude::*;
use std::any::Any;
use std::path::Path;

/// A table whose columns have been checked.
pub(crate) enum Opened {
    Parquet(Vec<parquet::Part>),
    Ipc(Box<ipc::Batches>),
    Csv(Box<csv::Batches>),
    Memory(memory::Slices),
}

impl Opened {
    /// Checks the columns of all files of a table.
    pub fn new(source: &Source, columns: &[Column]) -> Result<Self> {
        source.settle(Self::open(source, columns, LineBreaks::Refused))
    }

    /// As [`Opened::new`], of a table that this program wrote: its CSV may have line breaks in quoted cells.
    pub fn written(source: &Source, columns: &[Column]) -> Result<Self> {
        source.settle(Self::open(source, columns, LineBreaks::Kept))
    }

    fn open(source: &Source, columns: &[Column], line_breaks: LineBreaks) -> Result<Self> {
        Ok(match (source.format, source.files.as_slice()) {
            (Format::Arrow, [file]) => Self::Ipc(Box::new(ipc::Batches::open(file, columns)?)),
            (Format::Csv, [file]) => Self::Csv(Box::new(csv::Batches::open(file, columns, line_breaks)?)),
            (_, files) => {
                let partition = |place: usize| source.partitions.get(place).map_or(&[][..], |values| &values[..]);
                let parts = files.iter().enumerate();
                Self::Parquet(
                    parts.map(|(place, file)| Part::open(file, partition(place), columns)).collect::<Result<_>>()?,
                )
            }
        })
    }

    /// The files that it is read from.
    fn inputs(&self) -> Vec<Input> {
        match self {
            Self::Parquet(parts) => parts.iter().map(|part| part.input.clone()).collect(),
            Self::Ipc(batches) => vec![batches.input.clone()],
            Self::Csv(batches) => vec![batches.input.clone()],
            Self::Memory(_) => Vec::new(),
        }
    }

    /// The names of all columns of each file, whether they are read or not.
    pub fn names(&self) -> Vec<(&Path, &[String])> {
        match self {
            Self::Parquet(parts) => parts.iter().map(|part| (part.input.path(), part.names.as_slice())).collect(),
            Self::Ipc(batches) => vec![(batches.input.path(), &batches.names)],
            Self::Csv(batches) => vec![(batches.input.path(), &batches.names)],
            Self::Memory(_) => Vec::new(),
        }
    }

    /// Rows of the table, where the files say it up front. Not to be trusted with an allocation.
    pub fn rows(&self) -> Option<u64> {
        match self {
            Self::Parquet(parts) => {
                parts.iter().flat_map(|part| &part.groups).try_fold(0u64, |sum, &rows| sum.checked_add(rows))
            }
            Self::Memory(slices) => Some(slices.rows()),
            Self::Ipc(_) | Self::Csv(_) => None,
        }
    }

    /// Rows that [`scan`] has in memory at once, at most: decoded, or gathered and not merged.
    pub fn rows_at_once(&self) -> u64 {
        match self {
            Self::Parquet(parts) => {
                let (tasks, largest) = parquet_window(parts);
                largest.saturating_mul(tasks as u64).min(self.rows().unwrap_or(u64::MAX))
            }
            Self::Ipc(_) | Self::Csv(_) => 2 * SMALL_WAVE * rayon::current_num_threads() as u64,
            Self::Memory(slices) => slices.rows(),
        }
    }
}

/// Row groups of Parquet that are in memory at once, and the rows of the largest: one a thread and one that waits to be
/// merged; more only where groups are small.
fn parquet_window(parts: &[parquet::Part]) -> (usize, u64) {
    let threads = rayon::current_num_threads();
    let largest = parts.iter().flat_map(|part| &part.groups).max().copied().unwrap_or(0);
    (if largest >= SMALL_WAVE { threads + 1 } else { 4 * threads }, largest)
}

/// Folds the rows of a table: `fold` gathers batches into a local `T`, on many threads; `merge` takes the locals in
/// the order of their rows. Returns the rows of each file.
///
/// A local covers a row group (Parquet), a batch or a slice of one. One local a thread exists at a time, several if
/// they are small. When the last row is read, no file may have changed since it was opened.
pub(crate) fn scan<T: Default + Send + 'static>(
    opened: Opened,
    progress: &dyn Progress,
    fold: impl Fn(&mut T, &Batch) -> Result<()> + Sync,
    mut merge: impl FnMut(T) -> Result<()>,
) -> Result<Vec<u64>> {
    let inputs = opened.inputs();
    let other = || Error::Runtime("the rows of a table were gathered into another type".to_owned());
    let folding = Folding {
        make: &|| Box::new(T::default()),
        step: &|local, batch| {
            progress.check()?;
            fold(local.downcast_mut().ok_or_else(other)?, batch)?;
            progress.advance(batch.rows as u64);
            Ok(())
        },
    };
    let merged = &mut |local: Local| merge(*local.downcast().map_err(|_| other())?);
    settle(&inputs, scan_opened(opened, &folding, merged))
}

/// What a task has gathered. Its type is left out where the work is handed to threads: for each type of a local the
/// compiler would make all of that again.
type Local = Box<dyn Any + Send>;

/// How rows are gathered.
struct Folding<'a> {
    make: &'a (dyn Fn() -> Local + Sync),
    step: &'a (dyn Fn(&mut Local, &Batch) -> Result<()> + Sync),
}

type Merge<'a> = &'a mut dyn FnMut(Local) -> Result<()>;

fn scan_opened(opened: Opened, folding: &Folding<'_>, merge: Merge<'_>) -> Result<Vec<u64>> {
    match opened {
        Opened::Parquet(parts) => scan_parquet(&parts, folding, merge),
        Opened::Ipc(mut batches) => Ok(vec![scan_sequence(&mut || batches.next(), folding, merge)?]),
        Opened::Csv(mut batches) => Ok(vec![scan_sequence(&mut || batches.next(), folding, merge)?]),
        Opened::Memory(slices) => scan_memory(&slices, folding, merge),
    }
}

/// Rows for each thread below which a wave takes more than one task a thread.
const SMALL_WAVE: u64 = 1 << 17;

/// True if no more tasks should be in flight: each thread has one, and they are not tiny.
fn full(tasks: usize, rows: u64) -> bool {
    let threads = rayon::current_num_threads();
    tasks >= threads && (rows >= SMALL_WAVE * threads as u64 || tasks >= 64 * threads)
}

fn scan_parquet(parts: &[parquet::Part], folding: &Folding<'_>, merge: Merge<'_>) -> Result<Vec<u64>> {
    let mut tasks = Vec::new();
    let mut first_row = 1u64;
    for part in parts {
        for (group, rows) in part.groups.iter().enumerate() {
            tasks.push((part, group, first_row));
            first_row = rows.saturating_add(first_row);
        }
    }
    let work = |task: usize| {
        let &(part, group, first_row): &(&parquet::Part, usize, u64) =
            tasks.get(task).ok_or_else(|| Error::Runtime(format!("there is no row group number {task}")))?;
        let mut local = (folding.make)();
        part.read_group(group, first_row, |batch| (folding.step)(&mut local, batch))?;
        Ok(local)
    };
    let (window, _) = parquet_window(parts);
    in_order(tasks.len(), window, work, merge)?;
    Ok(parts.iter().map(|part| part.groups.iter().sum()).collect())
}

fn scan_memory(slices: &memory::Slices, folding: &Folding<'_>, merge: Merge<'_>) -> Result<Vec<u64>> {
    let work = |slice: usize| {
        let mut local = (folding.make)();
        if let Some(batch) = slices.batch(slice) {
            (folding.step)(&mut local, &batch)?;
        }
        Ok(local)
    };
    in_order(slices.len(), 2 * rayon::current_num_threads(), work, merge)?;
    Ok(vec![slices.rows()])
}

fn scan_sequence(
    next: &mut dyn FnMut() -> Result<Option<Batch>>,
    folding: &Folding<'_>,
    merge: Merge<'_>,
) -> Result<u64> {
    let mut rows = 0;
    loop {
        let (mut wave, mut wave_rows) = (Vec::new(), 0);
        while !full(wave.len(), wave_rows) {
            let Some(batch) = next()? else { break };
            wave_rows += batch.rows as u64;
            wave.push(batch);
        }
        if wave.is_empty() {
            return Ok(rows);
        }
        rows += wave_rows;
        let work = |batch: Batch| {
            let mut local = (folding.make)();
            (folding.step)(&mut local, &batch)?;
            Ok(local)
        };
        let locals: Vec<Result<Local>> = wave.into_par_iter().map(work).collect();
        locals.into_iter().try_for_each(|local| merge(local?))?;
    }
}
