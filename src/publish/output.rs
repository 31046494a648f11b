//! The output folder of a command: a folder of this machine, or one at a URL. Both appear complete or not at all.

use super::disk;
use super::folder::LocalFolder;
#[cfg(feature = "cloud")]
use super::store_folder::StoreFolder;
use crate::store::is_url;
use crate::{Error, Result};
use std::path::Path;
use std::{fs, io};

/// A folder under construction.
#[derive(Debug)]
pub struct OutputFolder(Place);

#[derive(Debug)]
enum Place {
    Local(Box<LocalFolder>),
    #[cfg(feature = "cloud")]
    Store(Box<StoreFolder>),
}

impl OutputFolder {
    /// Prepares to build `out`. Nothing exists under that name until [`OutputFolder::publish`]. Missing parents are
    /// created. `inputs` are the paths that will be read; they must not be inside a folder that will be replaced.
    ///
    /// Remains of a killed run are removed and logged; those in a store are named.
    ///
    /// # Errors
    /// [`Error::Usage`] if `out` exists without `force`, or is not a finished run that may be replaced (a file, a
    /// folder with other content, a folder with the inputs), or is a URL that cannot be written to;
    /// [`Error::Runtime`] if another run is writing there; [`Error::Io`] if the location cannot be written.
    pub fn create(out: &Path, force: bool, inputs: &[&Path]) -> Result<Self> {
        if is_url(out) {
            return Self::at_url(out, force, inputs);
        }
        Ok(Self(Place::Local(Box::new(LocalFolder::create(out, force, inputs)?))))
    }

    /// Like [`OutputFolder::create`], for a snapshot: replaces only a snapshot written by this program.
    pub(crate) fn of_snapshot(out: &Path, force: bool, inputs: &[&Path]) -> Result<Self> {
        if is_url(out) {
            let problem = format!("`{}` is a URL, and snapshots are written to folders only", out.display());
            return Err(Error::Usage(problem).hint("write it to a folder and copy that to the store"));
        }
        Ok(Self(Place::Local(Box::new(LocalFolder::of_snapshot(out, force, inputs)?))))
    }

    #[cfg(feature = "cloud")]
    fn at_url(out: &Path, force: bool, inputs: &[&Path]) -> Result<Self> {
        Ok(Self(Place::Store(Box::new(StoreFolder::create(out, force, inputs)?))))
    }

    #[cfg(not(feature = "cloud"))]
    fn at_url(out: &Path, _: bool, _: &[&Path]) -> Result<Self> {
        Err(crate::store::not_built_in(out))
    }

    /// The folder to write to, on this machine.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.0 {
            Place::Local(folder) => folder.path(),
            #[cfg(feature = "cloud")]
            Place::Store(folder) => folder.path(),
        }
    }

    /// Removes everything written so far.
    ///
    /// # Errors
    /// [`Error::Io`] if something cannot be removed.
    pub fn clear(&self) -> Result<()> {
        let entries = fs::read_dir(self.path()).map_err(|err| Error::io("read", self.path(), err))?;
        for entry in entries {
            let path = entry.map_err(|err| Error::io("read", self.path(), err))?.path();
            disk::remove_file(&path).map_err(|err| Error::io("remove", &path, err))?;
        }
        Ok(())
    }

    /// Removes a file, if it was written, so that it can be written anew.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be removed.
    pub fn discard(&self, name: &str) -> Result<()> {
        let path = self.path().join(name);
        match disk::remove_file(&path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome.map_err(|err| Error::io("remove", &path, err)),
        }
    }

    /// Gives the folder its final name. Its files must already be synced to disk.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the name was taken meanwhile, [`Error::Io`] if renaming or sending fails: nothing has
    /// changed then. [`Error::Io`] also if it cannot be found out what became of the last step, which the error says.
    pub fn publish(self) -> Result<()> {
        match self.0 {
            Place::Local(folder) => folder.publish(),
            #[cfg(feature = "cloud")]
            Place::Store(folder) => folder.publish(),
        }
    }
}
