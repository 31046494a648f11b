//! A disk that fails on demand: the k-th operation below a folder, or all from the k-th on as if the process were gone.

use super::Op;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// No space left on the device.
    Full,
    /// Input/output error.
    Broken,
    /// Only a part of the bytes is written, and no error is raised.
    Short,
    /// Neither this operation nor any later one happens, as when the process is killed.
    Killed,
}

/// What happens to operations below a folder.
#[derive(Debug)]
pub(crate) struct Plan {
    root: PathBuf,
    /// Counted from 0.
    fails: Option<(usize, How)>,
    exchange_is_known: bool,
    seen: Mutex<Vec<(Op, PathBuf)>>,
}

static PLANS: RwLock<Vec<Arc<Plan>>> = RwLock::new(Vec::new());

/// A plan in force until it is dropped.
pub(crate) struct Fault(Arc<Plan>);

impl Fault {
    /// Operations below `root` pass, but for number `fails`.
    pub(crate) fn below(root: &Path, fails: Option<(usize, How)>, exchange_is_known: bool) -> Self {
        let plan = Arc::new(Plan { root: root.to_path_buf(), fails, exchange_is_known, seen: Mutex::default() });
        PLANS.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&plan));
        Self(plan)
    }

    /// Every operation so far.
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
        Some((at, How::Killed)) if number >= at => gone(),
        Some((at, how)) if number == at => match how {
            How::Full => Err(io::ErrorKind::StorageFull.into()),
            How::Broken => Err(io::Error::from_raw_os_error(5)),
            How::Short => Ok(bytes.div_ceil(2)),
            How::Killed => gone(),
        },
        _ => Ok(bytes),
    }
}

pub(crate) fn exchange_is_unknown(path: &Path) -> bool {
    plan_of(path).is_some_and(|plan| !plan.exchange_is_known)
}
