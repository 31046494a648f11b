//! An output folder that appears whole or not at all.
//!
//! It is built as `.NAME.remargin-XXXXXX` beside its final name, so that the last step is one rename on one file
//! system. Whatever ends the work early, an error or an interruption, removes it again.

use super::manifest::MANIFEST;
use crate::{Error, Result};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder under construction.
#[derive(Debug)]
pub struct OutputFolder {
    // Fields drop in order: the folder goes before the parents that were made for it.
    building: TempDir,
    made_parents: MadeParents,
    target: PathBuf,
    force: bool,
}

impl OutputFolder {
    /// Prepares to build `out`; nothing is visible under that name until [`OutputFolder::publish`]. Missing parents
    /// are made. `inputs` are what the work will read, and must not lie inside a folder that is to be replaced.
    ///
    /// # Errors
    /// [`Error::Usage`] if `out` exists without `force`, or is not a finished run that could be replaced (a file, a
    /// folder of other things, one that holds the inputs); [`Error::Io`] if the place cannot be written.
    pub fn create(out: &Path, force: bool, inputs: &[&Path]) -> Result<Self> {
        // A link is followed, so that what is replaced is the folder and not the link.
        let target = match fs::symlink_metadata(out) {
            Ok(_) => fs::canonicalize(out).map_err(|err| Error::io("open", out, err))?,
            Err(err) if err.kind() == io::ErrorKind::NotFound => out.to_path_buf(),
            Err(err) => return Err(Error::io("open", out, err)),
        };
        if target.exists() {
            if !force {
                let text = format!("`{}` exists already\n  hint:     --force replaces it", out.display());
                return Err(Error::Usage(text));
            }
            check_replaceable(&target, inputs)?;
        }
        let name = target.file_name().ok_or_else(|| {
            Error::Usage(format!("`{}` cannot be an output folder: it has no name of its own", out.display()))
        })?;
        let made_parents = MadeParents::make(parent(&target))?;
        let building = temp_dir(parent(&target), name, "remargin-", 0o777)?;
        Ok(Self { building, made_parents, target, force })
    }

    /// Where to write.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.building.path()
    }

    /// Removes what was written so far.
    ///
    /// # Errors
    /// [`Error::Io`] if something cannot be removed.
    pub fn clear(&self) -> Result<()> {
        let entries = fs::read_dir(self.path()).map_err(|err| Error::io("read", self.path(), err))?;
        for entry in entries {
            let path = entry.map_err(|err| Error::io("read", self.path(), err))?.path();
            fs::remove_file(&path).map_err(|err| Error::io("remove", &path, err))?;
        }
        Ok(())
    }

    /// Gives the folder its name. Files in it must have been brought to the disk by whoever wrote them.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the name was taken in the meantime, [`Error::Io`] if it cannot be given. Then nothing
    /// has changed.
    pub fn publish(self) -> Result<()> {
        sync(self.building.path())?;
        let aside = self.move_aside()?;
        if let Err(err) = fs::rename(self.building.path(), &self.target) {
            if let Some(aside) = aside {
                put_back(aside, &self.target)?;
            }
            return Err(Error::io("rename the finished folder to", &self.target, err));
        }
        let _ = self.building.keep();
        self.made_parents.keep();
        if let Some(aside) = aside {
            // The run is done; what is left of the old one is a nuisance, not a failure.
            let place = aside.path().to_path_buf();
            if let Err(err) = aside.close() {
                tracing::warn!("cannot remove the replaced folder `{}`: {err}", place.display());
            }
        }
        sync(parent(&self.target))
    }

    /// Moves what is to be replaced into a hidden folder beside it, as `old`.
    fn move_aside(&self) -> Result<Option<TempDir>> {
        if fs::symlink_metadata(&self.target).is_err() {
            return Ok(None);
        }
        if !self.force {
            let text = format!("`{}` appeared while this run was at work: nothing was written", self.target.display());
            return Err(Error::Runtime(text));
        }
        check_replaceable(&self.target, &[])?;
        let name = self.target.file_name().unwrap_or_default();
        let aside = temp_dir(parent(&self.target), name, "remargin-old-", 0o700)?;
        fs::rename(&self.target, aside.path().join("old")).map_err(|err| Error::io("replace", &self.target, err))?;
        Ok(Some(aside))
    }
}

/// Keeps the old folder at any price: if it cannot go back, it stays where it is and the error says where.
fn put_back(aside: TempDir, target: &Path) -> Result<()> {
    let Err(err) = fs::rename(aside.path().join("old"), target) else { return Ok(()) };
    Err(Error::io("move back the replaced folder, which is now", aside.keep().join("old"), err))
}

