//! What changes a file under a reader.

use remargin::progress::Progress;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Makes its change at the n-th sign of progress.
pub struct Meddler<'a> {
    seen: AtomicUsize,
    at: usize,
    change: Mutex<Option<Box<dyn FnOnce() + Send + 'a>>>,
}

impl<'a> Meddler<'a> {
    pub fn new(at: usize, change: impl FnOnce() + Send + 'a) -> Self {
        Self { seen: AtomicUsize::new(0), at, change: Mutex::new(Some(Box::new(change))) }
    }

    pub fn has_struck(&self) -> bool {
        self.change.lock().unwrap().is_none()
    }

    fn sign(&self) {
        if self.seen.fetch_add(1, Ordering::SeqCst) + 1 == self.at
            && let Some(change) = self.change.lock().unwrap().take()
        {
            change();
        }
    }
}

impl Progress for Meddler<'_> {
    fn stage(&self, _: &str, _: &'static str, _: u64) {}

    fn advance(&self, _: u64) {
        self.sign();
    }

    fn interrupted(&self) -> bool {
        self.sign();
        false
    }
}

/// How a file changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Another version is renamed over it.
    Rename,
    /// Another version is written into it.
    Overwrite,
    /// It loses its second half.
    Truncate,
    /// Something is added to it.
    Append,
    /// It is gone.
    Remove,
    /// The folder gives way to another one.
    Folder,
    /// A table appears that was not there.
    NewTable,
}

impl Change {
    /// Changes `file` in `dir` to what it is in `other`, or part of it.
    pub fn make(self, dir: &Path, other: &Path, file: &str) {
        let path = dir.join(file);
        let open = || OpenOptions::new().write(true).open(&path).unwrap();
        match self {
            Self::Rename => fs::rename(other.join(file), &path).unwrap(),
            Self::Overwrite => {
                let bytes = fs::read(other.join(file)).unwrap();
                let mut old = open();
                old.write_all(&bytes).unwrap();
                old.set_len(bytes.len() as u64).unwrap();
            }
            Self::Truncate => open().set_len(fs::metadata(&path).unwrap().len() / 2).unwrap(),
            Self::Append => {
                let tail: &[u8] = match file.rsplit('.').next() {
                    Some("csv") if file.starts_with("positions") => b"a0000,ETH-USDC-SWAP,3,3000\n",
                    Some("csv") => b"ETH-BTC,0.05\n",
                    Some("toml") => b"\n# more\n",
                    _ => b"00000000",
                };
                OpenOptions::new().append(true).open(&path).unwrap().write_all(tail).unwrap();
            }
            Self::Remove => fs::remove_file(&path).unwrap(),
            Self::Folder => {
                fs::rename(dir, dir.with_extension("away")).unwrap();
                fs::rename(other, dir).unwrap();
            }
            Self::NewTable => fs::write(dir.join("accounts.csv"), "account_id,spot_offset\na0000,coin\n").unwrap(),
        }
    }
}
