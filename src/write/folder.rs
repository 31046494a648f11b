//! An output folder that appears whole or not at all.

use crate::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder being filled beside its final place.
pub(crate) struct Staged {
    /// Removed with everything in it when dropped.
    beside: tempfile::TempDir,
    target: PathBuf,
    force: bool,
}

impl Staged {
    /// Checks that `target` may be written and makes a folder beside it.
    ///
    /// # Errors
    /// [`Error::Usage`] if `target` exists and may not be replaced; [`Error::Io`].
    pub(crate) fn new(target: &Path, force: bool) -> Result<Self> {
        refuse_existing(target, force)?;
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(|err| Error::io("create", parent, err))?;
        let beside = tempfile::Builder::new().prefix(".remargin-").tempdir_in(parent);
        let beside = beside.map_err(|err| Error::io("create a folder in", parent, err))?;
        let staged = Self { beside, target: target.to_path_buf(), force };
        fs::create_dir(staged.path()).map_err(|err| Error::io("create", staged.path(), err))?;
        Ok(staged)
    }

    /// Where to write. A folder inside the private one, so that it has the usual permissions.
    pub(crate) fn path(&self) -> PathBuf {
        self.beside.path().join("snapshot")
    }

    /// Moves the folder to its final place; what stood there goes once the new one stands.
    pub(crate) fn publish(self) -> Result<()> {
        refuse_existing(&self.target, self.force)?;
        let old = self.beside.path().join("old");
        let replaced = self.target.exists();
        if replaced {
            fs::rename(&self.target, &old).map_err(|err| Error::io("move aside", &self.target, err))?;
        }
        fs::rename(self.path(), &self.target).map_err(|err| {
            if replaced {
                // Put back what was there; the first failure is the one to report.
                let _ = fs::rename(&old, &self.target);
            }
            Error::io("rename to", &self.target, err)
        })
    }
}

/// `force` replaces a snapshot or an empty folder, never a folder or a file of something else.
fn refuse_existing(target: &Path, force: bool) -> Result<()> {
    if !target.exists() {
        return Ok(());
    }
    let name = target.display();
    if !force {
        return Err(Error::Usage(format!("`{name}` exists already; choose another folder or replace it with --force")));
    }
    let empty = fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none());
    if empty || target.join("snapshot.toml").is_file() {
        return Ok(());
    }
    Err(Error::Usage(format!("`{name}` is not a snapshot (it has no `snapshot.toml`), so --force does not replace it")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a/book");
        let staged = Staged::new(&target, false).unwrap();
        fs::write(staged.path().join("snapshot.toml"), "1").unwrap();
        drop(staged);
        assert!(!target.exists());
        assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 0, "nothing is left behind");

        let fill = |text: &str, force| -> Result<()> {
            let staged = Staged::new(&target, force)?;
            fs::write(staged.path().join("snapshot.toml"), text).unwrap();
            staged.publish()
        };
        fill("first", false).unwrap();
        assert!(matches!(fill("second", false), Err(Error::Usage(_))));
        assert_eq!(fs::read_to_string(target.join("snapshot.toml")).unwrap(), "first");
        fill("third", true).unwrap();
        assert_eq!(fs::read_to_string(target.join("snapshot.toml")).unwrap(), "third");
        assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn force_spares_what_is_no_snapshot() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("precious.txt"), "x").unwrap();
        assert!(matches!(Staged::new(dir.path(), true), Err(Error::Usage(_))));
    }
}
