//! How a call works: the library computes on its own threads without the interpreter lock. Meanwhile the calling thread
//! waits, calls the progress callback and checks for Ctrl-C.

use crate::errors;
use pyo3::prelude::*;
use rayon::ThreadPoolBuilder;
use remargin::Error;
use remargin::progress::Progress;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often the calling thread checks.
const TICK: Duration = Duration::from_millis(40);

/// The state of the library's progress.
#[derive(Default)]
struct State {
    stages: Mutex<Vec<Stage>>,
    done: AtomicU64,
    stop: AtomicBool,
}

struct Stage {
    name: String,
    unit: &'static str,
    total: u64,
    /// Known after the next stage has started.
    done: u64,
}

/// Arguments of the callback: stage, steps done, total steps (0 if unknown), unit of a step.
type Event = (String, u64, u64, &'static str);

impl State {
    fn stages(&self) -> std::sync::MutexGuard<'_, Vec<Stage>> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end of each finished stage, and the state of the current one.
    fn news(&self) -> Vec<Event> {
        let mut stages = self.stages();
        if let Some(last) = stages.last_mut() {
            last.done = self.done.load(Ordering::Relaxed);
        }
        let event = |stage: &Stage| (stage.name.clone(), stage.done, stage.total, stage.unit);
        let news = stages.iter().map(event).collect();
        let over = stages.len().saturating_sub(1);
        stages.drain(..over);
        news
    }
}

impl Progress for State {
    fn stage(&self, name: &str, unit: &'static str, total: u64) {
        let mut stages = self.stages();
        let done = self.done.swap(0, Ordering::Relaxed);
        if let Some(last) = stages.last_mut() {
            last.done = done;
        }
        stages.push(Stage { name: name.to_owned(), unit, total, done: 0 });
    }

    fn advance(&self, steps: u64) {
        self.done.fetch_add(steps, Ordering::Relaxed);
    }

    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Runs `job` and returns its result, or its error as an exception. An exception in the callback, or Ctrl-C, ends the
/// job and is raised instead.
///
/// Each call has its own threads. Threads of a shared pool would be missing in a process forked after they were
/// started, such as a worker of Spark or `multiprocessing`.
pub fn run<T: Send>(
    py: Python<'_>,
    threads: Option<usize>,
    callback: Option<Bound<'_, PyAny>>,
    job: impl FnOnce(&dyn Progress) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let pool = ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    let pool = pool.map_err(|error| errors::raise(py, &Error::Runtime(format!("cannot start threads: {error}"))))?;
    let callback = callback.map(Bound::unbind);
    let tell = |py: Python<'_>, state: &State| {
        py.check_signals()?;
        let news = state.news();
        callback
            .iter()
            .try_for_each(|callback| news.iter().try_for_each(|event| callback.call1(py, event.clone()).map(drop)))
    };
    let state = State::default();
    let (outcome, raised) = py.detach(|| {
        let (sender, receiver) = sync_channel(1);
        std::thread::scope(|scope| {
            let (state, pool) = (&state, &pool);
            let fault = |_| Err(Error::Runtime("internal fault, please report it; see above".to_owned()));
            let work = move || catch_unwind(AssertUnwindSafe(|| pool.install(|| job(state)))).unwrap_or_else(fault);
            scope.spawn(move || drop(sender.send(work())));
            let mut raised = None;
            loop {
                match receiver.recv_timeout(TICK) {
                    Ok(outcome) => return (outcome, raised),
                    Err(RecvTimeoutError::Disconnected) => {
                        return (Err(Error::Runtime("the work ended without a result".to_owned())), raised);
                    }
                    Err(RecvTimeoutError::Timeout) if raised.is_none() => {
                        raised = Python::attach(|py| tell(py, state)).err();
                        state.stop.store(raised.is_some(), Ordering::Relaxed);
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                }
            }
        })
    });
    if let Some(raised) = raised {
        return Err(raised);
    }
    let value = outcome.map_err(|error| errors::raise(py, &error))?;
    tell(py, &state)?;
    Ok(value)
}
