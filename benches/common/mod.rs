//! Shared by the benches: generated books, and the checks before anything is timed.

#![allow(dead_code, reason = "every bench uses its own part")]

use remargin::book::Book;
use remargin::engine::Chunk;
use remargin::generate::{GenerateRequest, Generated, generate};
use remargin::margin::rules::Rules;
use remargin::progress::Silent;
use remargin::reference;
use remargin::snapshot::{Expectations, LoadOptions, Snapshot, load};
use remargin::source::Format;
use std::path::PathBuf;
use tempfile::TempDir;

/// A generated book on disk.
pub struct Generation {
    folder: TempDir,
    pub counts: Generated,
}

impl Generation {
    pub fn new(accounts: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let request = GenerateRequest {
            accounts,
            positions_per_account: 10.0,
            seed: 1,
            out: folder.path().join("snapshot"),
            format: Format::Parquet,
            force: false,
        };
        let counts = generate(&request, &Silent).expect("a book");
        Self { folder, counts }
    }

    pub fn snapshot(&self) -> PathBuf {
        self.folder.path().join("snapshot")
    }

    /// Folder for results beside the book.
    pub fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    pub fn load(&self, rules: &Rules) -> Snapshot {
        let options = LoadOptions {
            default_spot_offset: rules.default_spot_offset,
            expectations: &Expectations::NONE,
            progress: &Silent,
        };
        load(&self.snapshot(), &options).expect("a valid snapshot")
    }
}

pub fn rules() -> Rules {
    remargin::rules::load(None, &[]).expect("the built-in rules").rules
}

/// Checks `checked` accounts, spread evenly over the chunk, against the reference model.
pub fn assert_reference(snapshot: &Snapshot, rules: &Rules, unit_names: &[String], chunk: &Chunk, checked: usize) {
    let step = (chunk.accounts.len() / checked).max(1);
    for place in (0..chunk.accounts.len()).step_by(step) {
        let start = if place == 0 { 0 } else { chunk.unit_end[place - 1] };
        let units = &chunk.units[start..chunk.unit_end[place]];
        let index = chunk.first_account + place;
        let account = reference::account_of(&snapshot.market, &snapshot.book, rules, index).expect("an account");
        let margin = reference::margin(&account).expect("a margin");
        let mismatches = reference::compare(&chunk.accounts[place], units, unit_names, &margin, rules);
        assert!(mismatches.is_empty(), "account {index}: {mismatches:?}");
    }
}

/// Position rows of a book.
pub fn positions(book: &Book) -> u64 {
    book.qty().len() as u64
}
