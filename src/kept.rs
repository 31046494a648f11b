//! Bytes that pile up while a command reads, such as rejects and accounts at risk: nobody knows beforehand how many
//! they will be, so that they are counted against the memory limit as they come.

use crate::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a pass over a book may keep, and what it has kept so far.
#[derive(Debug)]
pub struct Kept {
    /// The limit of the command, for the message.
    limit: AtomicU64,
    most: AtomicU64,
    bytes: AtomicU64,
}

impl Default for Kept {
    /// Without a bound.
    fn default() -> Self {
        Self { limit: AtomicU64::new(u64::MAX), most: AtomicU64::new(u64::MAX), bytes: AtomicU64::new(0) }
    }
}

impl Kept {
    /// Begins anew: under a limit of so many bytes, `most` may be kept.
    pub fn begin(&self, limit: u64, most: u64) {
        self.limit.store(limit, Relaxed);
        self.most.store(most, Relaxed);
        self.bytes.store(0, Relaxed);
    }

    /// Adds what is kept.
    ///
    /// # Errors
    /// [`Error::Memory`] that names `what`, if it is more than may be kept.
    pub fn add(&self, bytes: u64, what: &str) -> Result<()> {
        let kept = self.bytes.fetch_add(bytes, Relaxed).saturating_add(bytes);
        let most = self.most.load(Relaxed);
        if kept <= most {
            return Ok(());
        }
        let limit = self.limit.load(Relaxed) >> 20;
        Err(Error::Memory(format!(
            "the memory limit of {limit} MiB does not suffice: {what} take more than the {} MiB that are left for them",
            most >> 20
        ))
        .hint("raise --memory-limit, or use fewer --threads"))
    }

    /// Gives back what is kept no longer.
    fn give_back(&self, bytes: u64) {
        let _ = self.bytes.fetch_update(Relaxed, Relaxed, |kept| Some(kept.saturating_sub(bytes)));
    }

    /// True if more was added than may be kept.
    #[must_use]
    pub fn is_exceeded(&self) -> bool {
        self.bytes.load(Relaxed) > self.most.load(Relaxed)
    }
}

/// What is kept for a while: bytes of pieces at work, which are given back when a piece is done. What is left is given
/// back with this value.
#[derive(Debug, Default)]
pub struct AtWork {
    kept: Arc<Kept>,
    bytes: AtomicU64,
}

impl AtWork {
    /// Counts in `kept`.
    #[must_use]
    pub fn of(kept: &Arc<Kept>) -> Self {
        Self { kept: Arc::clone(kept), bytes: AtomicU64::new(0) }
    }

    /// Adds what is kept.
    ///
    /// # Errors
    /// Those of [`Kept::add`].
    pub fn add(&self, bytes: u64, what: &str) -> Result<()> {
        self.bytes.fetch_add(bytes, Relaxed);
        self.kept.add(bytes, what)
    }

    /// Gives back what was added.
    pub fn give_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Relaxed);
        self.kept.give_back(bytes);
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.kept.give_back(self.bytes.load(Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_work_is_given_back() {
        let kept = Arc::new(Kept::default());
        kept.begin(100, 10);
        let work = AtWork::of(&kept);
        assert!(work.add(8, "groups").is_ok());
        work.give_back(5);
        assert!(work.add(7, "groups").is_ok() && work.add(1, "groups").is_err());
        drop(work);
        assert!(!kept.is_exceeded() && kept.add(10, "rows").is_ok());
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let kept = Kept::default();
        assert!(kept.add(u64::MAX / 2, "rows").is_ok());
        kept.begin(100 << 20, 20 << 20);
        assert!(kept.add(20 << 20, "rows").is_ok() && !kept.is_exceeded());
        let error = kept.add(1, "broken rows").unwrap_err();
        assert!(kept.is_exceeded() && error.exit_code() == 6);
        assert!(error.to_string().contains("limit of 100 MiB does not suffice: broken rows"), "{error}");
        kept.begin(100 << 20, 1);
        assert!(kept.add(1, "rows").is_ok() && kept.add(1, "rows").is_err());
    }
}
