//! Objects of a store in the place of files, and prefixes in the place of folders.
//!
//! Without the feature `cloud` there are none: each of these ends with an error that says so.

use crate::Result;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// What is directly in a folder, and whether it is a folder itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub path: PathBuf,
    pub is_folder: bool,
}

#[cfg(feature = "cloud")]
mod built_in {
    use super::Listed;
    use crate::source::{ByteSource, changed, unreadable};
    use crate::store::{self, Location, Remote};
    use crate::{Invalid, Result};
    use std::io;
    use std::path::Path;
    use std::sync::Arc;

    /// An object of a store.
    #[derive(Debug)]
    struct Object(Arc<Remote>);

    impl ByteSource for Object {
        fn path(&self) -> &Path {
            self.0.url()
        }

        fn len(&self) -> u64 {
            self.0.len()
        }

        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            self.0.read_at(buffer, offset)
        }

        fn verify_unchanged(&self) -> Result<()> {
            match self.0.change().map_err(|error| unreadable(self.0.url(), &error))? {
                None => Ok(()),
                Some(how) => Err(changed(self.0.url(), how).into()),
            }
        }
    }

    pub(in crate::source) fn open(url: &Path) -> Result<Arc<dyn ByteSource>> {
        match Remote::open(url).map_err(|error| unreadable(url, &error))? {
            Some(object) => Ok(Arc::new(Object(object))),
            None => Err(Invalid::new("the file cannot be read: no such object").file(url).into()),
        }
    }

    pub(in crate::source) fn is_object(url: &Path) -> Result<bool> {
        store::head(url).map(|found| found.is_some()).map_err(|error| unreadable(url, &error))
    }

    pub(in crate::source) fn is_folder(url: &Path) -> Result<bool> {
        store::is_folder(url).map_err(|error| unreadable(url, &error))
    }

    pub(in crate::source) fn list(url: &Path) -> Result<Vec<Listed>> {
        let entries = store::list(url).map_err(|error| unreadable(url, &error))?;
        Ok(entries.into_iter().map(|of| Listed { path: url.join(of.name), is_folder: of.is_folder }).collect())
    }

    pub(in crate::source) fn cannot_list(url: &Path) -> Result<bool> {
        Location::of(url).map(|location| location.is_read_only())
    }

    /// Bytes that reading takes beside the rest.
    pub(crate) fn beside_bytes(dir: &Path) -> u64 {
        if store::is_url(dir) { store::BYTES } else { 0 }
    }
}

#[cfg(not(feature = "cloud"))]
mod built_in {
    use super::Listed;
    use crate::Result;
    use crate::source::ByteSource;
    use crate::store::not_built_in;
    use std::path::Path;
    use std::sync::Arc;

    pub(in crate::source) fn open(url: &Path) -> Result<Arc<dyn ByteSource>> {
        Err(not_built_in(url))
    }

    pub(in crate::source) fn is_object(url: &Path) -> Result<bool> {
        Err(not_built_in(url))
    }

    pub(in crate::source) fn is_folder(url: &Path) -> Result<bool> {
        Err(not_built_in(url))
    }

    pub(in crate::source) fn list(url: &Path) -> Result<Vec<Listed>> {
        Err(not_built_in(url))
    }

    pub(in crate::source) fn cannot_list(url: &Path) -> Result<bool> {
        Err(not_built_in(url))
    }

    pub(crate) fn beside_bytes(_: &Path) -> u64 {
        0
    }
}

pub(crate) use built_in::beside_bytes;
pub(super) use built_in::{cannot_list, is_folder, is_object, list, open};

/// The files of a table on a server that lists nothing: those of the names that it may have.
///
/// # Errors
/// [`crate::Invalid`] if the server does not answer.
pub(super) fn named(dir: &Path, name: &str, ends: impl Iterator<Item = &'static str>) -> Result<Vec<Listed>> {
    let paths: Vec<PathBuf> = ends.map(|end| dir.join(format!("{name}.{end}"))).collect();
    let there = paths.par_iter().map(|path| is_object(path)).collect::<Result<Vec<bool>>>()?;
    let found = paths.into_iter().zip(there).filter(|(_, is_there)| *is_there);
    Ok(found.map(|(path, _)| Listed { path, is_folder: false }).collect())
}
