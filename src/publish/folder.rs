//! An output folder that appears whole or not at all.
//!
//! It is built as `.NAME.remargin-partial` beside its final name, so that the last step is one rename on one file
//! system. Whatever ends the work early, an error or an interruption, removes it again; after a kill or a power failure
//! the next run to the same place does.
//!
//! ```text
//! .NAME.remargin-lock      taken first, so that one run at a time works here
//! .NAME.remargin-partial   filled; every file, then the folder is brought to the medium
//! NAME                     new: renamed. Replaced: the two folders change names in one step, and there is no moment
//!                          without a whole NAME; then the old one goes
//! .NAME.remargin-old       the old one, where names cannot be changed in one step: set aside, and put back by the next
//!                          run if this one dies before NAME is there again
//! ```

use super::disk;
use super::lock::Lock;
use super::owned::{Contents, Owned, lies_in};
use crate::error::Remedy;
use crate::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A folder under construction.
#[derive(Debug)]
pub struct OutputFolder {
    building: PathBuf,
    old: PathBuf,
    target: PathBuf,
    contents: Contents,
    force: bool,
    /// The folder has its name; what is left under the other one is an old run.
    is_published: bool,
    // Fields drop in order: the lock goes before the parents that were made for it.
    _lock: Lock,
    made_parents: MadeParents,
}

impl OutputFolder {
    /// Prepares to build `out`; nothing is visible under that name until [`OutputFolder::publish`]. Missing parents
    /// are made. `inputs` are what the work will read, and must not lie inside a folder that is to be replaced.
    ///
    /// What a run that was killed left behind is cleared away, and said in the log.
    ///
    /// # Errors
    /// [`Error::Usage`] if `out` exists without `force`, or is not a finished run that could be replaced (a file, a
    /// folder of other things, one that holds the inputs); [`Error::Runtime`] if another run is writing there;
    /// [`Error::Io`] if the place cannot be written.
    pub fn create(out: &Path, force: bool, inputs: &[&Path]) -> Result<Self> {
        Self::of(Contents::Outputs, out, force, inputs)
    }

    /// As [`OutputFolder::create`], for a snapshot: replaces only a snapshot that this program wrote.
    pub(crate) fn of_snapshot(out: &Path, force: bool, inputs: &[&Path]) -> Result<Self> {
        Self::of(Contents::Snapshot, out, force, inputs)
    }

    fn of(contents: Contents, out: &Path, force: bool, inputs: &[&Path]) -> Result<Self> {
        // A link is followed, so that what is replaced is the folder and not the link.
        let target = match fs::symlink_metadata(out) {
            Ok(there) if there.is_symlink() => fs::canonicalize(out).map_err(|err| Error::io("open", out, err))?,
            Ok(_) => out.to_path_buf(),
            Err(err) if err.kind() == io::ErrorKind::NotFound => out.to_path_buf(),
            Err(err) => return Err(Error::io("open", out, err)),
        };
        check_free(&target, contents, force, inputs)?;
        let name = target.file_name().ok_or_else(|| {
            Error::Usage(format!("`{}` cannot be an output folder: it has no name of its own", out.display()))
        })?;
        let made_parents = MadeParents::make(parent(&target))?;
        let lock = Lock::take(beside(&target, name, "lock"), &target)?;
        let (building, old) = (beside(&target, name, "partial"), beside(&target, name, "old"));
        recover(&target, &building, &old, &lock)?;
        check_free(&target, contents, force, inputs)?;
        disk::create_dir(&building).map_err(|err| Error::io("create", &building, err))?;
        Ok(Self { building, old, target, contents, force, is_published: false, _lock: lock, made_parents })
    }

    /// Where to write.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.building
    }

    /// Removes what was written so far.
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

    /// Gives the folder its name. Files in it must have been brought to the disk by whoever wrote them.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the name was taken in the meantime, [`Error::Io`] if it cannot be given: then nothing has
    /// changed. [`Error::Io`] also if the new name cannot be brought to the medium: then the folder is there, but may
    /// be gone after a power failure.
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
        // Until the new name is on the medium, the old run stays whole: a power failure may bring it back.
        sync(parent(&self.target))?;
        parents.iter().try_for_each(|made| sync(parent(made)))?;
        if let Some((replaced, owned)) = replaced {
            // The work is done; what is left of the old folder is a nuisance, not a failure.
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

    /// Takes the place of the old folder; returns where that is now, and its files.
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
            // The old folder is kept at any price: if it cannot go back, it stays where it is and the error says where.
            disk::rename(&self.old, &self.target)
                .map_err(|err| Error::io("move back the replaced folder, which is now", &self.old, err))?;
            return Err(Error::io("rename the finished folder to", &self.target, err));
        }
        Ok(Some((self.old.clone(), owned)))
    }

    fn appeared(&self) -> Error {
        Error::Runtime(format!("`{}` appeared while this run was at work: nothing was written", self.target.display()))
    }
}

impl Drop for OutputFolder {
    fn drop(&mut self) {
        if !self.is_published {
            let _ = disk::remove_dir_all(&self.building);
        }
    }
}

