//! Work in parallel, results in order, bounded memory.

use crate::Result;
use rayon::prelude::*;

/// Runs `work(0..tasks)` on rayon's threads and hands the results to `sink` in order of their number.
///
/// At most a few tasks per thread are in flight, so memory does not grow with `tasks`. What `sink` sees does not
/// depend on the number of threads.
///
/// # Errors
/// The error of the first task, by number, that failed, or the sink's own.
pub fn in_order<T: Send>(
    tasks: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
    mut sink: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let wave = rayon::current_num_threads() * 4;
    let mut next = 0;
    while next < tasks {
        let end = (next + wave).min(tasks);
        let results: Vec<Result<T>> = (next..end).into_par_iter().map(&work).collect();
        for result in results {
            sink(result?)?;
        }
        next = end;
    }
    Ok(())
}
