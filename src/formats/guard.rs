//! The edge to the libraries that decode files: what they do with damage becomes an error that names the file.

use crate::source::{Input, most_unpacked, unreadable};
use crate::{Invalid, Result};
use std::cell::Cell;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Rows that any table may have, and rows for each byte of its files beyond that.
///
/// A few bytes can stand for as many rows as they like where all rows are equal, and each row costs memory here.
const ROWS_OF_ANY_FILE: u64 = 1 << 20;
const ROWS_PER_BYTE: u64 = 256;

/// Largest metadata that is read before anything is known of a file.
pub(crate) const LARGEST_FOOTER: u64 = 16 << 20;

/// True if so many bytes are too few to hold so many rows.
pub(crate) fn too_many_rows(rows: u64, bytes: u64) -> bool {
    rows > ROWS_OF_ANY_FILE.saturating_add(bytes.saturating_mul(ROWS_PER_BYTE))
}

/// True if so many bytes may not unpack to so many others.
pub(crate) fn unpacks_too_far(packed: u64, unpacked: u64) -> bool {
    unpacked > most_unpacked(packed)
}

/// A file that is not what its name says, or is damaged.
pub(crate) fn damaged(file: &Path, problem: impl Display) -> Invalid {
    Invalid::new(format!("damaged file: {problem}")).file(file)
}

/// Too many rows for the size of a file.
pub(crate) fn row_limit(file: &Path, rows: u64, bytes: u64) -> Result<()> {
    if !too_many_rows(rows, bytes) {
        return Ok(());
    }
    let invalid = Invalid::new("more rows than a file of this size may hold").file(file);
    let invalid = invalid.value(format!("{rows} rows in {bytes} bytes"));
    Err(invalid.expected(format!("at most {ROWS_OF_ANY_FILE}, and {ROWS_PER_BYTE} more for each byte")).into())
}

/// Reads a part of a file into memory.
pub(crate) fn read_exactly(input: &Input, start: u64, length: u64) -> Result<Vec<u8>> {
    let cut_off = || damaged(input.path(), "it was cut off while it was read");
    let inside = start.checked_add(length).is_some_and(|end| end <= input.len());
    let length = usize::try_from(length).ok().filter(|_| inside).ok_or_else(cut_off)?;
    let mut bytes = vec![0; length];
    input.read_exact_at(&mut bytes, start).map_err(|error| unreadable(input.path(), &error))?;
    Ok(bytes)
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// True on a thread that is inside a decoder of another library. If that decoder panics, reading ends in an error, so
/// a program's own panic hook may ask this and print nothing. This library sets no hook.
#[must_use]
pub fn is_panic_handled() -> bool {
    GUARDED.get()
}

/// Runs a step of a library that reads `file`; its errors and its panics become [`Invalid`].
pub(crate) fn guarded<T, E: Display>(file: &Path, step: impl FnOnce() -> Result<T, E>) -> Result<T> {
    let before = GUARDED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(step));
    GUARDED.set(before);
    let problem = match outcome {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => format!("the file cannot be read: {error}"),
        Err(panic) => {
            let words = panic.downcast_ref::<&str>().map(ToString::to_string);
            let words = words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            format!("the file is damaged, its reader gave up: {words}")
        }
    };
    Err(Invalid::new(problem).file(file).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_panics_name_the_file() {
        let file = Path::new("marks.parquet");
        assert_eq!(guarded(file, || Ok::<_, String>(7)).unwrap(), 7);
        for (step, problem) in [
            (Box::new(|| Err("no".to_owned())) as Box<dyn Fn() -> Result<(), String>>, "the file cannot be read: no"),
            (Box::new(|| panic!("index {}", 9)), "its reader gave up: index 9"),
            (Box::new(|| std::panic::panic_any(7)), "its reader gave up: "),
        ] {
            let error = guarded(file, step).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(problem) && text.contains("marks.parquet"), "{text}");
            assert_eq!(error.exit_code(), 3);
        }
    }

    #[test]
    fn bounds_follow_the_size() {
        for (rows, bytes, refused) in
            [(1 << 20, 0, false), ((1 << 20) + 1, 0, true), (u64::MAX, u64::MAX, false), (2_000_000, 4_096, false)]
        {
            assert_eq!(too_many_rows(rows, bytes), refused, "{rows} {bytes}");
        }
        for (packed, unpacked, refused) in
            [(0, 64 << 20, false), (100, (64 << 20) + 1, true), (4 << 20, 128 << 20, false), (4 << 20, 129 << 20, true)]
        {
            assert_eq!(unpacks_too_far(packed, unpacked), refused, "{packed} {unpacked}");
        }
    }
}
