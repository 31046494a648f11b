//! How much memory a command may take, and what fits into it.
//!
//! The needs are estimates by what was seen to be resident, on the safe side; what is measured is [`peak_bytes`].

use crate::snapshot::stream::Window;
use crate::{Error, Result, container};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// Most bytes that a command should have resident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemoryLimit(u64);

const MIB: u64 = 1 << 20;

/// The program, the market, file buffers.
const BASE: u64 = 96 * MIB;
/// What the allocator keeps for each thread, and what a thread works with beside row groups and pieces.
const THREAD: u64 = 48 * MIB;
/// The same of a book without a row.
const LEAST_BASE: u64 = 40 * MIB;
const LEAST_THREAD: u64 = 8 * MIB;
const LEAST_PIECE: u64 = 2 * MIB;
const LEAST_MARKET: u64 = 4 * MIB;
/// A market of usual size is in what every command needs.
const MOST_MARKET: u64 = 16 * MIB;
/// By which these grow with the rows of a book, until they are what they are of any book.
const ROW_BASE: u64 = 512;
const ROW_THREAD: u64 = 512;
const ROW_PIECE: u64 = 1536;
/// Ids of accounts that are kept to find those that look alike: as many at most, and bytes of each while the list
/// grows.
const MOST_KEYS: u64 = 1 << 20;
const KEY: u64 = 12;
/// A row of a row group that is decoded and waits.
const DECODED_ROW: u64 = 64;
/// A row of a range that was brought to disk, while it is sorted.
const SORTED_ROW: u64 = 224;
/// A row of a book that is held in memory.
const HELD_ROW: u64 = 64;

/// A row of a book.
pub(crate) const BOOK_ROW: u64 = 32;

/// What a command needs beside what every command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Bytes of a piece of usual size at work.
    pub piece: u64,
    /// Bytes of a piece that do not depend on its accounts.
    pub each: u64,
    /// Bytes that are there for as long as the command reads.
    pub kept: u64,
    /// Rows of the whole book, about: little is needed for a small one. What is not known is large.
    pub rows: u64,
}

impl Need {
    /// A piece of 16,384 accounts: its book, its rows, the encoded columns.
    pub const ROWS: Self = Self { piece: 24 * MIB, each: 0, kept: 0, rows: u64::MAX };
    /// The same, margined in the base case and in a scenario, with all that a stress looks at.
    pub const STRESS: Self = Self { piece: 32 * MIB, each: 0, kept: 0, rows: u64::MAX };
    /// The same, of which nothing but the book is made.
    pub const BOOK: Self = Self { piece: 8 * MIB, each: 0, kept: 0, rows: u64::MAX };

    /// With so many more bytes kept.
    #[must_use]
    pub fn keeping(self, bytes: u64) -> Self {
        Self { kept: self.kept.saturating_add(bytes), ..self }
    }

    /// Of a book of about so many rows.
    #[must_use]
    pub(crate) fn of_rows(self, rows: u64) -> Self {
        Self { rows, ..self }
    }

    /// Bytes of the market that are in what every command needs: less of a small book.
    #[must_use]
    pub(crate) fn usual_market(self) -> u64 {
        (self.base(0) - LEAST_BASE + LEAST_MARKET).min(MOST_MARKET)
    }

    /// What the program and its threads take.
    fn base(self, threads: usize) -> u64 {
        let grown = |least: u64, row: u64| least.saturating_add(self.rows.saturating_mul(row));
        let thread = grown(LEAST_THREAD, ROW_THREAD).min(THREAD);
        grown(LEAST_BASE, ROW_BASE).min(BASE) + thread * threads as u64
    }

    /// Of a window, where row groups of all tables together have so many bytes.
    fn of(self, window: Window, group_bytes: u64, threads: usize) -> u64 {
        let groups = group_bytes.saturating_mul(window.row_groups as u64);
        let piece = LEAST_PIECE.saturating_add(self.rows.saturating_mul(ROW_PIECE)).min(self.piece);
        let pieces = piece.saturating_add(self.each).saturating_mul(window.pieces as u64);
        let keys = if self.rows == u64::MAX { 0 } else { self.rows.min(MOST_KEYS) * KEY };
        [groups, pieces, keys, self.kept].into_iter().fold(self.base(threads), u64::saturating_add)
    }
}

/// Rows that are in memory while a book is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Of the row groups that are decoded together.
    Decoded(u64),
    /// Of a range that is sorted when it is read back.
    Sorted(u64),
    /// Of tables that are held.
    Held(u64),
}

/// As little as possible.
pub(crate) const NARROWEST: Window = Window { row_groups: 1, pieces: 1 };

impl MemoryLimit {
    /// From a number of bytes.
    #[must_use]
    pub fn of_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// In bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// Threads that the limit bears: what they take is at most half of it, so that as much is left for the book.
    #[must_use]
    pub fn threads(self) -> usize {
        usize::try_from(self.0 / 2 / THREAD).unwrap_or(usize::MAX).max(1)
    }

