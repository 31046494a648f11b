//! Saved responses of the exchange: in as a snapshot, and beside a finished run.

mod doubts;
mod imports;
mod margins;
mod models;
mod polls;
mod properties;
mod reconciles;
mod shapes;

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

/// The rows of a file of the sample.
fn sample_rows(name: &str) -> Vec<Value> {
    rows(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/okx-sample").join(name))
}

/// The sample without the account `builder`, so with `desk` alone.
fn sample() -> Place {
    let place = Place::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/okx-sample");
    fs::create_dir(place.path("in/desk")).unwrap();
    for folder in ["", "desk"] {
        for entry in fs::read_dir(from.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let to = place.path("in").join(folder).join(path.file_name().unwrap());
                fs::write(to, fs::read(&path).unwrap()).unwrap();
            }
        }
    }
    place
}

/// Columns of a table of the run, by the first column and, of risk units, the unit.
fn figures(place: &Place, table: &str, names: &[&str]) -> Vec<(String, Vec<f64>)> {
    let text = fs::read_to_string(place.path("out").join(format!("{table}.csv"))).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let place_of = |name: &str| header.iter().position(|found| *found == name).unwrap();
    let key = if table == "risk_units" { place_of("risk_unit") } else { 0 };
    let row = |cells: Vec<&str>| {
        (cells[key].to_owned(), names.iter().map(|name| cells[place_of(name)].parse().unwrap()).collect())
    };
    lines.map(row).collect()
}
