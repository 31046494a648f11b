//! A disk that fails on demand: operation number k below a folder, or every operation from k on, as if the process were
//! killed.

use super::Op;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureMode {
    /// No space left on the device.
    Full,
    /// Input/output error.
    Broken,
    /// Only some of the bytes are written, without an error.
    Short,
    /// This and all later operations do not happen, as if the process were killed.
    Killed,
}

/// The failure of operations below a folder.
#[derive(Debug)]
pub(crate) struct Plan {
    root: PathBuf,
    /// Counted from 0.
    fails: Option<(usize, FailureMode)>,
    exchange_is_known: bool,
    seen: Mutex<Vec<(Op, PathBuf)>>,
}

static PLANS: RwLock<Vec<Arc<Plan>>> = RwLock::new(Vec::new());

/// A plan, active until it is dropped.
pub(crate) struct Fault(Arc<Plan>);

impl Fault {
    /// All operations below `root` succeed, except number `fails`.
    pub(crate) fn below(root: &Path, fails: Option<(usize, FailureMode)>, exchange_is_known: bool) -> Self {
        let plan = Arc::new(Plan { root: root.to_path_buf(), fails, exchange_is_known, seen: Mutex::default() });
        PLANS.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&plan));
        Self(plan)
    }

    /// All operations so far.
    pub(crate) fn seen(&self) -> Vec<(Op, PathBuf)> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        PLANS.write().unwrap_or_else(PoisonError::into_inner).retain(|plan| !Arc::ptr_eq(plan, &self.0));
    }
}

fn plan_of(path: &Path) -> Option<Arc<Plan>> {
    let plans = PLANS.read().unwrap_or_else(PoisonError::into_inner);
    plans.iter().find(|plan| path.starts_with(&plan.root)).cloned()
}

pub(crate) fn gate(op: Op, path: &Path, bytes: usize) -> io::Result<usize> {
    let Some(plan) = plan_of(path) else { return Ok(bytes) };
    let number = {
        let mut seen = plan.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push((op, path.to_path_buf()));
        seen.len() - 1
    };
    let gone = || Err(io::Error::other("the process is gone"));
    match plan.fails {
        Some((at, FailureMode::Killed)) if number >= at => gone(),
        Some((at, how)) if number == at => match how {
            FailureMode::Full => Err(io::ErrorKind::StorageFull.into()),
            FailureMode::Broken => Err(io::Error::from_raw_os_error(5)),
            FailureMode::Short => Ok(bytes.div_ceil(2)),
            FailureMode::Killed => gone(),
        },
        _ => Ok(bytes),
    }
}

pub(crate) fn exchange_is_unknown(path: &Path) -> bool {
    plan_of(path).is_some_and(|plan| !plan.exchange_is_known)
}