    /// Three fifths of the memory of the machine or, if that is less, of the container; 4 GiB where neither is known.
    #[must_use]
    pub fn of_machine() -> Self {
        let known = [machine_bytes(), container_bytes()].into_iter().flatten().min();
        Self(known.map_or(4096 * MIB, |bytes| bytes / 5 * 3))
    }

    /// What each of several books may take that are read side by side: the program itself is there once.
    #[must_use]
    pub fn shared(self, books: u64, threads: usize) -> Self {
        let base = Need::BOOK.base(threads);
        Self(self.0.min(base.saturating_add(self.0.saturating_sub(base) / books.max(1))))
    }

    /// The widest window that fits, if row groups of the tables that stream have so many rows together.
    #[must_use]
    pub fn window(self, rows: u64, threads: usize, need: Need) -> Option<Window> {
        self.widest(rows.saturating_mul(DECODED_ROW), threads, need)
    }

    /// As [`MemoryLimit::window`], for ranges that are sorted when they are read back.
    #[must_use]
    pub fn sorting_window(self, rows: u64, threads: usize, need: Need) -> Option<Window> {
        self.widest(rows.saturating_mul(SORTED_ROW), threads, need)
    }

    fn widest(self, group_bytes: u64, threads: usize, need: Need) -> Option<Window> {
        let threads = threads.max(1);
        let windows = (1..=threads).rev().flat_map(|row_groups| {
            let pieces = (row_groups..=2 * threads).rev();
            pieces.map(move |pieces| Window { row_groups, pieces })
        });
        windows.into_iter().find(|window| need.of(*window, group_bytes, threads) <= self.0)
    }

    /// Rows of a range that can be sorted within the limit, three tables side by side; beside one piece if two leave
    /// too little.
    #[must_use]
    pub fn sorted_rows(self, threads: usize, need: Need) -> u64 {
        const MANY: u64 = 1 << 15;
        let beside =
            |pieces| self.0.saturating_sub(need.of(Window { row_groups: 0, pieces }, 0, threads)) / (3 * SORTED_ROW);
        let rows = beside(2);
        if rows < MANY { beside(1) } else { rows }
    }

    /// The widest window over tables of so many rows that are held in memory, if they can be held.
    #[must_use]
    pub fn held_window(self, rows: u64, threads: usize, need: Need) -> Option<Window> {
        let windows = (1..=2 * threads.max(1)).rev().map(|pieces| Window { row_groups: 1, pieces });
        windows.into_iter().find(|window| need.of(*window, rows.saturating_mul(HELD_ROW), threads) <= self.0)
    }

    /// Bytes that are left beside a window, for what piles up while a command reads. `rows` are those of the row groups
    /// of a streaming window, of a sorted range, or of the tables that are held.
    #[must_use]
    pub fn beside(self, window: Window, rows: Rows, threads: usize, need: Need) -> u64 {
        let bytes = match rows {
            Rows::Decoded(rows) => rows.saturating_mul(DECODED_ROW),
            Rows::Sorted(rows) => rows.saturating_mul(SORTED_ROW),
            Rows::Held(rows) => rows.saturating_mul(HELD_ROW),
        };
        // What every command needs was seen to be a third less where nothing piles up.
        self.0.saturating_sub(need.of(window, bytes, threads)).max(need.base(threads) / 3)
    }

    /// True if the need alone is within the limit, whatever the tables.
    #[must_use]
    pub fn bears(self, threads: usize, need: Need) -> bool {
        need.of(NARROWEST, 0, threads) <= self.0
    }

    /// True if tables of so many rows can be held in memory.
    #[must_use]
    pub fn holds(self, rows: u64, threads: usize, need: Need) -> bool {
        self.room(threads, need) >= rows.saturating_mul(HELD_ROW)
    }

    /// Bytes that are left beside the pieces of a book that is held.
    #[must_use]
    pub fn room(self, threads: usize, need: Need) -> u64 {
        self.0.saturating_sub(need.of(Window { row_groups: 0, pieces: 2 * threads.max(1) }, 0, threads))
    }

    /// Bytes that are left beside the narrowest window, for what a command keeps while it reads.
    #[must_use]
    pub fn spare(self, rows: u64, threads: usize, need: Need) -> u64 {
        self.0.saturating_sub(need.of(NARROWEST, rows.saturating_mul(DECODED_ROW), threads))
    }

    /// The error of a limit that does not suffice, and what would: `rows` is what row groups have together, at most.
    #[must_use]
    pub fn exceeded(self, what: &str, rows: u64, threads: usize, need: Need) -> Error {
        let enough = need.of(NARROWEST, rows.saturating_mul(DECODED_ROW), threads).div_ceil(MIB);
        // What did not fit was found on the way, and may be less than what comes after it.
        let more = self.0.div_ceil(MIB).saturating_mul(5).div_ceil(4);
        let enough = if enough.saturating_mul(MIB) > self.0 { enough } else { more };
        let fewer = if threads > 1 { ", or use fewer --threads" } else { "" };
        Error::Memory(format!(
            "the memory limit of {self} does not suffice: {what}\n  \
             expected: about {enough} MiB on {threads} thread(s)"
        ))
        .hint(format!("raise --memory-limit{fewer}"))
    }
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(MIB) { write!(f, "{} MiB", self.0 / MIB) } else { write!(f, "{} bytes", self.0) }
    }
}

