//! A file that grows by whole lines, such as a list of events.

use super::disk::{self, parent};
use crate::{Error, Result};
use std::path::Path;

/// Appends a line to a file and syncs it; the file and its parents are created if they are missing.
///
/// The file is locked meanwhile, so that lines of several processes do not mix. If a killed process left a line
/// without its end, the new line still begins a line of its own.
///
/// # Errors
/// [`Error::Io`] if the location cannot be written.
pub fn append_line(path: &Path, line: &str) -> Result<()> {
    let folder = parent(path);
    std::fs::create_dir_all(folder).map_err(|err| Error::io("create", folder, err))?;
    disk::append_line(path, line).map_err(|err| Error::io("append to", path, err))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn each_line_is_one_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("events/run.jsonl");
        append_line(&path, "one").unwrap();
        append_line(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        // What a killed process leaves.
        fs::write(&path, "one\nha").unwrap();
        append_line(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\nha\ntwo\n");
        assert_eq!(append_line(place.path(), "x").unwrap_err().exit_code(), 1);
    }

    #[test]
    fn lines_of_many_threads_do_not_mix() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("run.jsonl");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..20 {
                        append_line(path, &format!("{thread}").repeat(500)).unwrap();
                    }
                });
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 160);
        for line in text.lines() {
            assert!(line.len() == 500 && line.bytes().all(|byte| byte == line.as_bytes()[0]), "{line}");
        }
    }
}
