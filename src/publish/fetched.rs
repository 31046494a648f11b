//! A finished run at a URL, brought to a temporary folder of this machine for whoever reads it more than once.

use crate::store::is_url;
use crate::{Error, Result};
use std::path::Path;

/// Does work that reads a finished run. One at a URL is brought to a folder below `temp` first, which is removed
/// afterwards; errors name the URL all the same.
///
/// # Errors
/// [`crate::Invalid`] if there is no run at the URL; those of the work.
pub(crate) fn with_run<T>(run: &Path, temp: &Path, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    if !is_url(run) {
        return work(run);
    }
    built_in::with_run(run, temp, work)
}

#[cfg(not(feature = "cloud"))]
mod built_in {
    use crate::Result;
    use std::path::Path;

    pub(super) fn with_run<T>(run: &Path, _: &Path, _: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        Err(crate::store::not_built_in(run))
    }
}

#[cfg(feature = "cloud")]
mod built_in {
    use crate::publish::owned::named;
    use crate::publish::scratch::Scratch;
    use crate::publish::store_folder::files_in;
    use crate::publish::{MANIFEST, SIGNATURE, disk};
    use crate::source::{LARGEST_JSON, unreadable};
    use crate::store::{self, Location};
    use crate::{Error, Invalid, Result};
    use std::fs;
    use std::path::{Component, Path, PathBuf};

    pub(super) fn with_run<T>(run: &Path, temp: &Path, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let location = Location::of(run)?;
        let url = PathBuf::from(location.to_string());
        let scratch = Scratch::create(temp, "fetch")?;
        let here = scratch.path().join("run");
        disk::create_dir(&here).map_err(|err| Error::io("create", &here, err))?;
        bring(&url, &here, location.is_read_only())?;
        work(&here).map_err(|error| super::told_of(error, &here, &url))
    }

    /// Brings the manifest, the files that it names and what else is in their folder.
    fn bring(url: &Path, here: &Path, is_read_only: bool) -> Result<()> {
        let manifest = url.join(MANIFEST);
        let invalid = |problem: &str| Invalid::new(problem).file(&manifest);
        let found = store::get(&manifest, LARGEST_JSON).map_err(|error| unreadable(&manifest, &error))?;
        let Some((text, _)) = found else {
            return Err(invalid("does not exist").expected("the `manifest.json` of a finished run").into());
        };
        let folder = files_in(&text).map_err(|why| invalid(&why).expected("the manifest of a run at a URL"))?;
        let folder = folder.map_or_else(|| url.to_path_buf(), |run| url.join(run));
        let mut names: Vec<PathBuf> = Vec::new();
        if is_read_only {
            names.extend(named(&text).unwrap_or_default().into_iter().filter(|name| is_plain(name)));
        } else {
            for entry in store::list(&folder).map_err(|error| unreadable(&folder, &error))? {
                let name = PathBuf::from(entry.name);
                if entry.is_folder {
                    // Nothing of a run is in folders; who lists the files sees that there is one.
                    let inner = here.join(&name);
                    disk::create_dir(&inner).map_err(|err| Error::io("create", &inner, err))?;
                } else if is_plain(&name) {
                    names.push(name);
                }
            }
        }
        names.retain(|name| name != Path::new(MANIFEST) && name != Path::new(SIGNATURE));
        let mut pairs: Vec<_> = names.iter().map(|name| (folder.join(name), here.join(name))).collect();
        pairs.push((url.join(SIGNATURE), here.join(SIGNATURE)));
        store::download(&pairs).map_err(|error| unreadable(&folder, &error))?;
        let file = here.join(MANIFEST);
        fs::write(&file, text).map_err(|err| Error::io("write", &file, err))
    }

    /// A name that leads nowhere else.
    fn is_plain(name: &Path) -> bool {
        let mut parts = name.components();
        matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
    }
}

/// The error with the URL in the place of the folder to which it was brought.
#[cfg_attr(not(feature = "cloud"), allow(dead_code, reason = "for the other build"))]
fn told_of(error: Error, here: &Path, url: &Path) -> Error {
    let moved = |path: &Path| match path.strip_prefix(here) {
        Ok(rest) if rest.as_os_str().is_empty() => url.to_path_buf(),
        Ok(rest) => url.join(rest),
        Err(_) => path.to_path_buf(),
    };
    match error {
        Error::Invalid(mut fault) => {
            fault.file = fault.file.as_deref().map(moved);
            Error::Invalid(fault)
        }
        Error::Io { action, path, source } => Error::Io { action, path: moved(&path), source },
        Error::Hinted { error, hint } => Error::Hinted { error: Box::new(told_of(*error, here, url)), hint },
        Error::Usage(text) => Error::Usage(told_of_text(&text, here, url)),
        Error::Runtime(text) => Error::Runtime(told_of_text(&text, here, url)),
        other => other,
    }
}

fn told_of_text(text: &str, here: &Path, url: &Path) -> String {
    text.replace(&here.display().to_string(), &url.display().to_string())
}