/// Only what a run left may be replaced: `--force` with a slip in the path must not delete anything else.
fn check_replaceable(target: &Path, inputs: &[&Path]) -> Result<()> {
    let refuse = |why: &str| Err(Error::Usage(format!("`{}` is not replaced: {why}", target.display())));
    if !target.is_dir() {
        return refuse("it is not a folder");
    }
    let here = std::env::current_dir().ok();
    for input in inputs.iter().map(|input| input.to_path_buf()).chain(here) {
        if fs::canonicalize(input).is_ok_and(|input| input.starts_with(target)) {
            return refuse("the snapshot or the working folder lies in it");
        }
    }
    let mut entries = fs::read_dir(target).map_err(|err| Error::io("read", target, err))?;
    if entries.next().is_some() && !target.join(MANIFEST).is_file() {
        return refuse("it holds files, but no `manifest.json` of a finished run; remove it yourself");
    }
    Ok(())
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg_attr(not(unix), allow(unused_variables))]
fn temp_dir(parent: &Path, name: &std::ffi::OsStr, purpose: &str, mode: u32) -> Result<TempDir> {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    prefix.push(purpose);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    // A finished folder has the rights that `mkdir` would give it, not the private ones of temporary folders.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    builder.tempdir_in(parent).map_err(|err| Error::io("create a folder in", parent, err))
}

/// Brings the entries of a folder to the disk, where the system knows how.
fn sync(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        let file = fs::File::open(folder).and_then(|file| file.sync_all());
        file.map_err(|err| Error::io("write", folder, err))?;
    }
    Ok(())
}

/// Parents that did not exist, outermost first; removed again if still empty when the work fails.
#[derive(Debug)]
struct MadeParents(Vec<PathBuf>);

impl MadeParents {
    fn make(parent: &Path) -> Result<Self> {
        let missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let mut made: Vec<PathBuf> = parent.ancestors().take_while(missing).map(Path::to_path_buf).collect();
        made.reverse();
        let made = Self(made);
        fs::create_dir_all(parent).map_err(|err| Error::io("create", parent, err))?;
        Ok(made)
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for MadeParents {
    fn drop(&mut self) {
        for parent in self.0.iter().rev() {
            let _ = fs::remove_dir(parent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn what_may_be_replaced() {
        let place = tempfile::tempdir().unwrap();
        let make = |name: &str, file: Option<&str>| {
            let folder = place.path().join(name);
            fs::create_dir(&folder).unwrap();
            if let Some(file) = file {
                fs::write(folder.join(file), "x").unwrap();
            }
            folder
        };
        let (empty, run) = (make("empty", None), make("run", Some(MANIFEST)));
        let (other, with_input) = (make("other", Some("thesis.txt")), make("with_input", Some(MANIFEST)));
        let input = with_input.join("snapshot");
        fs::create_dir(&input).unwrap();
        let file = place.path().join("file");
        fs::write(&file, "x").unwrap();
        for (out, allowed) in [(&empty, true), (&run, true), (&other, false), (&with_input, false), (&file, false)] {
            let refused = OutputFolder::create(out, false, &[&input]).unwrap_err();
            assert!(matches!(refused, Error::Usage(_)), "{refused}");
            let forced = OutputFolder::create(out, true, &[&input]);
            assert_eq!(forced.is_ok(), allowed, "{forced:?}");
            if let Err(error) = forced {
                assert!(matches!(error, Error::Usage(_)), "{error}");
            }
        }
        assert_eq!(entries(place.path()), 5, "nothing but what was there");
        for nameless in ["/", "..", "."] {
            assert_eq!(OutputFolder::create(Path::new(nameless), true, &[]).unwrap_err().exit_code(), 2, "{nameless}");
        }
    }

    #[test]
    fn the_second_of_two_runs_fails_clearly() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out");
        let [first, second] = [(); 2].map(|()| OutputFolder::create(&out, false, &[]).unwrap());
        for folder in [&first, &second] {
            fs::write(folder.path().join("table"), "x").unwrap();
        }
        first.publish().unwrap();
        let error = second.publish().unwrap_err();
        assert!(error.to_string().contains("appeared while this run was at work"), "{error}");
        assert_eq!(entries(place.path()), 1);
    }

    #[test]
    fn parents_are_made_and_unmade() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("a/b/out");
        drop(OutputFolder::create(&out, false, &[]).unwrap());
        assert_eq!(entries(place.path()), 0);
        OutputFolder::create(&out, false, &[]).unwrap().publish().unwrap();
        assert!(out.is_dir());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_its_folder_is_replaced() {
        let place = tempfile::tempdir().unwrap();
        let (real, link) = (place.path().join("real"), place.path().join("link"));
        fs::create_dir(&real).unwrap();
        fs::write(real.join(MANIFEST), "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        OutputFolder::create(&link, true, &[]).unwrap().publish().unwrap();
        assert!(link.is_symlink());
        assert_eq!(entries(&real), 0);
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_has_ordinary_rights() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let (ours, plain) = (place.path().join("ours"), place.path().join("plain"));
        OutputFolder::create(&ours, false, &[]).unwrap().publish().unwrap();
        fs::create_dir(&plain).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }
}
