//! Saved responses of the exchange: in as a snapshot, and beside a finished run.

mod imports;
mod models;
mod properties;
mod reconciles;

use remargin::import::okx::{ImportRequest, Imported, import};
use remargin::progress::Silent;
use remargin::request::{DistanceScope, OutputRequest, SnapshotRequest};
use remargin::rules;
use remargin::run::{RunRequest, run};
use remargin::snapshot::{Expectations, LoadOptions, Snapshot, load};
use remargin::source::Format;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// 2026-04-27T08:00:00Z, the day of the live responses.
const LIVE_MS: i64 = 1_777_276_800_000;

/// A file of `tests/data/okx`.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/okx").join(name)
}

fn request(folder: &Path, out: &Path) -> ImportRequest {
    ImportRequest {
        folder: folder.to_path_buf(),
        out: out.to_path_buf(),
        format: Format::Csv,
        as_of_ms: None,
        interpolate_vol: false,
        force: false,
    }
}

/// A temporary folder with responses in `in`.
struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("in")).unwrap();
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Copies a file of `tests/data/okx`.
    fn copy(self, name: &str) -> Self {
        fs::copy(data(name), self.path("in").join(name.replace('/', "-"))).unwrap();
        self
    }

    /// Writes rows in the envelope.
    fn write(self, name: &str, rows: &Value) -> Self {
        let path = self.path("in").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, json!({ "code": "0", "msg": "", "data": rows }).to_string()).unwrap();
        self
    }

    fn import(&self) -> Imported {
        import(&request(&self.path("in"), &self.path("snapshot")), &Silent).unwrap()
    }

    fn load(&self) -> Snapshot {
        let rules = rules::load(None, &[]).unwrap().rules;
        let options = LoadOptions {
            default_spot_offset: rules.default_spot_offset,
            expectations: &Expectations { allow_empty: true, ..Expectations::NONE },
            progress: &Silent,
        };
        load(&self.path("snapshot"), &options).unwrap()
    }

    /// Runs the snapshot with its own rules into `out`.
    fn run(&self) {
        let expectations = Expectations { allow_empty: true, ..Expectations::NONE };
        let overlay = self.path("snapshot").join("rules.toml");
        run(
            &RunRequest::new(
                SnapshotRequest::new(self.path("snapshot")).with_expectations(expectations),
                OutputRequest::new(self.path("out")).with_format(Format::Csv),
                rules::load(overlay.is_file().then_some(overlay.as_path()), &[]).unwrap(),
            )
            .with_distance(DistanceScope::AtRisk),
            &Silent,
        )
        .unwrap();
    }

    /// A table of the snapshot as rows of cells, header first.
    fn table(&self, name: &str) -> Vec<Vec<String>> {
        let text = fs::read_to_string(self.path("snapshot").join(format!("{name}.csv"))).unwrap();
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    }
}

/// The rows of a response file.
fn rows(path: &Path) -> Vec<Value> {
    let value: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    value["data"].as_array().unwrap().clone()
}
