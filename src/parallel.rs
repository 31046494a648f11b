//! Work in parallel, results in order, bounded memory.

use crate::{Error, Result};
use rayon::ScopeFifo;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

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
    sink: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let (bell, mut numbers) = (Bell::default(), 0..tasks);
    rayon::in_place_scope_fifo(|scope| pulled(scope, &bell, window, || Ok(numbers.next()), &work, sink))
}

/// As [`in_order`], of jobs that `next` hands out until it has no more. `next` runs on the calling thread, and may wait
/// for tasks of the same scope.
///
/// # Errors
/// Those of [`in_order`], and that of `next`.
pub fn pulled<'scope, J: Send + 'scope, T: Send + 'scope>(
    scope: &ScopeFifo<'scope>,
    bell: &Bell,
    window: usize,
    mut next: impl FnMut() -> Result<Option<J>>,
    work: &'scope (impl Fn(J) -> Result<T> + Sync),
    mut sink: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let window = window.max(1);
    let mut running = VecDeque::with_capacity(window);
    let mut is_ended = false;
    while !is_ended || !running.is_empty() {
        while !is_ended && running.len() < window {
            match next()? {
                Some(job) => running.push_back(Running::start(scope, bell, move || work(job))),
                None => is_ended = true,
            }
        }
        if let Some(first) = running.pop_front() {
            sink(first.wait()?)?;
        }
    }
    Ok(())
}

/// Rings whenever a task has finished, for the one who waits for it.
#[derive(Clone, Default)]
pub struct Bell(Arc<(Mutex<u64>, Condvar)>);

impl Bell {
    fn ring(&self) {
        let (rung, changed) = &*self.0;
        *rung.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        changed.notify_all();
    }

    /// How often it has rung. Ask before you look whether a task is done, so that no ring is missed.
    #[must_use]
    pub fn rung(&self) -> u64 {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up another task of the pool or, if there is none, blocks until the bell has rung more than `before` times.
    ///
    /// A thread of the pool may block: where no task is left for it, those that run are run by others, and each rings
    /// when it is done. So a pool of one thread, which runs every task here, never blocks on a task of its own.
    pub fn work_or_wait(&self, before: u64) {
        if matches!(rayon::yield_now(), Some(rayon::Yield::Executed)) {
            return;
        }
        let (rung, changed) = &*self.0;
        let mut now = rung.lock().unwrap_or_else(PoisonError::into_inner);
        while *now == before {
            now = changed.wait(now).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A piece of work that rayon's threads have or will take up.
pub struct Running<T> {
    result: Arc<Mutex<State<T>>>,
    bell: Bell,
}

enum State<T> {
    Pending,
    Done(Result<T>),
    /// The task ended without a result, or the result was taken.
    Gone,
}

/// Leaves the result of a task. It rings when it goes, also if the task panics.
struct Sender<T> {
    result: Arc<Mutex<State<T>>>,
    bell: Bell,
}

impl<T> Sender<T> {
    fn leave(&self, result: Result<T>) {
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = State::Done(result);
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.result.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Pending) {
            *state = State::Gone;
        }
        drop(state);
        self.bell.ring();
    }
}

impl<T: Send> Running<T> {
    /// Hands `work` to the threads of the pool, behind what they have already.
    pub fn start<'scope>(
        scope: &ScopeFifo<'scope>,
        bell: &Bell,
        work: impl FnOnce() -> Result<T> + Send + 'scope,
    ) -> Self
    where
        T: 'scope,
    {
        let result = Arc::new(Mutex::new(State::Pending));
        let sender = Sender { result: Arc::clone(&result), bell: bell.clone() };
        scope.spawn_fifo(move |_| sender.leave(work()));
        Self { result, bell: bell.clone() }
    }

    /// The result, if it is there.
    ///
    /// # Errors
    /// That of the work; [`Error::Runtime`] if it was given up.
    pub fn poll(&self) -> Result<Option<T>> {
        let mut state = self.result.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Pending) {
            return Ok(None);
        }
        match std::mem::replace(&mut *state, State::Gone) {
            State::Done(result) => result.map(Some),
            State::Pending | State::Gone => Err(Error::Runtime("a worker stopped without a result".into())),
        }
    }

    /// Waits for the result, working on other tasks meanwhile.
    ///
    /// # Errors
    /// Those of [`Running::poll`].
    pub fn wait(&self) -> Result<T> {
        loop {
            let before = self.bell.rung();
            if let Some(result) = self.poll()? {
                return Ok(result);
            }
            self.bell.work_or_wait(before);
        }
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

    /// The one thread of a pool runs what it waits for.
    #[test]
    fn jobs_may_wait_for_tasks_of_the_same_scope() {
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut seen = Vec::new();
            pool.install(|| {
                let (bell, mut number) = (Bell::default(), 0);
                rayon::in_place_scope_fifo(|scope| {
                    let next = || {
                        number += 1;
                        let before = Running::start(scope, &bell, move || Ok(number));
                        before.wait().map(|number| (number <= 20).then_some(number))
                    };
                    let sink = |double| {
                        seen.push(double);
                        Ok(())
                    };
                    pulled(scope, &bell, 4, next, &|number: i32| Ok(2 * number), sink)
                })
            })
            .unwrap();
            assert_eq!(seen, (1..=20).map(|number| 2 * number).collect::<Vec<_>>(), "{threads} threads");
        }
    }
}
