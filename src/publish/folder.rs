//! An output folder that is published complete or not at all.
//!
//! It is built as `.NAME.remargin-partial` beside its final name, so that the last step is one rename on one file
//! system. An error or an interruption removes it. After a kill or a power failure, the next run to the same folder
//! removes it.
//!
//! ```text
//! .NAME.remargin-lock      taken first, so that only one run writes here
//! .NAME.remargin-partial   filled; every file, then the folder is synced to disk
//! NAME                     new: renamed. Replaced: the two folders exchange names in one atomic step, so that a
//!                          complete NAME exists at all times; then the old one is removed
//! .NAME.remargin-old       the old one, if names cannot be exchanged atomically; the next run moves it back if this
//!                          run dies before the new NAME exists
//! ```

use super::disk::{self, beside, parent};
use super::lock::Lock;
use super::owned::{Contents, Owned, lies_in};
use crate::error::Remedy;
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A folder under construction.
#[derive(Debug)]
pub(super) struct LocalFolder {
    building: PathBuf,
    old: PathBuf,
    target: PathBuf,
    contents: Contents,
    force: bool,
    /// The folder is published; the folder at the temporary path is now the old run.
    is_published: bool,
    // Fields drop in order: the lock is released before the created parents are removed.
    _lock: Lock,
    made_parents: MadeParents,
}

impl LocalFolder {
    /// Prepares to build `out`. Nothing exists under that name until [`LocalFolder::publish`]. Missing parents are
    /// created. `inputs` are the paths that will be read; they must not be inside a folder that will be replaced.
    ///
    /// Remains of a killed run are removed and logged.
    ///
    /// # Errors
    /// [`Error::Usage`] if `out` exists without `force`, or is not a finished run that may be replaced (a file, a
    /// folder with other content, a folder with the inputs); [`Error::Runtime`] if another run is writing there;
    /// [`Error::Io`] if the location cannot be written.
    pub fn create(out: &Path, force: bool, inputs: &[&Path]) -> Result<Self> {
        Self::of(Contents::Outputs, out, force, inputs)
    }

    /// As [`LocalFolder::create`], for a snapshot: replaces only a snapshot written by this program.
    pub fn of_snapshot(out: &Path, force: bool, inputs: &[&Path]) -> Result<Self> {
        Self::of(Contents::Snapshot, out, force, inputs)
    }

    fn of(contents: Contents, out: &Path, force: bool, inputs: &[&Path]) -> Result<Self> {
        // Follow a link, so that the folder is replaced and not the link.
        let target = match fs::symlink_metadata(out) {
            Ok(there) if there.is_symlink() => fs::canonicalize(out).map_err(|err| {
                Error::Usage(format!(
                    "`{}` cannot be an output folder: its link leads to no folder: {err}",
                    out.display()
                ))
            })?,
            Ok(_) => out.to_path_buf(),
            Err(err) if err.kind() == io::ErrorKind::NotFound => out.to_path_buf(),
            Err(err) => return Err(Error::io("open", out, err)),
        };
        check_free(&target, contents, force, inputs)?;
        let name = target.file_name().ok_or_else(|| {
            Error::Usage(format!("`{}` cannot be an output folder: the path has no name", out.display()))
        })?;
        let made_parents = MadeParents::make(parent(&target))?;
        let lock = Lock::take(beside(&target, name, "lock"), &target)?;
        let (building, old) = (beside(&target, name, "partial"), beside(&target, name, "old"));
        recover(&target, &building, &old, &lock)?;
        check_free(&target, contents, force, inputs)?;
        disk::create_dir(&building).map_err(|err| Error::io("create", &building, err))?;
        Ok(Self { building, old, target, contents, force, is_published: false, _lock: lock, made_parents })
    }