/// Clears away what a run that was killed left behind.
fn recover(target: &Path, building: &Path, old: &Path, lock: &Lock) -> Result<()> {
    let is_there = |path: &Path| fs::symlink_metadata(path).is_ok();
    if !lock.is_held() && (is_there(building) || is_there(old)) {
        let left = if is_there(building) { building } else { old };
        return Err(Error::Runtime(format!(
            "`{}` is there: another run is writing to `{}`, or was killed\n  hint:     remove it if no run is at work",
            left.display(),
            target.display()
        )));
    }
    if is_there(old) && !is_there(target) {
        disk::rename(old, target).map_err(|err| Error::io("move back the replaced folder, which is now", old, err))?;
        tracing::warn!("put back `{}`, which a run that was killed had set aside", target.display());
    }
    for left in [building, old] {
        if is_there(left) {
            disk::remove_dir_all(left).map_err(|err| Error::io("remove", left, err))?;
            tracing::warn!("removed `{}`, which a run that was killed had left behind", left.display());
        }
    }
    Ok(())
}

/// Refuses a target that is there, unless it may be replaced.
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

/// Only what this program wrote may be replaced: `--force` with a slip in the path must not delete anything else.
/// Returns the files that will go.
fn check_replaceable(target: &Path, contents: Contents, inputs: &[&Path]) -> Result<Owned> {
    let refuse = |why: &str| Error::Usage(format!("`{}` is not replaced: {why}", target.display()));
    if !target.is_dir() {
        return Err(refuse("it is not a folder"));
    }
    let real = fs::canonicalize(target).map_err(|err| Error::io("open", target, err))?;
    if std::env::current_dir().and_then(fs::canonicalize).is_ok_and(|here| here.starts_with(&real)) {
        return Err(refuse("the working folder lies in it"));
    }
    for input in inputs {
        if lies_in(input, &real).map_err(|err| Error::io("open", input, err))? {
            return Err(refuse(&format!("`{}`, which is read, lies in it or leads into it", input.display())));
        }
    }
    Owned::of(&real, contents).map_err(|why| refuse(&why))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// `.NAME.remargin-PURPOSE` in the same folder.
fn beside(target: &Path, name: &OsStr, purpose: &str) -> PathBuf {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".remargin-");
    hidden.push(purpose);
    parent(target).join(hidden)
}

/// Brings the entries of a folder to the disk.
fn sync(folder: &Path) -> Result<()> {
    disk::sync_dir(folder).map_err(|err| Error::io("write", folder, err))
}

/// Parents that did not exist, outermost first; removed again if still empty when the work fails.
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
            let refused = OutputFolder::create(out, false, &[&input]).unwrap_err();
            assert!(matches!(refused, Error::Refused { .. }), "{refused}");
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
        let first = OutputFolder::create(&out, false, &[]).unwrap();
        fs::write(first.path().join("table"), "x").unwrap();
        for force in [false, true] {
            let error = OutputFolder::create(&out, force, &[]).unwrap_err();
            assert!(error.to_string().contains("another run is writing to"), "{error}");
            assert_eq!(error.exit_code(), 1);
        }
        first.publish().unwrap();
        assert_eq!(entries(place.path()), 1);
        assert!(out.join("table").is_file());
        assert!(OutputFolder::create(&out, false, &[]).unwrap_err().to_string().contains("exists already"));
    }

    #[test]
    fn what_appears_meanwhile_stays() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out");
        for force in [false, true] {
            let folder = OutputFolder::create(&out, force, &[]).unwrap();
            fs::create_dir(&out).unwrap();
            fs::write(out.join("thesis.txt"), "x").unwrap();
            let error = folder.publish().unwrap_err();
            let says =
                if force { "no `manifest.json` of a finished run" } else { "appeared while this run was at work" };
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
        let error = OutputFolder::create(&out, false, &[]).unwrap_err();
        assert!(error.to_string().contains("exists already"), "what was set aside is back: {error}");
        assert_eq!(fs::read_to_string(out.join(MANIFEST)).unwrap(), "old");
        assert_eq!(entries(place.path()), 1);

        fs::write(out.join(MANIFEST), OURS).unwrap();
        make(".out.remargin-partial", "half");
        make(".out.remargin-old", "older");
        drop(OutputFolder::create(&out, true, &[]).unwrap());
        assert_eq!(fs::read_to_string(out.join(MANIFEST)).unwrap(), OURS);
        assert_eq!(entries(place.path()), 1);
    }

    #[test]
    fn places_that_cannot_be_written_are_named() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("file"), "x").unwrap();
        let out = place.path().join("file/out");
        let error = OutputFolder::create(&out, false, &[]).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains("file/"), "{error}");
        let long = "x".repeat(300);
        let error = OutputFolder::create(&place.path().join(&long), false, &[]).unwrap_err();
        assert!(error.to_string().contains(&long), "{error}");
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
        fs::write(real.join(MANIFEST), OURS).unwrap();
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