impl FromStr for MemoryLimit {
    type Err = String;

    /// A number with a unit: `512MiB`, `4GiB` (powers of 1024, also `512M`, `4G`), `800MB`, `2GB` (powers of 1000).
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("`{text}` is no size: expected a number and a unit, such as `512MiB` or `4GB`");
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.replace('_', "").parse().map_err(|_| expected())?;
        let factor = match unit.trim().to_ascii_lowercase().as_str() {
            "b" => 1,
            "k" | "kib" => 1 << 10,
            "m" | "mib" => MIB,
            "g" | "gib" => 1 << 30,
            "t" | "tib" => 1 << 40,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            _ => return Err(expected()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(expected)
    }
}

/// Peak resident memory of this process, if the system tells. On Linux it is that of the program itself; on other
/// systems it may include the process before it started the program.
#[must_use]
pub fn peak_bytes() -> Option<u64> {
    let of_status = std::fs::read_to_string("/proc/self/status").ok();
    of_status.and_then(|status| kibibytes(&status, "VmHWM:")).or_else(peak_of_usage)
}

/// The line `key  123 kB` in bytes.
pub(crate) fn kibibytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Apple counts bytes, the others kibibytes.
#[cfg(unix)]
fn peak_of_usage() -> Option<u64> {
    use nix::sys::resource::{UsageWho, getrusage};
    let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    u64::try_from(usage.max_rss()).ok()?.checked_mul(unit)
}

#[cfg(not(unix))]
fn peak_of_usage() -> Option<u64> {
    None
}

#[cfg(target_os = "linux")]
fn machine_bytes() -> Option<u64> {
    nix::sys::sysinfo::sysinfo().ok().map(|info| info.ram_total())
}

#[cfg(not(target_os = "linux"))]
fn machine_bytes() -> Option<u64> {
    None
}

/// What the control groups of the process allow.
fn container_bytes() -> Option<u64> {
    container::limit(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("512MiB", Some(512 * MIB)),
            ("512m", Some(512 * MIB)),
            ("2 GB", Some(2_000_000_000)),
            ("1T", Some(1 << 40)),
            ("7b", Some(7)),
            ("512", None),
            ("", None),
            ("MiB", None),
            ("1.5G", None),
            ("-1G", None),
            ("99999999999999999999G", None),
            ("999999999999T", None),
        ] {
            assert_eq!(text.parse::<MemoryLimit>().ok().map(MemoryLimit::bytes), bytes, "{text}");
        }
        assert_eq!(MemoryLimit(512 * MIB).to_string(), "512 MiB");
    }

    #[test]
    fn windows_shrink_with_the_limit() {
        let window = |mib: u64| MemoryLimit(mib * MIB).window(1 << 18, 2, Need::ROWS);
        assert_eq!(window(4096), Some(Window { row_groups: 2, pieces: 4 }));
        assert_eq!(window(272), Some(Window { row_groups: 2, pieces: 2 }));
        assert_eq!(window(232), Some(Window { row_groups: 1, pieces: 1 }));
        assert_eq!(window(230), None);
        let holds = |rows| MemoryLimit(1 << 30).holds(rows, 2, Need::ROWS);
        assert!(holds(1_000_000) && !holds(100_000_000));
        let held = |mib: u64| MemoryLimit(mib * MIB).held_window(3_000, 6, Need::ROWS).map(|window| window.pieces);
        assert_eq!((held(4096), held(614), held(409), held(408)), (Some(12), Some(9), Some(1), None));
        assert_eq!(MemoryLimit(614 * MIB).threads(), 6);
        let text =
            MemoryLimit(200 * MIB).exceeded("it is too large", 1 << 18, 2, Need::ROWS.keeping(8 * MIB)).to_string();
        assert!(text.contains("limit of 200 MiB") && text.contains("about 240 MiB on 2 thread(s)"), "{text}");
        // An estimate below the limit that did not suffice helps nobody.
        let error = MemoryLimit(200 * MIB).exceeded("it is too large", 0, 1, Need::ROWS);
        assert!(error.to_string().contains("about 250 MiB on 1 thread(s)"), "{error}");
        assert_eq!(error.hint_text(), Some("raise --memory-limit"));
        assert!(MemoryLimit::of_machine().bytes() > 0);
        let least = |need: Need, threads| need.of(NARROWEST, 0, threads) / MIB;
        let of = |rows| least(Need::ROWS.of_rows(rows), 1);
        assert_eq!((of(0), of(5_000), of(1_000_000), least(Need::ROWS, 1)), (50, 62, 179, 168));
    }
}