    /// The folder to write to.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.building
    }

    /// Gives the folder its final name. Its files must already be synced to disk.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the name was taken meanwhile, [`Error::Io`] if renaming fails: nothing has changed then.
    /// [`Error::Io`] also if the new name cannot be synced to disk: the folder exists then, but may be lost after a
    /// power failure.
    pub fn publish(mut self) -> Result<()> {
        sync(&self.building)?;
        let replaced = if fs::symlink_metadata(&self.target).is_err() {
            self.give_name()?;
            None
        } else {
            self.replace()?
        };
        self.is_published = true;
        let parents = std::mem::take(&mut self.made_parents.0);
        // Until the new name is synced, the old run stays complete: a power failure may restore it.
        sync(parent(&self.target))?;
        parents.iter().try_for_each(|made| sync(parent(made)))?;
        if let Some((replaced, owned)) = replaced {
            // The work is complete. A failure to remove the old folder is only a warning.
            if let Err(err) = owned.remove(&replaced) {
                tracing::warn!("the replaced folder is now `{}`, not all of it was removed: {err}", replaced.display());
            }
        }
        Ok(())
    }

    fn give_name(&self) -> Result<()> {
        disk::rename_new(&self.building, &self.target).map_err(|err| match err.kind() {
            io::ErrorKind::AlreadyExists => self.appeared(),
            _ => Error::io("rename the finished folder to", &self.target, err),
        })
    }

    /// Replaces the old folder; returns the path of the old one, and its files.
    fn replace(&self) -> Result<Option<(PathBuf, Owned)>> {
        if !self.force {
            return Err(self.appeared());
        }
        let owned = check_replaceable(&self.target, self.contents, &[])?;
        let failed = |err| Error::io("replace", &self.target, err);
        if disk::exchange(&self.building, &self.target).map_err(failed)? {
            return Ok(Some((self.building.clone(), owned)));
        }
        disk::rename(&self.target, &self.old).map_err(failed)?;
        if let Err(err) = disk::rename(&self.building, &self.target) {
            // Never lose the old folder: if it cannot be moved back, it stays where it is and the error names the path.
            disk::rename(&self.old, &self.target)
                .map_err(|err| Error::io("move back the replaced folder, which is now", &self.old, err))?;
            return Err(Error::io("rename the finished folder to", &self.target, err));
        }
        Ok(Some((self.old.clone(), owned)))
    }

    fn appeared(&self) -> Error {
        Error::Runtime(format!(
            "`{}` was created by another process during this run: nothing was written",
            self.target.display()
        ))
    }
}

impl Drop for LocalFolder {
    fn drop(&mut self) {
        if !self.is_published {
            let _ = disk::remove_dir_all(&self.building);
        }
    }
}

/// Removes the remains of a killed run.
fn recover(target: &Path, building: &Path, old: &Path, lock: &Lock) -> Result<()> {
    let is_there = |path: &Path| fs::symlink_metadata(path).is_ok();
    if !lock.is_held() && (is_there(building) || is_there(old)) {
        let left = if is_there(building) { building } else { old };
        let (left, target) = (left.display(), target.display());
        let problem = format!("`{left}` exists: another run is writing to `{target}`, or was killed");
        return Err(Error::Runtime(problem).hint("remove it if no run is active"));
    }
    if is_there(old) && !is_there(target) {
        disk::rename(old, target).map_err(|err| Error::io("move back the replaced folder, which is now", old, err))?;
        tracing::warn!("moved back `{}`, which a killed run had set aside", target.display());
    }
    for left in [building, old] {
        if is_there(left) {
            disk::remove_dir_all(left).map_err(|err| Error::io("remove", left, err))?;
            tracing::warn!("removed `{}`, which a killed run had left behind", left.display());
        }
    }
    Ok(())
}

/// Refuses an existing target, unless it may be replaced.
fn check_free(target: &Path, contents: Contents, force: bool, inputs: &[&Path]) -> Result<()> {
    match fs::symlink_metadata(target) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(Error::io("open", target, err)),
        Ok(_) => {}
    }
    if !force {
        return Err(Error::refused(format!("`{}` exists already", target.display()), Remedy::Replace));
    }
    check_replaceable(target, contents, inputs).map(drop)
}

/// Only what this program wrote may be replaced: `--force` with a mistyped path must not delete anything else. Returns
/// the files that will be removed.
fn check_replaceable(target: &Path, contents: Contents, inputs: &[&Path]) -> Result<Owned> {
    let refuse = |why: &str| Error::Usage(format!("`{}` is not replaced: {why}", target.display()));
    if !target.is_dir() {
        return Err(refuse("it is not a folder"));
    }
    let real = fs::canonicalize(target).map_err(|err| Error::io("open", target, err))?;
    if std::env::current_dir().and_then(fs::canonicalize).is_ok_and(|here| here.starts_with(&real)) {
        return Err(refuse("it contains the working folder"));
    }
    for input in inputs {
        if lies_in(input, &real).map_err(|err| Error::io("open", input, err))? {
            return Err(refuse(&format!("`{}`, which is an input, is inside it or links into it", input.display())));
        }
    }
    Owned::of(&real, contents).map_err(|why| refuse(&why))
}

/// Syncs the entries of a folder to disk.
fn sync(folder: &Path) -> Result<()> {
    disk::sync_dir(folder).map_err(|err| Error::io("write", folder, err))
}

/// Parents that were created, outermost first. They are removed if still empty when the work fails.
#[derive(Debug)]
struct MadeParents(Vec<PathBuf>);

impl MadeParents {
    fn make(parent: &Path) -> Result<Self> {
        let missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let mut missing: Vec<PathBuf> = parent.ancestors().take_while(missing).map(Path::to_path_buf).collect();
        missing.reverse();
        let mut made = Self(Vec::new());
        for folder in missing {
            match disk::create_dir(&folder) {
                Ok(()) => made.0.push(folder),
                Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {}
                Err(err) => return Err(Error::io("create", &folder, err)),
            }
        }
        Ok(made)
    }
}

