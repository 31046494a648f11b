//! How long work reports its progress and learns that it should stop. The library itself never draws or listens.

/// Receives progress, and tells whether the user wants to stop. Called from many threads.
pub trait Progress: Sync {
    /// A stage starts: `read`, `compute`; `total` steps of `unit` are expected (0 if unknown).
    fn stage(&self, name: &str, unit: &'static str, total: u64);
    /// `steps` more steps are done.
    fn advance(&self, steps: u64);
    /// True after the user interrupted. Long work then ends with [`crate::Error::Interrupted`].
    fn interrupted(&self) -> bool;

    /// `Err(Interrupted)` after the user interrupted.
    ///
    /// # Errors
    /// [`crate::Error::Interrupted`].
    fn check(&self) -> crate::Result<()> {
        if self.interrupted() { Err(crate::Error::Interrupted) } else { Ok(()) }
    }
}

/// Shows nothing and never interrupts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _name: &str, _unit: &'static str, _total: u64) {}
    fn advance(&self, _steps: u64) {}
    fn interrupted(&self) -> bool {
        false
    }
}
