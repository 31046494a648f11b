//! Work in parallel, results in order, bounded memory.

use crate::{Error, Result};
use rayon::ScopeFifo;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

/// Runs `work(0..tasks)` on rayon's threads and hands the results to `sink` in order of their number.
///
/// At most `window` tasks are begun and not yet handed over, so memory does not grow with `tasks`. What `sink` sees
/// does not depend on the number of threads. The sink runs on the calling thread while the others compute, and where
/// that thread is one of the pool it computes as well while it waits: waves with a barrier between them would leave
/// the workers idle whenever the sink writes.
///
/// # Errors
/// The error of the first task, by number, that failed, or the sink's own.
pub fn in_order<T: Send>(
    tasks: usize,
    window: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
    mut sink: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let window = window.max(1);
    rayon::in_place_scope_fifo(|scope| {
        let work = &work;
        let mut running = std::collections::VecDeque::with_capacity(window);
        let mut next = 0;
        while next < tasks || !running.is_empty() {
            while next < tasks && running.len() < window {
                let task = next;
                running.push_back(Running::start(scope, move || work(task)));
                next += 1;
            }
            if let Some(first) = running.pop_front() {
                sink(first.wait()?)?;
            }
        }
        Ok(())
    })
}

/// A piece of work that rayon's threads have or will take up.
pub struct Running<T>(Receiver<Result<T>>);

impl<T: Send> Running<T> {
    /// Hands `work` to the threads of the pool, behind what they have already.
    pub fn start<'scope>(scope: &ScopeFifo<'scope>, work: impl FnOnce() -> Result<T> + Send + 'scope) -> Self
    where
        T: 'scope,
    {
        let (sender, receiver): (SyncSender<Result<T>>, _) = sync_channel(1);
        // The receiver is gone only when something failed before; nobody wants the result then.
        scope.spawn_fifo(move |_| drop(sender.send(work())));
        Self(receiver)
    }

    /// The result, if it is there.
    ///
    /// # Errors
    /// That of the work; [`Error::Runtime`] if it was given up.
    pub fn poll(&self) -> Result<Option<T>> {
        match self.0.try_recv() {
            Ok(result) => result.map(Some),
            Err(TryRecvError::Disconnected) => Err(Error::Runtime("a worker stopped without a result".into())),
            Err(TryRecvError::Empty) => Ok(None),
        }
    }

    /// Waits for the result, working on other tasks meanwhile.
    ///
    /// # Errors
    /// Those of [`Running::poll`].
    pub fn wait(&self) -> Result<T> {
        loop {
            if let Some(result) = self.poll()? {
                return Ok(result);
            }
            work_or_pause();
        }
    }
}

/// Takes up another task of the pool or, if there is none, sleeps for a moment. Were a thread of the pool to block
/// instead, a pool of one thread would never finish.
pub fn work_or_pause() {
    match rayon::yield_now() {
        Some(rayon::Yield::Executed) => {}
        Some(rayon::Yield::Idle) => std::thread::sleep(Duration::from_micros(50)),
        None => std::thread::sleep(Duration::from_micros(200)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(tasks: usize, threads: usize, failing: Option<usize>) -> (Vec<usize>, Result<()>) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut seen = Vec::new();
        let work =
            |task| if Some(task) == failing { Err(Error::Runtime(format!("task {task}"))) } else { Ok(task * task) };
        let result = pool.install(|| {
            in_order(tasks, 2 * threads, work, |square| {
                seen.push(square);
                Ok(())
            })
        });
        (seen, result)
    }

    #[test]
    fn results_come_in_order() {
        let expected: Vec<usize> = (0..100).map(|task| task * task).collect();
        for threads in [1, 2, 7] {
            let (seen, result) = squares(100, threads, None);
            assert!(result.is_ok());
            assert_eq!(seen, expected, "{threads} threads");
        }
        assert!(squares(0, 2, None).1.is_ok());
    }

    #[test]
    fn the_first_failure_stops_the_sink() {
        for threads in [1, 3] {
            let (seen, result) = squares(50, threads, Some(20));
            assert_eq!(result.unwrap_err().to_string(), "task 20");
            assert_eq!(seen.len(), 20);
        }
    }
}