impl Drop for MadeParents {
    fn drop(&mut self) {
        for parent in self.0.iter().rev() {
            let _ = disk::remove_dir(parent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::MANIFEST;

    /// A manifest of this program that lists nothing else.
    const OURS: &str = r#"{"remargin": "0.1.0", "outputs": []}"#;

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
                fs::write(folder.join(file), OURS).unwrap();
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
            let refused = LocalFolder::create(out, false, &[&input]).unwrap_err();
            assert!(matches!(refused, Error::Refused { .. }), "{refused}");
            let forced = LocalFolder::create(out, true, &[&input]);
            assert_eq!(forced.is_ok(), allowed, "{forced:?}");
            if let Err(error) = forced {
                assert!(matches!(error, Error::Usage(_)), "{error}");
            }
        }
        assert_eq!(entries(place.path()), 5, "nothing but what was there");
        for nameless in ["/", "..", "."] {
            assert_eq!(LocalFolder::create(Path::new(nameless), true, &[]).unwrap_err().exit_code(), 2, "{nameless}");
        }
    }

    #[test]
    fn the_second_of_two_runs_fails_clearly() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out");
        let first = LocalFolder::create(&out, false, &[]).unwrap();
        fs::write(first.path().join("table"), "x").unwrap();
        for force in [false, true] {
            let error = LocalFolder::create(&out, force, &[]).unwrap_err();
            assert!(error.to_string().contains("another run is writing to"), "{error}");
            assert_eq!(error.exit_code(), 1);
        }
        first.publish().unwrap();
        assert_eq!(entries(place.path()), 1);
        assert!(out.join("table").is_file());
        assert!(LocalFolder::create(&out, false, &[]).unwrap_err().to_string().contains("exists already"));
    }

    #[test]
    fn what_appears_meanwhile_stays() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out");
        for force in [false, true] {
            let folder = LocalFolder::create(&out, force, &[]).unwrap();
            fs::create_dir(&out).unwrap();
            fs::write(out.join("thesis.txt"), "x").unwrap();
            let error = folder.publish().unwrap_err();
            let says = if force {
                "no `manifest.json` of a finished run"
            } else {
                "was created by another process during this run"
            };
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!((entries(place.path()), entries(&out)), (1, 1));
            fs::remove_dir_all(&out).unwrap();
        }
    }

    #[test]
    fn what_a_killed_run_left_is_cleared_away() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out");
        let make = |name: &str, content: &str| {
            fs::create_dir(place.path().join(name)).unwrap();
            fs::write(place.path().join(name).join(MANIFEST), content).unwrap();
        };
        make(".out.remargin-partial", "half");
        make(".out.remargin-old", "old");
        fs::write(place.path().join(".out.remargin-lock"), "").unwrap();
        let error = LocalFolder::create(&out, false, &[]).unwrap_err();
        assert!(error.to_string().contains("exists already"), "what was set aside is back: {error}");
        assert_eq!(fs::read_to_string(out.join(MANIFEST)).unwrap(), "old");
        assert_eq!(entries(place.path()), 1);

        fs::write(out.join(MANIFEST), OURS).unwrap();
        make(".out.remargin-partial", "half");
        make(".out.remargin-old", "older");
        drop(LocalFolder::create(&out, true, &[]).unwrap());
        assert_eq!(fs::read_to_string(out.join(MANIFEST)).unwrap(), OURS);
        assert_eq!(entries(place.path()), 1);
    }

    #[test]
    fn places_that_cannot_be_written_are_named() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("file"), "x").unwrap();
        let out = place.path().join("file/out");
        let error = LocalFolder::create(&out, false, &[]).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains("file/"), "{error}");
        let long = "x".repeat(300);
        let error = LocalFolder::create(&place.path().join(&long), false, &[]).unwrap_err();
        assert!(error.to_string().contains(&long), "{error}");
        assert_eq!(entries(place.path()), 1);
    }

    #[test]
    fn parents_are_made_and_unmade() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("a/b/out");
        drop(LocalFolder::create(&out, false, &[]).unwrap());
        assert_eq!(entries(place.path()), 0);
        LocalFolder::create(&out, false, &[]).unwrap().publish().unwrap();
        assert!(out.is_dir());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_its_folder_is_replaced() {
        let place = tempfile::tempdir().unwrap();
        let (real, link) = (place.path().join("real"), place.path().join("link"));
        fs::create_dir(&real).unwrap();
        fs::write(real.join(MANIFEST), OURS).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        LocalFolder::create(&link, true, &[]).unwrap().publish().unwrap();
        assert!(link.is_symlink());
        assert_eq!(entries(&real), 0);
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_has_ordinary_rights() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let (ours, plain) = (place.path().join("ours"), place.path().join("plain"));
        LocalFolder::create(&ours, false, &[]).unwrap().publish().unwrap();
        fs::create_dir(&plain).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }
}
